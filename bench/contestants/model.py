"""A PyTorch model that contains a recurrent layer or its replacement, for bench/accelerate.py.

A ragged case is a tagger: linear, the layer on a packed sequence, linear. Other cases are the layer alone. In a case of
streams each call of the layer gets one frame. The code sets the number of threads and is not optimised otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from suite.arrays import Arrays
from suite.cases import Case

from . import ReadyNetwork, require_plain_cell, zero_padding

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
TAGS = 20


class Tagger(nn.Module):
    def __init__(self, case: Case, layer: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.before = nn.Linear(case.input_size, case.input_size)
        self.layer = layer
        self.after = nn.Linear(case.output_size * case.directions, TAGS)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(self.before(x).relu(), lengths, enforce_sorted=False)
        y, _ = self.layer(packed)
        return self.after(pad_packed_sequence(y, total_length=len(x))[0])


def build(
    case: Case, weights: Arrays, inputs: Arrays, threads: int, replace: Callable[[nn.Module], Any]
) -> ReadyNetwork:
    """The model with `replace(layer)` in place of the layer. Raises UnsupportedError."""
    require_plain_cell(case)
    torch.set_num_threads(threads)
    options = {"num_layers": case.num_layers, "bidirectional": case.bidirectional}
    layer = LAYERS[case.cell](case.input_size, case.hidden_size, **options)
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    model = replace(layer.eval())
    return with_inputs(case, Tagger(case, model).eval() if case.ragged else model, tensors(inputs))


def with_inputs(case: Case, model: Callable[..., Any], inputs: dict[str, Any]) -> ReadyNetwork:
    """The model together with its inputs, which are tensors or arrays."""
    x, state = inputs["x"], None
    hx = (inputs["h_0"], inputs["c_0"]) if "c_0" in inputs else inputs.get("h_0")
    frames = list(x[:, None])

    def step() -> Any:
        nonlocal state
        ys = []
        for frame in frames:
            y, state = model(frame, state)
            ys.append(y)
        return ys, state

    def call() -> Any:
        with torch.inference_mode():
            return model(x, inputs["lengths"]) if case.ragged else step() if case.streams else model(x, hx)

    return ReadyNetwork(call, lambda result: _read(case, result))


def tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _read(case: Case, result: Any) -> list[np.ndarray]:
    if case.ragged:
        return [zero_padding(case, result.numpy())]
    y, hidden = result
    y = np.concatenate(y) if case.streams else np.asarray(y)
    return [y, *(np.asarray(state) for state in (hidden if case.cell == "lstm" else [hidden]))]
