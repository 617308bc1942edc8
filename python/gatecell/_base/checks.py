"""Checks that an argument of any function is an integer or a boolean."""

from __future__ import annotations

import contextlib
import operator
from typing import Any

import numpy as np


def check_int(name: str, value: Any) -> int:
    """`value` as a Python int. NumPy's integers are accepted. Raises TypeError for other types, also for booleans."""
    if not isinstance(value, (bool, np.bool_)):  # in some versions of NumPy np.bool_ has __index__, too
        with contextlib.suppress(TypeError):
            return operator.index(value)
    raise TypeError(f"expected {name} to be an int, got {type(value).__name__}")


def check_bool(name: str, value: object) -> None:
    """Raises TypeError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"expected {name} to be a bool, got {type(value).__name__}")
