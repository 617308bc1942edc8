"""The oracle of the cells PyTorch does not have: the textbooks' equations in NumPy, one time step after the other.

It knows nothing of gatecell. In float64 it is the reference, in float32 it shows what rounding alone does to a case.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import reference
from parity import Outputs, largest_difference, named_outputs
from reference import Array

Weights = Mapping[str, Array]  # of one direction of one layer, by a cell's names; both biases are there
States = tuple[Array, ...]  # (h,) or (h, c), of shape (B, features)
ORDERS = 4
OWNERS = {  # the class that has the option
    "peepholes": "LSTM",
    "coupled_gates": "LSTM",
    "cell_clip": "LSTM",
    "proj_size": "LSTM",
    "reset": "GRU",
}


@dataclass(frozen=True)
class Case(reference.Case):
    """A network and its inputs, made from options and a seed, with the equations' results."""

    peepholes: str | None = None
    coupled_gates: bool = False
    reset: str = "after"
    gate_clip: float | None = None
    cell_clip: float | None = None

    @property
    def options(self) -> dict[str, Any]:
        names = [name for name, owner in OWNERS.items() if owner == self.class_name]
        return super().options | {name: getattr(self, name) for name in [*names, "gate_clip"]}

    @property
    def cell_options(self) -> dict[str, Any]:
        """Keyword arguments of the cell of the same kind."""
        of_layers = ("num_layers", "batch_first", "bidirectional", "proj_size")
        return {name: value for name, value in self.options.items() if name not in of_layers}

    @property
    def gates(self) -> str:
        """Blocks of rows in weight_ih, weight_hh and the biases."""
        lstm, gru = "igo" if self.coupled_gates else "ifgo", "zn" if self.reset == "none" else "rzn"
        return {"LSTM": lstm, "GRU": gru, "RNN": "h"}[self.class_name]

    @property
    def directions(self) -> tuple[str, ...]:
        """What follows the layer in the names of the weights."""
        return ("", "_reverse") if self.bidirectional else ("",)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of every weight, in the state dict's order."""
        rows, peeps = len(self.gates) * self.hidden_size, len(self.gates.replace("g", "")) * self.hidden_size
        features = self.state_sizes[0]
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, direction in itertools.product(range(self.num_layers), self.directions):
            suffix = f"_l{layer}{direction}"
            shapes["weight_ih" + suffix] = (rows, features * len(self.directions) if layer else self.input_size)
            shapes["weight_hh" + suffix] = (rows, features)
            if self.bias:
                shapes |= {"bias_ih" + suffix: (rows,), "bias_hh" + suffix: (rows,)}
            if self.peepholes:
                shapes["weight_peephole" + suffix] = (peeps, self.hidden_size)[: 1 + (self.peepholes == "full")]
            if self.proj_size:
                shapes["weight_hr" + suffix] = (self.proj_size, self.hidden_size)
        return shapes

    def state_dict(self) -> dict[str, Array]:
        """Of torch's scale, and reference.scaled's three kinds of it."""
        rng = np.random.default_rng([self.seed, 1])  # not the numbers of inputs()
        all_of_them = {"large": 2 if self.mode == "RNN_RELU" else 4}.get(self.scale, 1)
        outer = 20 if self.scale == "saturated" else 1

        def draw(name: str, shape: tuple[int, ...]) -> Array:
            factor = outer if "bias" in name or "weight_ih_l0" in name else 1
            return (rng.uniform(-1, 1, shape) * all_of_them * factor / np.sqrt(self.hidden_size)).astype(self.dtype)

        return {name: draw(name, shape) for name, shape in self.shapes().items()}

    def reference(self) -> Outputs:
        return _reference(self)

    def own_error(self) -> float:
        """Of float32 NumPy; with few hidden units of several draws, as saturated or bounded gates tell nothing."""
        draws = max(1, 8 // self.hidden_size)
        first, case = self.seed // draws * draws, self.sample().with_(dtype="float32")
        return max(_own_error(case.with_(seed=seed)) for seed in range(first, first + draws))


def run(case: Case, state_dict: Weights, x: Array, hx: Any, dtype: str) -> Outputs:
    """What a layer with the case's options returns, all arithmetic in `dtype`; row by row for a case's lengths."""
    x = x.astype(dtype)
    if case.rows is None:
        x = x[:, None]
    elif case.batch_first:
        x = x.swapaxes(0, 1)
    steps, rows, _ = x.shape
    lengths = np.full(rows, steps) if case.lengths is None else np.array(case.lengths)
    step: Callable[..., States] = {"LSTM": lstm, "GRU": gru, "RNN": rnn}[case.class_name]
    blocks = case.num_layers * len(case.directions)
    zeros = tuple(np.zeros((blocks, rows, size)) for size in case.state_sizes)
    given = zeros if hx is None else hx if isinstance(hx, tuple) else (hx,)
    first = [state.reshape(blocks, rows, -1).astype(dtype) for state in given]
    finals: list[States] = []
    for layer in range(case.num_layers):
        outputs = []
        for direction in case.directions:
            weights = of_direction(state_dict, f"_l{layer}{direction}", dtype)
            state = tuple(part[len(finals)] for part in first)
            y = np.zeros((steps, rows, case.state_sizes[0]), dtype)
            for t in reversed(range(steps)) if direction else range(steps):
                live = (t < lengths)[:, None]
                with np.errstate(all="ignore"):
                    new = step(case, weights, x[t], *state)
                state = tuple(np.where(live, part, old) for part, old in zip(new, state, strict=True))
                y[t] = np.where(live, state[0], 0)
            finals.append(state)
            outputs.append(y)
        x = np.concatenate(outputs, axis=2)
    states = tuple(np.stack(parts) for parts in zip(*finals, strict=True))
    if case.rows is None:
        x, states = x[:, 0], tuple(part[:, 0] for part in states)
    elif case.batch_first:
        x = x.swapaxes(0, 1)
    return named_outputs(x, states)


def of_direction(state_dict: Weights, suffix: str, dtype: str) -> Weights:
    """Weights whose names end so, with biases of zero where there are none."""
    of_it = {name[: -len(suffix)]: w.astype(dtype) for name, w in state_dict.items() if name.endswith(suffix)}
    zeros = np.zeros(len(of_it["weight_ih"]), dtype)
    return {"bias_ih": zeros, "bias_hh": zeros} | of_it


def lstm(case: Case, w: Weights, x: Array, h: Array, c: Array) -> States:
    """i = s(a_i), f = s(a_f) or 1 - i, g = tanh(a_g), c' = f c + i g, o = s(a_o), h' = o tanh(c'), and W_hr h'.

    Diagonal peepholes (Gers and Schmidhuber 2000) add p_i c and p_f c, and p_o c' of the new, bounded c'; full ones add
    P_i c, P_f c and P_o c.
    """
    a = of_gates(case, product(w["weight_ih"], x) + product(w["weight_hh"], h) + (w["bias_ih"] + w["bias_hh"]))
    if case.peepholes:
        names = case.gates.replace("g", "")
        p = dict(zip(names, np.split(w["weight_peephole"], len(names)), strict=True))
        see = {"diagonal": lambda gate, c: c * p[gate], "full": lambda gate, c: product(p[gate], c)}[case.peepholes]
        for gate in names.replace("o", ""):
            a[gate] = a[gate] + see(gate, c)
    i, g = sigmoid(clip(a["i"], case.gate_clip)), np.tanh(clip(a["g"], case.gate_clip))
    f = 1 - i if case.coupled_gates else sigmoid(clip(a["f"], case.gate_clip))
    new = clip(f * c + i * g, case.cell_clip)
    if case.peepholes:
        a["o"] = a["o"] + see("o", new if case.peepholes == "diagonal" else c)
    h = sigmoid(clip(a["o"], case.gate_clip)) * np.tanh(new)
    return (product(w["weight_hr"], h) if case.proj_size else h), new


def gru(case: Case, w: Weights, x: Array, h: Array) -> States:
    """r = s(a_r), z = s(a_z), h' = (1-z) n + z h, and the candidate n by where the reset gate stands.

    after (PyTorch): n = tanh(W_in x + b_in + r (W_hn h + b_hn)). before (Cho et al. 2014): n = tanh(W_in x + b_in +
    b_hn + W_hn (r h)). none: there is no r, n = tanh(W_in x + b_in + b_hn + W_hn h).
    """
    of_x = of_gates(case, product(w["weight_ih"], x) + w["bias_ih"])
    of_h = of_gates(case, product(w["weight_hh"], h) + w["bias_hh"])
    gate = {name: sigmoid(clip(of_x[name] + of_h[name], case.gate_clip)) for name in case.gates[:-1]}
    if case.reset == "after":
        a_n = of_x["n"] + gate["r"] * of_h["n"]
    elif case.reset == "before":
        (w_hn, b_hn) = (np.split(w[name], 3)[2] for name in ("weight_hh", "bias_hh"))
        a_n = of_x["n"] + b_hn + product(w_hn, gate["r"] * h)
    else:
        a_n = of_x["n"] + of_h["n"]
    return ((1 - gate["z"]) * np.tanh(clip(a_n, case.gate_clip)) + gate["z"] * h,)


def rnn(case: Case, w: Weights, x: Array, h: Array) -> States:
    """h' = tanh(a) or max(a, 0)."""
    a = product(w["weight_ih"], x) + w["bias_ih"] + product(w["weight_hh"], h) + w["bias_hh"]
    a = clip(a, case.gate_clip)
    return (np.tanh(a) if case.mode == "RNN_TANH" else np.maximum(a, 0),)


def product(w: Array, v: Array) -> Array:
    """W v for each row of v. Not by BLAS, whose threads would go on spinning beside ours."""
    return np.einsum("ok,bk->bo", w, v)


def of_gates(case: Case, a: Array) -> dict[str, Array]:
    """(B, gates*H) as (B, H) for each gate."""
    return dict(zip(case.gates, a.reshape(len(a), -1, case.hidden_size).swapaxes(0, 1), strict=True))


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def clip(a: Array, limit: float | None) -> Array:
    """Bounded to +-limit; NaN stays NaN."""
    return a if limit is None else np.clip(a, -limit, limit).astype(a.dtype)


@functools.cache
def _reference(case: Case) -> Outputs:
    return run(case, case.state_dict(), *case.inputs(), "float64")


@functools.cache
def _own_error(case: Case) -> float:
    """The largest of a few orders of summation: one alone may be nearly right by luck."""
    state_dict, (x, hx) = case.state_dict(), case.inputs()
    exact, rng = run(case, state_dict, x, hx, "float64"), np.random.default_rng(case.seed)
    errors = []
    for _ in range(ORDERS):
        order = rng.permutation(case.input_size)
        permuted = {name: w[:, order] if name.startswith("weight_ih_l0") else w for name, w in state_dict.items()}
        errors.append(largest_difference(run(case, permuted, x[..., order], hx, "float32"), exact))
    return max(errors)
