"""Computes S of the promised bound: the largest sum of absolute terms in a gate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import gatecell

from ._reference import State, hx_of
from ._sizes import Floats, Layer, direction_runs, directions, gate_order, peephole_order, peepholes


def largest_sum(net: Layer, weights: Mapping[str, Floats], x: Floats, state: State) -> float:
    """The largest sum of abs(w) abs(x) + abs(b) in a gate, over all layers, directions, steps, rows and units.

    It is computed in float64.

    weights: by their names in the layer's state dict. x: (T, B, I). state: h_0 (L*D, B, S) and, for an LSTM, c_0.

    The terms of a gate are the products with its input (x, or the outputs of the layer below), the products with
    h(t-1), the products with c if it has peepholes, and both biases. Diagonal peepholes of o multiply the new c(t); all
    other peepholes multiply the old c(t-1). Inputs and states are taken from the run itself.
    In a GRU's candidate the reset gate multiplies the recurrent terms: r * (abs(W_hn) abs(h) + abs(b_hn)), or with
    reset="before" abs(W_hn) abs(r * h) + abs(b_hn). A projection is not a gate, so its sum does not count; its result
    counts as the h of the next step and the input of the next layer. gate_clip has no effect, as it follows the sum.
    """
    x = x.astype("float64")
    gates = net.gates(x, hx_of(state), dtype="float64")
    largest = []
    for run in range(direction_runs(net)):
        layer, reverse = divmod(run, directions(net))
        if layer and not reverse:
            x = np.concatenate(gates["h"][run - directions(net) : run], axis=2)
        own = {name: values[run] for name, values in gates.items()}
        before = {
            name: _rows(_before(own[name], first[run], bool(reverse))) for name, first in zip("hc", state, strict=False)
        }
        after = {name: _rows(values) for name, values in own.items()}
        suffix = f"_l{layer}{'_reverse' * reverse}"
        largest += [np.max(sums) for sums in _sums(net, weights, suffix, _rows(x), before, after)]
    return float(np.max(largest))


def _rows(values: Floats) -> Floats:
    """Reshapes (T, B, features) to (T*B, features), so that one product of matrices suffices for all steps."""
    return values.reshape(-1, values.shape[-1])


def _before(values: Floats, first: Floats, reverse: bool) -> Floats:
    """The state before each step, (T, B, features). values: the state after each step. first: h_0 or c_0."""
    start = first.astype("float64")[None]
    return np.concatenate([values[1:], start] if reverse else [start, values[:-1]])


def _sums(
    net: Layer,
    weights: Mapping[str, Floats],
    suffix: str,
    x: Floats,
    before: Mapping[str, Floats],
    after: Mapping[str, Floats],
) -> list[Floats]:
    """The sums of absolute terms of each gate in one direction of one layer, each (T*B, H).

    before: the states before each step. after: the values of all gates after each step.
    """

    def absolute(name: str) -> Floats:
        array: Floats = np.abs(weights[name + suffix].astype("float64"))
        return array

    def products(kind: str, values: Floats) -> dict[str, Floats]:
        sums = np.abs(values) @ absolute(f"weight_{kind}").T
        if net.bias:
            sums += absolute(f"bias_{kind}")
        return dict(zip(order, np.split(sums, len(order), axis=1), strict=True))

    order = gate_order(net)
    of_x, of_h = products("ih", x), products("hh", before["h"])
    if isinstance(net, gatecell.GRU) and net.reset != "none":
        r = after["r"]
        of_h["n"] = r * of_h["n"] if net.reset == "after" else products("hh", r * before["h"])["n"]
    sums = {gate: of_x[gate] + of_h[gate] for gate in order}
    if seeing := peephole_order(net):
        for gate, weight in zip(seeing, np.split(absolute("weight_peephole"), len(seeing)), strict=True):
            diagonal = peepholes(net) == "diagonal"
            seen = np.abs((after if diagonal and gate == "o" else before)["c"])
            sums[gate] += seen * weight if diagonal else seen @ weight.T
    return list(sums.values())
