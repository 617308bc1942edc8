"""Sizes that a file claims, checked before NumPy sees them: Python's integers cannot overflow, NumPy's can."""

from __future__ import annotations

import math
from collections.abc import Sequence

_MAX_DIMENSIONS = 32  # NumPy's limit before 2.0; it keeps products quick, too
_MAX_ELEMENTS = 2**59  # of 16 bytes at most


def is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def are_sizes(value: object) -> bool:
    """Whether it is a list or tuple of sizes, as many as an array may have."""
    return isinstance(value, list | tuple) and len(value) <= _MAX_DIMENSIONS and all(map(is_size, value))


def overflows(shape: Sequence[int]) -> bool:
    """Whether an array would be too large to count its bytes, were its empty dimensions not empty."""
    return math.prod(max(1, n) for n in shape) >= _MAX_ELEMENTS
