"""Helpers for the tests of whole models: load weights into a ported class and its PyTorch twin, parity, accuracy."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

import gatecell
from helpers.parity import Outputs, assert_parity, largest_difference

MARGIN = 0.1  # required difference to the accuracy of always guessing the most frequent label

torch.set_num_threads(1)  # spinning OpenMP threads would disturb the tests of gatecell's threads


def load(ported: Any, twin: torch.nn.Module, path: Path) -> tuple[Any, torch.nn.Module]:
    """Both models with the weights of the .pt file: the ported one reads it with gatecell, the twin with PyTorch."""
    ported.load_state_dict(gatecell.load(path))
    twin.load_state_dict(torch.load(path, weights_only=True))
    return ported.eval(), twin.eval()


def assert_model_parity(ported: Any, twin: torch.nn.Module, *inputs: NDArray[Any]) -> Any:
    """Compares all outputs of the ported model, in float32 and in float64, with those of the twin in float64.

    The bounds are those of parity.py. Returns the ported model's outputs in float32.
    """
    result = ported(*inputs)
    reference, own = run_torch(twin, torch.float64, inputs), run_torch(twin, torch.float32, inputs)
    own_error = largest_difference(own, reference)
    assert_parity(_named(result), reference, own_error, "float32")
    double = copy.deepcopy(ported).double()
    wide = [array.astype(np.float64) if array.dtype.kind == "f" else array for array in inputs]
    assert_parity(_named(double(*wide)), reference, own_error, "float64")
    return result


@torch.no_grad()
def run_torch(twin: torch.nn.Module, dtype: torch.dtype, inputs: Sequence[NDArray[Any]]) -> Outputs:
    """The twin's outputs by their paths in the result. Weights and floating-point inputs are converted to `dtype`."""
    tensors = [torch.from_numpy(array) for array in inputs]
    return _named(copy.deepcopy(twin).to(dtype)(*(t.to(dtype) if t.is_floating_point() else t for t in tensors)))


def assert_beats_majority(guesses: ArrayLike, labels: ArrayLike) -> None:
    guesses, labels = np.asarray(guesses), np.asarray(labels)
    assert guesses.shape == labels.shape
    right, majority = (guesses == labels).mean(), np.unique(labels, return_counts=True)[1].max() / len(labels)
    assert right >= majority + MARGIN, f"{right:.1%} right, the most frequent label is {majority:.1%}"


def _named(result: Any, path: str = "output") -> Outputs:
    if isinstance(result, tuple):
        named: dict[str, NDArray[Any]] = {}
        for i, member in enumerate(result):
            named |= _named(member, f"{path}[{i}]")
        return named
    return {path: np.asarray(result)}
