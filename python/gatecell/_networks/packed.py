"""Rows of different lengths: torch.nn.utils.rnn's packed sequences as NumPy arrays, and checks of lengths.

Packed data has the first step of all rows, then the second step of all rows that have one, and so on. The longest row
is the first, and there is no padding. Lengths 3 and 1 give the data (row, step) 00 10 01 02 with batch sizes 2, 1, 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._base.arrays import Ints, array_of_kind, contiguous, integers, view
from .._base.checks import check_bool, check_int

if TYPE_CHECKING:
    from typing_extensions import Self


class _Fields(NamedTuple):
    data: NDArray[Any]
    batch_sizes: Ints
    sorted_indices: Ints | None
    unsorted_indices: Ints | None


class PackedSequence(_Fields):
    """torch.nn.utils.rnn.PackedSequence for NumPy arrays. pack_padded_sequence and pack_sequence return it.

    data: (sum of batch_sizes, ...), the values of all rows step by step, the longest row first.
    batch_sizes: (T), int64, for each step the number of rows that have this step.
    sorted_indices: (B), int64, for each packed row its number in the caller's batch. None if the rows are in the
    caller's order.
    unsorted_indices: the inverse of sorted_indices, which restores the caller's order. If only sorted_indices is
    passed, the inverse is computed, which raises ValueError if sorted_indices is no permutation. The functions that use
    a packed sequence check the rest.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: NDArray[Any],
        batch_sizes: Ints,
        sorted_indices: Ints | None = None,
        unsorted_indices: Ints | None = None,
    ) -> Self:
        if sorted_indices is not None and unsorted_indices is None:
            unsorted_indices = np.argsort(_permutation(sorted_indices))
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)


