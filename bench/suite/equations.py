"""Computes a case in NumPy and float64 directly from the equations: the reference for extended cells.

It is slow and simple on purpose, and uses no code of a library that is compared. In the equations s() is the sigmoid
and b the sum of both biases.
"""

from __future__ import annotations

import numpy as np

from suite.arrays import Arrays, make_lengths
from suite.cases import Case

State = tuple[np.ndarray, ...]  # h (B, H or P); for an LSTM h and c (B, H)


def sigmoid(a: np.ndarray) -> np.ndarray:
    s: np.ndarray = 1 / (1 + np.exp(-a))
    return s


def blocks(names: str, array: np.ndarray, axis: int = 0) -> Arrays:
    return dict(zip(names, np.split(array, len(names), axis), strict=True))


def lstm(case: Case, w: Arrays, x: np.ndarray, state: State) -> State:
    """i = s(a_i), f = s(a_f) or, if coupled, 1 - i, g = tanh(a_g), c' = f c + i g, o = s(a_o), h' = o tanh(c').

    Diagonal peepholes add p * c to a_i and a_f, and p * c' to a_o. Full peepholes add P c to all three.
    """
    h, c = state
    sums = x @ w["weight_ih"].T + w["bias_ih"] + h @ w["weight_hh"].T + w["bias_hh"]
    a = blocks("igo" if case.coupled_gates else "ifgo", sums, axis=1)

    p = blocks("io" if case.coupled_gates else "ifo", w["weight_peephole"]) if case.peepholes else {}

    def gate(name: str, cell: np.ndarray) -> np.ndarray:
        """The value of the gate. Its peepholes read `cell`."""
        peephole = 0 if not p else p[name] * cell if case.peepholes == "diagonal" else cell @ p[name].T
        return sigmoid(a[name] + peephole)

    i = gate("i", c)
    f = 1 - i if case.coupled_gates else gate("f", c)
    c_next = f * c + i * np.tanh(a["g"])
    o = gate("o", c_next if case.peepholes == "diagonal" else c)
    h_next = o * np.tanh(c_next)
    return (h_next @ w["weight_hr"].T if case.proj_size else h_next), c_next


def gru(case: Case, w: Arrays, x: np.ndarray, state: State) -> State:
    """r = s(a_r), z = s(a_z), h' = (1 - z) n + z h. The option `reset` decides what n is:

    after: tanh(W x + b_in + r * (U h + b_hn)); before: tanh(W x + b_in + b_hn + U (r * h)); none: the same without r.
    """
    (h,) = state
    names = "zn" if case.reset == "none" else "rzn"
    from_x = blocks(names, x @ w["weight_ih"].T + w["bias_ih"], axis=1)
    u, b = blocks(names, w["weight_hh"]), blocks(names, w["bias_hh"])
    gate = {name: sigmoid(from_x[name] + h @ u[name].T + b[name]) for name in names[:-1]}
    if case.reset == "after":
        n = np.tanh(from_x["n"] + gate["r"] * (h @ u["n"].T + b["n"]))
    else:
        n = np.tanh(from_x["n"] + b["n"] + (gate.get("r", 1) * h) @ u["n"].T)
    return ((1 - gate["z"]) * n + gate["z"] * h,)


def rnn(case: Case, w: Arrays, x: np.ndarray, state: State) -> State:
    """h' = tanh(W x + b + U h)"""
    return (np.tanh(x @ w["weight_ih"].T + w["bias_ih"] + state[0] @ w["weight_hh"].T + w["bias_hh"]),)


def forward(case: Case, weights: Arrays, inputs: Arrays) -> list[np.ndarray]:
    """y with zeros after each row's last step, h_n and, for an LSTM, c_n: float64, in PyTorch's shapes."""
    step = {"lstm": lstm, "gru": gru, "rnn": rnn}[case.cell]
    sizes = [case.output_size, case.hidden_size] if case.cell == "lstm" else [case.output_size]
    zeros = [np.zeros((case.direction_runs, case.batch, size)) for size in sizes]
    initial = [inputs.get(name, zero).astype(float) for name, zero in zip(("h_0", "c_0"), zeros, strict=False)]
    lengths = make_lengths(case)
    y = inputs["x"].astype(float)
    y = y.swapaxes(0, 1) if case.batch_first else y
    finals: list[State] = []
    for layer in range(case.num_layers):
        outputs: list[np.ndarray] = []
        for suffix in (f"_l{layer}", f"_l{layer}_reverse")[: case.directions]:
            w = {name.removesuffix(suffix): a.astype(float) for name, a in weights.items() if name.endswith(suffix)}
            state: State = tuple(states[len(finals)] for states in initial)
            out = np.zeros((case.steps, case.batch, case.output_size))
            for t in range(case.steps)[:: -1 if outputs else 1]:
                live = (t < lengths)[:, None]
                new = step(case, w, y[t], state)
                state = tuple(np.where(live, after, before) for after, before in zip(new, state, strict=True))
                out[t] = np.where(live, new[0], 0)
            outputs.append(out)
            finals.append(state)
        y = np.concatenate(outputs, axis=2)
    y = y.swapaxes(0, 1) if case.batch_first else y
    return [y, *(np.stack(states) for states in zip(*finals, strict=True))]
