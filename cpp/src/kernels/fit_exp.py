"""Fits p in e^r - 1 = r + r^2 * p(r) on |r| <= ln(2)/2, for activations.h. Needs mpmath.

Uses the Remez exchange to minimise the largest error relative to e^r. p(0) is fixed at 1/2, so that small arguments are
exact to first and second order. Prints the coefficients and the largest error.
"""

import sys

import mpmath as mp

mp.mp.dps = 60
BOUND = mp.log(2) / 2 * mp.mpf("1.001")


def target(r):
    """(e^r - 1 - r - r^2/2) / r^3, computed by its series. This is p without the fixed 1/2, divided by r."""
    return mp.nsum(lambda k: r**k / mp.factorial(k + 3), [0, 40])


def remez(degree):
    """The coefficients of the minimax polynomial of `target` with the weight |r|^3 / e^r, and its largest error."""
    n = degree + 1
    grid = [BOUND * mp.cos(mp.pi * i / 400) for i in range(401)]
    weight = {r: abs(r) ** 3 / mp.exp(r) for r in grid}
    value = {r: target(r) for r in grid}
    # The weight is 0 at 0, so no node may be 0.
    nodes = [BOUND * mp.cos(mp.pi * (i + mp.mpf("0.4")) / (n + 1)) for i in range(n + 1)]
    for _ in range(12):
        rows, right = [], []
        for i, r in enumerate(nodes):
            w = abs(r) ** 3 / mp.exp(r)
            rows.append([w * r**k for k in range(n)] + [(-1) ** i])
            right.append(w * target(r))
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix(right))
        c = [solution[k] for k in range(n)]
        error = [(r, weight[r] * (mp.polyval(c[::-1], r) - value[r])) for r in grid]
        peaks, run = [], [error[0]]  # the largest error of each series of errors with the same sign
        for point in error[1:]:
            if point[1] * run[-1][1] < 0:
                peaks.append(max(run, key=lambda e: abs(e[1])))
                run = []
            run.append(point)
        peaks.append(max(run, key=lambda e: abs(e[1])))
        while len(peaks) > n + 1:
            peaks.pop(0 if abs(peaks[0][1]) < abs(peaks[-1][1]) else -1)
        if len(peaks) < n + 1:
            break
        nodes = [p[0] for p in peaks]
    return c, max(abs(e[1]) for e in error)


for name, degree in (("float", 3), ("double", int(sys.argv[1]) if len(sys.argv) > 1 else 8)):
    coefficients, error = remez(degree)
    print(f"{name}: error relative to e^r {mp.nstr(error, 3)}; from r^3 up:")
    for c in coefficients:
        print("  ", mp.nstr(c, 20))
