"""Rows of different lengths: torch.nn.utils.rnn's packed sequences as NumPy arrays, and the checks of lengths.

Packed, the rows lie side by side step by step, the longest first and without padding: lengths 3, 1 make the data
(row, step) 00 10 01 02 of batch sizes 2, 1, 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._base.arrays import Ints, contiguous, integers, of_kind, view
from .._base.checks import check_bool, check_int

if TYPE_CHECKING:
    from typing_extensions import Self


class _Fields(NamedTuple):
    data: NDArray[Any]
    batch_sizes: Ints
    sorted_indices: Ints | None
    unsorted_indices: Ints | None


class PackedSequence(_Fields):
    """torch.nn.utils.rnn.PackedSequence for NumPy arrays: what pack_padded_sequence and pack_sequence return.

    data: (sum of batch_sizes, ...), the rows' values step by step, the longest row first.
    batch_sizes: (T), int64, how many rows are that long, for each step.
    sorted_indices: (B), int64, the caller's row of each packed row; None if the rows were sorted already.
    unsorted_indices: its inverse, by which the caller's order comes back; computed if not given.
    Raises ValueError for sorted_indices that are no permutation; all else is checked where it is used.
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
    """The first `lengths[b]` steps of each row b of `input`, as torch.nn.utils.rnn.pack_padded_sequence.

    input: (T, B, ...), with batch_first (B, T, ...), of any numeric dtype, which data keeps.
    lengths: (B), integers from 1 to T, falling from row to row unless enforce_sorted=False.
    Raises ValueError and TypeError for what does not fit, for input without values too.
    """
    check_bool("batch_first", batch_first)
    check_bool("enforce_sorted", enforce_sorted)
    array = _numbers(input, "input")
    if array.ndim < 2 or not array.size:
        raise ValueError(f"expected input ({'B, T' if batch_first else 'T, B'}, ...) with values, got {array.shape}")
    if batch_first:
        array = array.swapaxes(0, 1)
    falling, order = _sort(check_lengths(lengths, array.shape[1], array.shape[0], least=1), enforce_sorted)
    batch_sizes = lengths_of(falling)  # counted the other way round
    return PackedSequence(contiguous(array[_places(batch_sizes, order)]), batch_sizes, order)


def pack_sequence(sequences: Iterable[ArrayLike], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences of different lengths, as torch.nn.utils.rnn.pack_sequence.

    sequences: B arrays (L, ...), L at least 1 and falling unless enforce_sorted=False, of one numeric dtype, which data
    keeps, and alike in all other axes.
    Raises ValueError and TypeError for what does not fit.
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
    falling, order = _sort(lengths, enforce_sorted)
    batch_sizes = lengths_of(falling)
    steps, rows = _places(batch_sizes, order)
    starts = np.cumsum(lengths) - lengths
    return PackedSequence(contiguous(np.concatenate(arrays)[starts[rows] + steps]), batch_sizes, order)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[NDArray[Any], Ints]:
    """Padded rows and their lengths, in the order before packing, as torch.nn.utils.rnn.pad_packed_sequence.

    sequence: a PackedSequence, torch's too.
    rows: (T, B, ...), with batch_first (B, T, ...), of data's dtype; T is total_length or else the longest length.
    lengths: (B), int64.
    Raises ValueError and TypeError for a total_length below the longest length, a padding_value that is no number of
    data's kind and a broken `sequence`.
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
    by_step[_places(batch_sizes, order)] = data
    lengths = lengths_of(batch_sizes)
    return padded, lengths if inverse is None else lengths[inverse]


def is_packed(value: object) -> bool:
    """Whether it is a packed sequence, ours, torch's or another's; no array is."""
    return all(hasattr(value, name) for name in ("batch_sizes", "sorted_indices", "unsorted_indices", "data"))


def checked(value: Any) -> PackedSequence:
    """A packed sequence of features, data (sum of batch_sizes, I), with indices of its own that nobody else can change.

    Raises ValueError and TypeError for one that is broken.
    """
    packed = _checked(value, view)
    if packed.data.ndim != 2:
        raise ValueError(f"expected data (sum of batch_sizes, features), got {packed.data.shape}")
    return packed


def check_lengths(lengths: Any, rows: int, steps: int, least: int = 0) -> Ints:
    """Each row's length, from `least` to `steps`, as an array of its own that nobody else can change, C-contiguous.

    Raises TypeError for what is no integers, ValueError for a wrong number of them and for one out of range.
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
    """The length of each packed row: how many batch sizes count it. Of falling lengths, likewise, the batch sizes."""
    return np.searchsorted(-batch_sizes, -np.arange(batch_sizes[0]))


def _sort(lengths: Ints, enforce_sorted: bool) -> tuple[Ints, Ints | None]:
    """The lengths from longest to shortest, and the rows in that order if it may be another than theirs."""
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        return lengths[order], order
    _check_falling(lengths, "lengths", "row", " (or enforce_sorted=False)")
    return lengths, None


def _places(batch_sizes: Ints, order: Ints | None) -> tuple[Ints, Ints]:
    """The step and the caller's row of each row of packed data."""
    steps, rows = np.nonzero(np.arange(batch_sizes[0]) < batch_sizes[:, None])
    return steps, rows if order is None else order[rows]


def _checked(value: Any, to_array: Callable[[Any, str], NDArray[Any]]) -> PackedSequence:
    """`value` as NumPy arrays that fit together."""
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
    if batch_sizes[0] > rows or batch_sizes.sum() != rows:  # the sum alone could overflow
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
    grows = np.diff(numbers) > 0
    if grows.any():
        at = int(grows.argmax()) + 1
        raise ValueError(
            f"expected {name} that never grow{hint}, got {numbers[at]} in {place} {at} after {numbers[at - 1]}"
        )


def _permutation(indices: Any, rows: int | None = None) -> Ints:
    """The indices as an array of their own, each of the rows once."""
    own = integers(indices, "sorted_indices").astype(np.int64)
    rows = own.size if rows is None else rows
    if own.shape != (rows,) or not np.array_equal(np.sort(own), np.arange(rows)):
        raise ValueError(f"expected sorted_indices to be a permutation of range({rows}), got {own}")
    return own


def _numbers(value: Any, name: str) -> NDArray[Any]:
    return of_kind(value, name, "biufc", "numbers")