def pack_padded_sequence(
    input: ArrayLike, lengths: ArrayLike, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack the first `lengths[b]` steps of each row b of `input`, as torch.nn.utils.rnn.pack_padded_sequence does.

    input: (T, B, ...), with batch_first (B, T, ...), of any numeric dtype. data has the same dtype.
    lengths: (B), integers from 1 to T. No length may exceed the one before it, unless enforce_sorted=False.
    Raises ValueError and TypeError for arguments that do not fit, also for input without values.
    """
    check_bool("batch_first", batch_first)
    check_bool("enforce_sorted", enforce_sorted)
    array = _numbers(input, "input")
    if array.ndim < 2 or not array.size:
        raise ValueError(f"expected input ({'B, T' if batch_first else 'T, B'}, ...) with values, got {array.shape}")
    if batch_first:
        array = array.swapaxes(0, 1)
    falling, order = _sorted(check_lengths(lengths, array.shape[1], array.shape[0], least=1), enforce_sorted)
    batch_sizes = lengths_of(falling)  # the same function computes one from the other
    return PackedSequence(contiguous(array[_steps_and_rows(batch_sizes, order)]), batch_sizes, order)


def pack_sequence(sequences: Iterable[ArrayLike], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of different lengths, as torch.nn.utils.rnn.pack_sequence does.

    sequences: B arrays (L, ...) of one numeric dtype, which data has, too. L is at least 1, and no L may exceed the one
    before it, unless enforce_sorted=False. All other axes are equal.
    Raises ValueError and TypeError for arguments that do not fit.
    """
    check_bool("enforce_sorted", enforce_sorted)
    arrays = [_numbers(sequence, f"sequences[{row}]") for row, sequence in enumerate(sequences)]
    if not arrays:
        raise ValueError("expected at least one sequence, got none")
    first = arrays[0]
    for row, array in enumerate(arrays):
        if not array.ndim or not array.size or array.shape[1:] != first.shape[1:]:
            axes = ", ".join(["L", *map(str, first.shape[1:])])
            raise ValueError(f"expected sequences[{row}] ({axes}) with values, got {array.shape}")
        if array.dtype != first.dtype:
            raise TypeError(f"expected sequences of one dtype, got {first.dtype} and {array.dtype} in row {row}")
    lengths = np.array([len(array) for array in arrays])
    falling, order = _sorted(lengths, enforce_sorted)
    batch_sizes = lengths_of(falling)
    steps, rows = _steps_and_rows(batch_sizes, order)
    starts = np.cumsum(lengths) - lengths
    return PackedSequence(contiguous(np.concatenate(arrays)[starts[rows] + steps]), batch_sizes, order)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[NDArray[Any], Ints]:
    """Unpack to padded rows and their lengths, as torch.nn.utils.rnn.pad_packed_sequence does.

    sequence: a PackedSequence, also torch's.
    Returns the rows in the order before packing, (T, B, ...), with batch_first (B, T, ...), of data's dtype, and their
    lengths, (B), int64. T is total_length, or the longest length if that is None.
    Raises ValueError and TypeError if total_length is below the longest length, if padding_value is no number, or not
    finite for data of integers or booleans, or if `sequence` is broken.
    """
    check_bool("batch_first", batch_first)
    if not is_packed(sequence):
        raise TypeError(f"expected sequence to be a PackedSequence, got {type(sequence).__name__}")
    data, batch_sizes, order, inverse = _checked(sequence, _numbers)
    steps = len(batch_sizes) if total_length is None else check_int("total_length", total_length)
    if steps < len(batch_sizes):
        raise ValueError(f"expected total_length of at least {len(batch_sizes)}, the longest length, got {steps}")
    if not isinstance(padding_value, (int, float, np.integer, np.floating)):
        raise TypeError(f"expected padding_value to be a number, got {type(padding_value).__name__}")
    if data.dtype.kind in "biu" and not np.isfinite(padding_value):
        raise ValueError(f"expected padding_value to be finite, as data of {data.dtype} is, got {padding_value}")
    rows = int(batch_sizes[0])
    padded = np.full(((rows, steps) if batch_first else (steps, rows)) + data.shape[1:], padding_value, data.dtype)
    by_step = padded.swapaxes(0, 1) if batch_first else padded
    by_step[_steps_and_rows(batch_sizes, order)] = data
    lengths = lengths_of(batch_sizes)
    return padded, lengths if inverse is None else lengths[inverse]


def is_packed(value: object) -> bool:
    """Whether the value is a packed sequence: gatecell's, torch's or another with the same attributes."""
    return all(hasattr(value, name) for name in ("batch_sizes", "sorted_indices", "unsorted_indices", "data"))


def checked(value: Any) -> PackedSequence:
    """A checked packed sequence of features: data is (sum of batch_sizes, I). Its indices are copies.

    Raises ValueError and TypeError if the packed sequence is broken.
    """
    packed = _checked(value, view)
    if packed.data.ndim != 2:
        raise ValueError(f"expected data (sum of batch_sizes, features), got {packed.data.shape}")
    return packed


def check_lengths(lengths: Any, rows: int, steps: int, least: int = 0) -> Ints:
    """The lengths of the rows as a C-contiguous copy. Each must be from `least` to `steps`.

    Raises TypeError if they are no integers, ValueError for a wrong number of lengths or a length out of range.
    """
    given = integers(lengths, "lengths")
    if given.shape != (rows,):
        raise ValueError(f"expected lengths {(rows,)}, got {given.shape}")
    own = given.astype(np.int64)
    wrong = (own < least) | (own > steps)
    if wrong.any():
        row = wrong.argmax()
        raise ValueError(f"expected lengths from {least} to {steps}, got {given[row]} in row {row}")
    return own


def lengths_of(batch_sizes: Ints) -> Ints:
    """The length of each packed row: the number of batch sizes that include the row.

    In the same way it computes batch sizes from lengths that are sorted from longest to shortest.
    """
    return np.searchsorted(-batch_sizes, -np.arange(batch_sizes[0]))


def _sorted(lengths: Ints, enforce_sorted: bool) -> tuple[Ints, Ints | None]:
    """The lengths from longest to shortest, and the row numbers in that order.

    With enforce_sorted the second result is None, and rows that are not sorted are a ValueError.
    """
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        return lengths[order], order
    _check_falling(lengths, "lengths", "row", " (or enforce_sorted=False)")
    return lengths, None


def _steps_and_rows(batch_sizes: Ints, order: Ints | None) -> tuple[Ints, Ints]:
    """For each entry of packed data its step, and its row in the caller's batch."""
    steps, rows = np.nonzero(np.arange(batch_sizes[0]) < batch_sizes[:, None])
    return steps, rows if order is None else order[rows]


def _checked(value: Any, to_array: Callable[[Any, str], NDArray[Any]]) -> PackedSequence:
    """A packed sequence as NumPy arrays that fit each other. to_array converts its data."""
    data = to_array(value.data, "data")
    given = integers(value.batch_sizes, "batch_sizes")
    if given.ndim != 1 or not given.size:
        raise ValueError(f"expected batch_sizes (T,) of at least one step, got {given.shape}")
    batch_sizes = given.astype(np.int64)
    if (batch_sizes < 1).any():
        step = (batch_sizes < 1).argmax()
        raise ValueError(f"expected batch_sizes of at least 1, got {given[step]} in step {step}")
    _check_falling(batch_sizes, "batch_sizes", "step")
    rows = data.shape[0] if data.ndim else 0
    # The first comparison is needed because the sum could overflow.
    if batch_sizes[0] > rows or batch_sizes.sum() != rows:
        total = batch_sizes.sum(dtype=object)
        raise ValueError(f"expected data ({total}, ...), the sum of batch_sizes, got {data.shape}")
    order = inverse = None
    if value.sorted_indices is not None:
        order = _permutation(value.sorted_indices, int(batch_sizes[0]))
        inverse = np.argsort(order)
    if value.unsorted_indices is not None:
        indices = integers(value.unsorted_indices, "unsorted_indices")
        if inverse is None or not np.array_equal(indices, inverse):
            got = "no sorted_indices" if inverse is None else indices
            raise ValueError(f"expected unsorted_indices to be the inverse of sorted_indices, got {got}")
    return PackedSequence(data, batch_sizes, order, inverse)


def _check_falling(numbers: Ints, name: str, place: str, hint: str = "") -> None:
    """Raises ValueError if a number is larger than the number before it."""
    grows = np.diff(numbers) > 0
    if grows.any():
        at = int(grows.argmax()) + 1
        raise ValueError(
            f"expected {name} that never grow{hint}, got {numbers[at]} in {place} {at} after {numbers[at - 1]}"
        )


def _permutation(indices: Any, rows: int | None = None) -> Ints:
    """A copy of the indices. Raises ValueError unless they contain the number of each row exactly once."""
    own = integers(indices, "sorted_indices").astype(np.int64)
    rows = own.size if rows is None else rows
    if own.shape != (rows,) or not np.array_equal(np.sort(own), np.arange(rows)):
        raise ValueError(f"expected sorted_indices to be a permutation of range({rows}), got {own}")
    return own


def _numbers(value: Any, name: str) -> NDArray[Any]:
    """`value` as an array of booleans or of numbers of any kind."""
    return array_of_kind(value, name, "biufc", "numbers")
