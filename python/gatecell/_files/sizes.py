"""Checks of sizes that a file states, made before NumPy gets them: Python's integers cannot overflow, NumPy's can."""

from __future__ import annotations

import math
from collections.abc import Sequence

_MAX_DIMENSIONS = 32  # NumPy's limit before 2.0; it also bounds the time of products
_MAX_ELEMENTS = 2**59  # an element has at most 16 bytes, so the bytes fit in 63 bits


def is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def are_sizes(value: object) -> bool:
    """Whether `value` is a list or tuple of sizes and no longer than the shape of an array may be."""
    return isinstance(value, list | tuple) and len(value) <= _MAX_DIMENSIONS and all(map(is_size, value))


def overflows(shape: Sequence[int]) -> bool:
    """Whether the number of an array's bytes is too large, where dimensions of size 0 count as 1."""
    return math.prod(max(1, n) for n in shape) >= _MAX_ELEMENTS
