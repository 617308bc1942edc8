"""The equations of every cell in NumPy, one time step after the other: the oracle of the extended cells.

An extended cell is one that PyTorch lacks. These functions do not use gatecell. Their float64 results are the reference
of the tests. Their float32 results show how large the rounding errors of a case are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.parity import Outputs, named_outputs
from helpers.torch_case import Array

if TYPE_CHECKING:
    from helpers.extended_case import ExtendedCase

# The options of extended cells that these equations have. test_option_values.py compares them with gatecell's options.
IMPLEMENTED = frozenset({"peepholes", "coupled_gates", "reset", "gate_clip", "cell_clip"})

# A state dict, or the weights of one direction of one layer under the names of a cell. The latter have both biases.
Weights = Mapping[str, Array]
State = tuple[Array, ...]  # (h,) or (h, c); each has the shape (B, features)
Gates = dict[str, Array]  # the value of each gate (B, features), and the new states c and h


def run(
    case: ExtendedCase,
    state_dict: Weights,
    x: Array,
    hx: Any,
    dtype: str,
    each_step: Callable[[Weights, Array, State, Gates], None] | None = None,
) -> Outputs:
    """Returns the outputs of a network with the options of the case. All arithmetic is in `dtype`.

    With lengths, the state of a row stays as it is after the end of the row, and y is zero there. `each_step` gets the
    weights, x and the state before each step of each direction run, and the gates.
    """
    x = x.astype(dtype)
    if case.rows is None:
        x = x[:, None]
    elif case.batch_first:
        x = x.swapaxes(0, 1)
    steps, rows, _ = x.shape
    lengths = np.full(rows, steps) if case.lengths is None else np.array(case.lengths)
    blocks = case.num_layers * len(case.directions)
    zeros = tuple(np.zeros((blocks, rows, size)) for size in case.state_sizes)
    initial = zeros if hx is None else hx if isinstance(hx, tuple) else (hx,)
    first = [state.reshape(blocks, rows, -1).astype(dtype) for state in initial]
    finals: list[State] = []
    for layer in range(case.num_layers):
        outputs = []
        for direction in case.directions:
            weights = weights_of_direction(state_dict, f"_l{layer}{direction}", dtype)
            state = tuple(part[len(finals)] for part in first)
            y = np.zeros((steps, rows, case.state_sizes[0]), dtype)
            for t in reversed(range(steps)) if direction else range(steps):
                active = (t < lengths)[:, None]
                with np.errstate(all="ignore"):
                    gates = step(case, weights, x[t], *state)
                    if each_step is not None:
                        each_step(weights, x[t], state, gates)
                new = state_of(gates)
                state = tuple(np.where(active, part, old) for part, old in zip(new, state, strict=True))
                y[t] = np.where(active, state[0], 0)
            finals.append(state)
            outputs.append(y)
        x = np.concatenate(outputs, axis=2)
    states = tuple(np.stack(parts) for parts in zip(*finals, strict=True))
    if case.rows is None:
        x, states = x[:, 0], tuple(part[:, 0] for part in states)
    elif case.batch_first:
        x = x.swapaxes(0, 1)
    return named_outputs(x, states)


def weights_of_direction(state_dict: Weights, suffix: str, dtype: str) -> Weights:
    """The weights with a name that ends with `suffix`, without that ending. Missing biases become zeros."""
    found = {name[: -len(suffix)]: w.astype(dtype) for name, w in state_dict.items() if name.endswith(suffix)}
    zeros = np.zeros(len(found["weight_ih"]), dtype)
    return {"bias_ih": zeros, "bias_hh": zeros} | found


def step(case: ExtendedCase, w: Weights, x: Array, *state: Array) -> Gates:
    """One step of a direction of a layer."""
    cell: Callable[..., Gates] = {"LSTM": lstm, "GRU": gru, "RNN": rnn}[case.class_name]
    return cell(case, w, x, *state)


def state_of(gates: Gates) -> State:
    return tuple(gates[name] for name in "hc" if name in gates)


def lstm(case: ExtendedCase, w: Weights, x: Array, h: Array, c: Array) -> Gates:
    """i = s(a_i), f = s(a_f) or 1 - i, g = tanh(a_g), c' = f c + i g, o = s(a_o), h' = o tanh(c'), and W_hr h'.

    Diagonal peepholes (Gers and Schmidhuber 2000) add p_i c to a_i, p_f c to a_f and p_o c' to a_o; c' is the new cell
    state after the clip. Full peepholes add P_i c, P_f c and P_o c.
    """
    a = split_gates(case, product(w["weight_ih"], x) + product(w["weight_hh"], h) + (w["bias_ih"] + w["bias_hh"]))
    if case.peepholes:
        names = case.gates.replace("g", "")
        p = dict(zip(names, np.split(w["weight_peephole"], len(names)), strict=True))
        diagonal = case.peepholes == "diagonal"

        def peephole(gate: str, c: Array) -> Array:
            return c * p[gate] if diagonal else product(p[gate], c)

        for gate in names.replace("o", ""):
            a[gate] = a[gate] + peephole(gate, c)
    i, g = sigmoid(clip(a["i"], case.gate_clip)), np.tanh(clip(a["g"], case.gate_clip))
    f = 1 - i if case.coupled_gates else sigmoid(clip(a["f"], case.gate_clip))
    new = clip(f * c + i * g, case.cell_clip)
    if case.peepholes:
        a["o"] = a["o"] + peephole("o", new if diagonal else c)
    o = sigmoid(clip(a["o"], case.gate_clip))
    h = product(w["weight_hr"], o * np.tanh(new)) if case.proj_size else o * np.tanh(new)
    return {"i": i, "f": f, "g": g, "o": o, "c": new, "h": h}


def gru(case: ExtendedCase, w: Weights, x: Array, h: Array) -> Gates:
    """r = s(a_r), z = s(a_z), h' = (1-z) n + z h. The option `reset` decides how n is computed.

    after (PyTorch): n = tanh(W_in x + b_in + r (W_hn h + b_hn)). before (Cho et al. 2014): n = tanh(W_in x + b_in +
    b_hn + W_hn (r h)). none: there is no r, n = tanh(W_in x + b_in + b_hn + W_hn h).
    """
    of_x = split_gates(case, product(w["weight_ih"], x) + w["bias_ih"])
    of_h = split_gates(case, product(w["weight_hh"], h) + w["bias_hh"])
    gate = {name: sigmoid(clip(of_x[name] + of_h[name], case.gate_clip)) for name in case.gates[:-1]}
    if case.reset == "after":
        a_n = of_x["n"] + gate["r"] * of_h["n"]
    elif case.reset == "before":
        (w_hn, b_hn) = (np.split(w[name], 3)[2] for name in ("weight_hh", "bias_hh"))
        a_n = of_x["n"] + b_hn + product(w_hn, gate["r"] * h)
    else:
        a_n = of_x["n"] + of_h["n"]
    n = np.tanh(clip(a_n, case.gate_clip))
    return gate | {"n": n, "h": (1 - gate["z"]) * n + gate["z"] * h}


def rnn(case: ExtendedCase, w: Weights, x: Array, h: Array) -> Gates:
    """h' = tanh(a) or max(a, 0)."""
    a = product(w["weight_ih"], x) + w["bias_ih"] + product(w["weight_hh"], h) + w["bias_hh"]
    a = clip(a, case.gate_clip)
    return {"h": np.tanh(a) if case.mode == "RNN_TANH" else np.maximum(a, 0)}


def sums_of_terms(case: ExtendedCase, w: Weights, x: Array, before: State, gates: Gates) -> Gates:
    """The sum of |w||x| + |b| over all terms of the pre-activation of each gate (B, H), for one step.

    x stands for the inputs, for h, and for c in peepholes.
    """

    def terms(kind: str, v: Array) -> Gates:
        return split_gates(case, product(np.abs(w[f"weight_{kind}"]), np.abs(v)) + np.abs(w[f"bias_{kind}"]))

    of_x, of_h = terms("ih", x), terms("hh", before[0])
    if "r" in gates:
        of_h["n"] = gates["r"] * of_h["n"] if case.reset == "after" else terms("hh", gates["r"] * before[0])["n"]
    sums = {gate: of_x[gate] + of_h[gate] for gate in case.gates}
    if case.peepholes:
        names = case.gates.replace("g", "")
        for gate, p in zip(names, np.abs(np.split(w["weight_peephole"], len(names))), strict=True):
            c = np.abs(gates["c"] if (case.peepholes, gate) == ("diagonal", "o") else before[1])
            sums[gate] += c * p if case.peepholes == "diagonal" else product(p, c)
    return sums


def product(w: Array, v: Array) -> Array:
    """W v for each row of v. BLAS is not used: its threads would continue to spin beside the threads of gatecell."""
    return np.einsum("ok,bk->bo", w, v)


def split_gates(case: ExtendedCase, a: Array) -> dict[str, Array]:
    """Splits (B, gates*H) into one array (B, H) for each gate."""
    return dict(zip(case.gates, a.reshape(len(a), -1, case.hidden_size).swapaxes(0, 1), strict=True))


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def clip(a: Array, limit: float | None) -> Array:
    """Limits a to the range from -limit to limit. NaN stays NaN."""
    return a if limit is None else np.clip(a, -limit, limit).astype(a.dtype)
