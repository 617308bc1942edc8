"""The equations of the cells in NumPy, for the values of all gates. They are written to be read.

This code is slow and separate from the fast path. It computes one step after the other, by default in float64 for every
dtype of the network. `gatecell verify` compares calls with it, and runs it in float32, too, to see the effect of
rounding alone. With numbers that keep the absolute terms of a sum, the same equations give the largest sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._base.arrays import Floats
from .._base.spec import Spec

Gates = dict[str, Floats]  # by the gate's name


def values(
    spec: Spec,
    weights: Mapping[str, Floats],
    x: Floats,
    h_0: Floats | None,
    c_0: Floats | None,
    arithmetic: str = "float64",
    make_cell: Callable[..., _Cell] | None = None,
) -> Gates:
    """The values of each gate, (L*D, T, B, features), in x's dtype. x is (T, B, I).

    weights: by their names in a layer's state dict. h_0 is (L*D, B, S), c_0 (L*D, B, H); None means zeros. arithmetic:
    the dtype of the computation. make_cell: makes one direction of one layer, by default a _Cell.
    """
    make_cell = make_cell or _Cell
    steps, rows, _ = x.shape
    names = {"lstm": "ifgoch", "gru": spec.gates + "h"}.get(spec.cell, "h")
    sizes = {name: spec.state_size if name == "h" else spec.hidden_size for name in names}
    found: Gates = {name: np.empty((spec.direction_runs, steps, rows, size), x.dtype) for name, size in sizes.items()}
    directions = ("", "_reverse") if spec.bidirectional else ("",)
    inputs = x.astype(arithmetic)
    with np.errstate(all="ignore"):  # no warnings about infinities, NaNs and overflow, as in a call
        for layer in range(spec.num_layers):
            outputs = np.empty((steps, rows, len(directions), spec.state_size), arithmetic)
            for number, direction in enumerate(directions):
                run = layer * len(directions) + number  # the index of a direction run
                h = np.zeros((rows, spec.state_size), arithmetic) if h_0 is None else h_0[run].astype(arithmetic)
                c = np.zeros((rows, spec.hidden_size), arithmetic) if c_0 is None else c_0[run].astype(arithmetic)
                cell = make_cell(spec, weights, f"_l{layer}{direction}", x.dtype, arithmetic)
                for t in reversed(range(steps)) if direction else range(steps):
                    gates = cell.step(inputs[t], h, c)
                    h, c = gates["h"], gates.get("c", c)
                    outputs[t, :, number] = h
                    for name, array in found.items():
                        array[run, t] = gates[name]
            inputs = outputs.reshape(steps, rows, spec.output_size)
    return found


def largest_sum(spec: Spec, weights: Mapping[str, Floats], x: Floats, h_0: Floats | None, c_0: Floats | None) -> float:
    """The largest sum of absolute terms in a gate, in float64, over all layers, directions, steps, rows and units.

    The arguments are those of `values`.
    """
    cells: list[_CellWithTerms] = []

    def make_cell(*arguments: Any) -> _Cell:
        cells.append(_CellWithTerms(*arguments))
        return cells[-1]

    values(spec, weights, x, h_0, c_0, make_cell=make_cell)
    return float(np.max([cell.largest for cell in cells]))


class _Cell:
    """One direction of one layer. `step` computes all gates from x (B, I), h (B, S) and c (B, H)."""

    def __init__(
        self, spec: Spec, weights: Mapping[str, Floats], suffix: str, dtype: np.dtype[Any], arithmetic: str
    ) -> None:
        def blocks(name: str, gates: str) -> Gates:
            if name + suffix not in weights:
                return {gate: np.zeros(1, arithmetic) for gate in gates}
            return dict(zip(gates, np.split(weights[name + suffix].astype(arithmetic), len(gates)), strict=True))

        order = spec.gates
        self.spec = spec
        self.of_x, self.bias_x = blocks("weight_ih", order), blocks("bias_ih", order)
        self.of_h, self.bias_h = blocks("weight_hh", order), blocks("bias_hh", order)
        self.of_c = blocks("weight_peephole", spec.peephole_gates)
        self.projection = weights["weight_hr" + suffix].astype(arithmetic) if spec.proj_size else None
        # The limits are rounded to x's dtype, which is the network's by default: the core uses them in that dtype.
        self.gate_clip = float(dtype.type(spec.gate_clip or np.inf))
        self.cell_clip = float(dtype.type(spec.cell_clip or np.inf))
        self.step = {"lstm": self._lstm, "gru": self._gru}.get(spec.cell, self._rnn)

    def _lstm(self, x: Floats, h: Floats, c: Floats) -> Gates:
        i = sigmoid(self._clip(self._x("i", x) + self._h("i", h) + self._peepholes("i", c)))
        if self.spec.coupled_gates:
            f = 1 - i
        else:
            f = sigmoid(self._clip(self._x("f", x) + self._h("f", h) + self._peepholes("f", c)))
        g = np.tanh(self._clip(self._x("g", x) + self._h("g", h)))
        seen = c
        c = np.clip(f * c + i * g, -self.cell_clip, self.cell_clip)
        if self.spec.peepholes == "diagonal":
            seen = c
        o = sigmoid(self._clip(self._x("o", x) + self._h("o", h) + self._peepholes("o", seen)))
        h = o * np.tanh(c)
        if self.projection is not None:
            h = h @ self.projection.T
        return {"i": i, "f": f, "g": g, "o": o, "c": c, "h": h}

    def _gru(self, x: Floats, h: Floats, _: Floats) -> Gates:
        z = sigmoid(self._clip(self._x("z", x) + self._h("z", h)))
        if self.spec.reset == "none":
            n = np.tanh(self._clip(self._x("n", x) + self._h("n", h)))
            return {"z": z, "n": n, "h": (1 - z) * n + z * h}
        r = sigmoid(self._clip(self._x("r", x) + self._h("r", h)))
        from_h = r * self._h("n", h) if self.spec.reset == "after" else self._h("n", r * h)
        n = np.tanh(self._clip(self._x("n", x) + from_h))
        return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * h}

    def _rnn(self, x: Floats, h: Floats, _: Floats) -> Gates:
        a = self._clip(self._x("h", x) + self._h("h", h))
        return {"h": np.maximum(a, 0) if self.spec.cell == "rnn_relu" else np.tanh(a)}

    def _x(self, gate: str, x: Floats) -> Any:
        """W x + b of a gate."""
        return self._sum(x, self.of_x[gate], self.bias_x[gate])

    def _h(self, gate: str, h: Floats) -> Any:
        """W h + b of a gate."""
        return self._sum(h, self.of_h[gate], self.bias_h[gate])

    def _peepholes(self, gate: str, c: Floats) -> Any:
        """The product of a gate's peepholes and c; 0 without peepholes."""
        if self.spec.peepholes == "none":
            return self._zero  # no product with c, because c may be infinite
        return self._sum(c, self.of_c[gate])

    _zero: Any = 0.0

    def _sum(self, values: Floats, weight: Floats, bias: Any = 0) -> Any:
        """W v + b. A vector W stands for a diagonal matrix."""
        return (values @ weight.T if weight.ndim == 2 else values * weight) + bias

    def _clip(self, a: Any) -> Floats:
        """The pre-activation, limited to -gate_clip ... gate_clip."""
        limited: Floats = np.clip(a, -self.gate_clip, self.gate_clip)
        return limited


