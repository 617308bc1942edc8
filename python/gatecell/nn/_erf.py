"""The error function in float64, which NumPy lacks, as a Taylor series around the nearest of 385 points.

math.erf gives the values at the points. The first derivative is 2/sqrt(pi) exp(-x^2), and Hermite's recurrence gives
the others. The points are 1/64 apart and the series ends with the sixth power, so the first omitted term is below
2e-16.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .._base.arrays import Floats

_PER_UNIT = 64
_POWERS = 6
_END = 6  # erf(6) is 1 in float64


def erf(x: Floats) -> Floats:
    """erf(x), exact up to rounding errors. NaN stays NaN."""
    size = np.minimum(np.abs(x), _END)
    number = np.rint(size * _PER_UNIT)
    with np.errstate(invalid="ignore"):  # for NaN the index does not matter
        index = number.astype(np.intp)
    distance = size - number / _PER_UNIT
    coefficients = _taylor()
    y: Floats = coefficients[-1].take(index, mode="clip")
    for coefficient in coefficients[-2::-1]:
        y *= distance
        y += coefficient.take(index, mode="clip")
    return np.copysign(y, x)


@cache
def _taylor() -> NDArray[np.float64]:
    """The coefficients of the series, (power, point), for powers of the distance from the point."""
    points = [number / _PER_UNIT for number in range(_END * _PER_UNIT + 1)]
    rows = [[math.erf(x) for x in points]]
    # The n-th derivative is 2/sqrt(pi) exp(-x^2) p_n(x), where p_1 = 1, p_2 = -2x, p_n+1 = -2x p_n - 2(n-1) p_n-1.
    before, last = [0.0] * len(points), [1.0] * len(points)
    for n in range(1, _POWERS + 1):
        factor = 2 / math.sqrt(math.pi) / math.factorial(n)
        rows.append([factor * math.exp(-x * x) * p for x, p in zip(points, last, strict=True)])
        before, last = last, [-2 * x * p - 2 * (n - 1) * q for x, p, q in zip(points, last, before, strict=True)]
    return np.array(rows)
