"""Checks of single arguments: integers and booleans."""

from __future__ import annotations

import contextlib
import operator
from typing import Any

import numpy as np


def check_int(name: str, value: Any) -> int:
    """Any integer, NumPy's too, as a plain int; a bool is none."""
    if not isinstance(value, (bool, np.bool_)):  # before 2.0 NumPy's has an index, too
        with contextlib.suppress(TypeError):
            return operator.index(value)
    raise TypeError(f"expected {name} to be an int, got {type(value).__name__}")


def check_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"expected {name} to be a bool, got {type(value).__name__}")
