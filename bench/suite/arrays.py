"""The arrays of a case, drawn from fixed seeds: weights, input, initial state and row lengths."""

from __future__ import annotations

import numpy as np

from suite.cases import Case

Arrays = dict[str, np.ndarray]


def make_weights(case: Case) -> Arrays:
    """Weights with PyTorch's names, layout and initial distribution: uniform in +-1/sqrt(H). Equal in every process."""
    rng = np.random.default_rng(0)
    bound = case.hidden_size**-0.5
    weights: Arrays = {}
    for layer in range(case.num_layers):
        for direction in ("", "_reverse")[: case.directions]:
            for name, shape in case.weight_shapes(layer).items():
                weights[f"{name}_l{layer}{direction}"] = rng.uniform(-bound, bound, shape).astype(case.dtype)
    return weights


def make_input(case: Case) -> Arrays:
    """The input of a call: `x` (standard normal), `h_0` and, for an LSTM, `c_0`, in PyTorch's shapes.

    A no_hx case has no initial state. A ragged case also has `lengths`. Streams have only x, of shape (T, B, I).
    """
    rng = np.random.default_rng(1)
    rows = (case.batch, case.steps) if case.batch_first else (case.steps, case.batch)
    arrays = {"x": rng.standard_normal((*rows, case.input_size))}
    if not (case.no_hx or case.streams):
        arrays["h_0"] = rng.uniform(-1, 1, (case.direction_runs, case.batch, case.output_size))
        if case.cell == "lstm":
            arrays["c_0"] = rng.uniform(-1, 1, (case.direction_runs, case.batch, case.hidden_size))
    lengths = {"lengths": make_lengths(case)} if case.ragged else {}
    return {**{name: array.astype(case.dtype) for name, array in arrays.items()}, **lengths}


def make_lengths(case: Case) -> np.ndarray:
    """The number of steps of each row, int64 (B). In a ragged case they are uniform in T/10..T and not sorted."""
    least = max(1, case.steps // 10) if case.ragged else case.steps
    return np.random.default_rng(2).integers(least, case.steps, case.batch, endpoint=True)
