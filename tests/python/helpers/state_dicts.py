"""State dicts of torch modules as NumPy arrays, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def torch_weights(
    name: str = "LSTM", input_size: int = 5, hidden_size: int = 7, **options: Any
) -> dict[str, NDArray[Any]]:
    """The state dict of a new module of torch.nn, as NumPy arrays."""
    module = getattr(torch.nn, name)(input_size, hidden_size, **options)
    return {key: tensor.numpy() for key, tensor in module.state_dict().items()}


def add_prefix(prefix: str, state_dict: dict[str, Any]) -> dict[str, Any]:
    return {prefix + key: value for key, value in state_dict.items()}


def assert_same_arrays(actual: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> None:
    """Checks that both have the same keys in the same order, and equal arrays of the same dtype."""
    assert list(actual) == list(expected)
    for key, array in expected.items():
        np.testing.assert_array_equal(actual[key], array, strict=True)