class _Terms:
    """A sum, and the sum of its absolute terms."""

    __array_ufunc__ = None  # so that NumPy leaves the product of an array and an object of this class to __rmul__

    def __init__(self, value: Any, absolute: Any) -> None:
        self.value, self.absolute = value, absolute

    def __add__(self, other: _Terms) -> _Terms:
        return _Terms(self.value + other.value, self.absolute + other.absolute)

    def __rmul__(self, factor: Floats) -> _Terms:
        return _Terms(factor * self.value, np.abs(factor) * self.absolute)


class _CellWithTerms(_Cell):
    """A _Cell that computes with _Terms. `largest` is the largest sum of absolute terms in its gates so far."""

    largest = 0.0
    _zero = _Terms(0.0, 0.0)

    def _sum(self, values: Floats, weight: Floats, bias: Any = 0) -> _Terms:
        return _Terms(super()._sum(values, weight, bias), super()._sum(*map(np.abs, (values, weight, bias))))

    def _clip(self, a: Any) -> Floats:
        self.largest = np.maximum(self.largest, np.max(a.absolute, initial=0))  # NaN if there is a NaN
        return super()._clip(a.value)


def sigmoid(a: Floats) -> Floats:
    """1 / (1 + exp(-a))."""
    s: Floats = 1 / (1 + np.exp(-a))
    return s
