"""The result of torch.load with the names that gatecell.load gives. It is the oracle of the tests of gatecell.load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def flatten(value: Any, path: str = "") -> dict[str, NDArray[Any]]:
    """Every tensor and array in nested containers and modules, by path. bfloat16 becomes float32."""
    if isinstance(value, torch.Tensor):
        array = value.detach().resolve_conj().resolve_neg()
        return {path: (array.float() if array.dtype == torch.bfloat16 else array).numpy()}
    if isinstance(value, np.ndarray):
        return {path: value}
    if isinstance(value, torch.nn.Module):
        value = value.state_dict()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    found: dict[str, NDArray[Any]] = {}
    for key, member in items:
        found |= flatten(member, f"{path}.{key}" if path else str(key))
    return found


def load(path: Path, *, weights_only: bool = True) -> dict[str, NDArray[Any]]:
    return flatten(torch.load(path, weights_only=weights_only, map_location="cpu"))


def assert_same(ours: dict[str, NDArray[Any]], theirs: dict[str, NDArray[Any]]) -> None:
    """Checks that both have the same names in the same order, and equal dtypes, shapes and bits.

    Our arrays must be read-only.
    """
    assert list(ours) == list(theirs)
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype, name
        assert ours[name].shape == array.shape, name
        assert ours[name].tobytes() == array.tobytes(), name
        assert not ours[name].flags.writeable, name
