"""Writes networks/*.golden: small networks of every cell, from seeds, with the results of PyTorch 2.13.0.

Run it only to add a network: `python tests/golden/make_goldens.py`. README.md describes the format.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from golden import write_golden
from helpers.torch_case import Case, run_torch

CASES = {
    "lstm_plain": Case("LSTM", 5, 7, steps=6, rows=3),
    "lstm_one": Case("LSTM", 1, 1, steps=1, rows=1),
    "lstm_stacked_both_ways": Case("LSTM", 3, 8, 2, bidirectional=True, dtype="float64", steps=5, rows=2),
    "lstm_projected": Case("LSTM", 4, 9, 2, bidirectional=True, proj_size=3, steps=7, rows=4),
    "lstm_projected_no_bias": Case("LSTM", 2, 5, bias=False, proj_size=4, dtype="float64", steps=4, rows=5),
    "lstm_saturated": Case("LSTM", 17, 16, steps=9, rows=2, scale="saturated"),
    "gru_plain": Case("GRU", 7, 5, steps=6, rows=4),
    "gru_stacked_both_ways": Case("GRU", 3, 9, 3, bidirectional=True, dtype="float64", steps=5, rows=3),
    "gru_large_no_bias": Case("GRU", 4, 17, bias=False, steps=5, rows=1, scale="large"),
    "gru_saturated": Case("GRU", 5, 4, 2, dtype="float64", steps=8, rows=7, scale="saturated"),
    "rnn_tanh_stacked_both_ways": Case("RNN_TANH", 6, 15, 2, bidirectional=True, steps=7, rows=2),
    "rnn_tanh_no_state": Case("RNN_TANH", 3, 3, dtype="float64", steps=12, rows=3, state=False),
    "rnn_relu_deep": Case("RNN_RELU", 5, 8, 3, steps=6, rows=3),
    "rnn_relu_no_bias": Case("RNN_RELU", 2, 7, bias=False, bidirectional=True, dtype="float64", steps=5, rows=2),
}
FIELDS = ("mode", "dtype", "input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size")


def main() -> None:
    for seed, (name, options) in enumerate(CASES.items()):
        case = options.with_(seed=seed)
        x, hx = case.inputs()
        states = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
        inputs = {"x": x, **dict(zip(("h_0", "c_0"), states, strict=False))}
        own = run_torch(case.module(), torch.float32, x, hx)
        write_golden(
            Path(__file__).parent / "networks" / f"{name}.golden",
            {field: int(value) if isinstance(value := getattr(case, field), bool) else value for field in FIELDS},
            case.state_dict() | inputs | dict(case.reference()) | {f"{k}_float32": v for k, v in own.items()},
        )


if __name__ == "__main__":
    main()
