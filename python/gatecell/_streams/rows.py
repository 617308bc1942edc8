"""Rows of a batch that a caller names: with a flag for each row (a mask), or by their numbers.

The two are easily confused. NumPy would read the flags [0, 1, 1, 0] as rows 0 and 1, each twice, without an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base.arrays import Ints, array_of_kind, integers, to_numpy

_MASK_HINT = "a mask, of booleans or of 0 and 1, goes to done="


def rows_of_flags(done: Any, rows: int) -> Ints:
    """The numbers of the rows that have a true flag.

    done: (rows,), or () for one row; booleans, or numbers that are all 0 or 1. Raises ValueError and TypeError for
    anything else.
    """
    flags = array_of_kind(done, "done", "biuf", "booleans, or numbers that are 0 or 1")
    flags = flags.reshape(1) if rows == 1 and not flags.ndim else flags
    if flags.shape != (rows,):
        raise ValueError(f"expected done {(rows,)}, a flag for each row, got {flags.shape}")
    if flags.dtype.kind != "b":
        wrong = (flags != 0) & (flags != 1)
        if np.count_nonzero(wrong):
            row = wrong.argmax()
            raise ValueError(f"expected done of booleans, or of 0 and 1, got {flags[row]} in row {row}")
    return flags.nonzero()[0]


def rows_of_numbers(which: Any, rows: int) -> Ints:
    """The numbers of the rows that `which` names: an int, a slice, different integers, or a mask (rows,) of booleans.

    Raises IndexError for a row that does not exist, ValueError and TypeError for anything else. If NumPy can view
    `which`, the message says how to pass a mask, because the caller may have meant one.
    """
    if isinstance(which, slice):
        return np.arange(*which.indices(rows))
    if isinstance(which, int) and not isinstance(which, bool):
        if not 0 <= which < rows:
            raise _no_row(which, rows)
        return np.array([which])
    array = to_numpy(which, "rows", False)
    if array.dtype.kind == "b":
        if array.shape != (rows,):
            raise ValueError(f"expected rows as a mask {(rows,)}, got {array.shape}: {_MASK_HINT}")
        return array.nonzero()[0]
    numbers = integers(which, "rows", f"integers or a slice ({_MASK_HINT})")
    if numbers.ndim > 1:
        raise ValueError(f"expected rows (n,), got {numbers.shape}: {_MASK_HINT}")
    if numbers.shape == (rows,) and rows > 1 and ((numbers == 0) | (numbers == 1)).all():
        raise ValueError(
            f"expected rows by number, got only 0 and 1 for a batch of {rows}: {_MASK_HINT}; reset() resets all"
        )
    wrong = (numbers < 0) | (numbers >= rows)
    if np.count_nonzero(wrong):
        raise _no_row(numbers[wrong][0], rows)
    numbers = numbers.astype(np.int64).reshape(-1)
    named = np.zeros(rows, bool)
    named[numbers] = True
    if np.count_nonzero(named) < len(numbers):
        raise ValueError(f"expected rows that differ, got {np.bincount(numbers).argmax()} more than once: {_MASK_HINT}")
    return numbers


def _no_row(row: Any, rows: int) -> IndexError:
    """The error for a row that does not exist."""
    return IndexError(f"expected rows from 0 to {rows - 1}, got {row}: {_MASK_HINT}")
