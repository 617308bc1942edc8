"""Packed sequences compared with torch.nn.utils.rnn, and checks of lengths and of packed input."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn.utils import rnn

import gatecell
from gatecell._networks import packed as _packed

RNG = np.random.default_rng(0)
FALLING, MIXED = [6, 4, 3, 1], [3, 6, 1, 4]  # no equal lengths: torch orders such rows in its own way


def values(*shape: int, dtype: str = "float32") -> NDArray[Any]:
    return (8 * RNG.standard_normal(shape)).astype(dtype)


def tensors(packed: gatecell.PackedSequence) -> rnn.PackedSequence:
    return rnn.PackedSequence(*(None if array is None else torch.from_numpy(array) for array in packed))


def assert_same(ours: Any, theirs: Any) -> None:
    """Checks that tuples of arrays and of tensors have the same numbers and dtypes."""
    assert len(ours) == len(theirs)
    for array, tensor in zip(ours, theirs, strict=True):
        assert (array is None) == (tensor is None)
        if array is not None:
            assert array.dtype == tensor.numpy().dtype
            assert array.flags.c_contiguous
            np.testing.assert_array_equal(array, tensor.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8", "bool", "complex64"])
@pytest.mark.parametrize("trailing", [(), (5,), (2, 3)], ids=str)
@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_pack_and_pad_agree_with_torch(
    batch_first: bool, enforce_sorted: bool, trailing: tuple[int, ...], dtype: str
) -> None:
    padded = abs(values(*((4, 7) if batch_first else (7, 4)), *trailing)).astype(dtype)  # no row reaches the last step
    lengths = FALLING if enforce_sorted else MIXED
    ours = gatecell.pack_padded_sequence(padded, lengths, batch_first, enforce_sorted)
    theirs = rnn.pack_padded_sequence(torch.from_numpy(padded), lengths, batch_first, enforce_sorted)
    assert_same(ours, theirs)
    for back in ({}, {"batch_first": True}, {"padding_value": 3}, {"total_length": 6}, {"total_length": 9}):
        assert_same(gatecell.pad_packed_sequence(ours, **back), rnn.pad_packed_sequence(theirs, **back))


@pytest.mark.parametrize("trailing", [(), (5,), (2, 3)], ids=str)
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_pack_sequence_agrees_with_torch(enforce_sorted: bool, trailing: tuple[int, ...]) -> None:
    sequences = [values(length, *trailing) for length in (FALLING if enforce_sorted else MIXED)]
    theirs = rnn.pack_sequence(list(map(torch.from_numpy, sequences)), enforce_sorted)
    assert_same(gatecell.pack_sequence(sequences, enforce_sorted), theirs)
    assert_same(gatecell.pack_sequence(map(torch.from_numpy, sequences), enforce_sorted), theirs)


@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_one_row_packs_as_in_torch(enforce_sorted: bool) -> None:
    x = values(4, 1, 5)
    theirs = rnn.pack_padded_sequence(torch.from_numpy(x), [3], False, enforce_sorted)
    assert_same(gatecell.pack_padded_sequence(x, [3], False, enforce_sorted), theirs)
    assert_same(gatecell.pack_sequence([x[:3, 0]], enforce_sorted), theirs)


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8), batch_first=st.booleans(), data=st.data())
def test_unpacking_returns_the_rows(lengths: list[int], batch_first: bool, data: st.DataObject) -> None:
    """Rows of equal length keep the order of the caller. torch may order them otherwise, but unpacks the same rows."""
    padded = values(*((len(lengths), 6) if batch_first else (6, len(lengths))), 2)
    total = data.draw(st.integers(max(lengths), 9))
    packed = gatecell.pack_padded_sequence(padded, lengths, batch_first, enforce_sorted=False)
    assert packed.sorted_indices is not None
    assert packed.sorted_indices.tolist() == sorted(range(len(lengths)), key=lambda row: -lengths[row])
    rows = padded if batch_first else padded.swapaxes(0, 1)
    sequences = [row[:length] for row, length in zip(rows, lengths, strict=True)]
    for ours, theirs in zip(gatecell.pack_sequence(sequences, enforce_sorted=False), packed, strict=True):
        np.testing.assert_array_equal(ours, theirs)

    their_packed = rnn.pack_padded_sequence(torch.from_numpy(padded), lengths, batch_first, enforce_sorted=False)
    expected = rnn.pad_packed_sequence(their_packed, batch_first, -1.0, total)
    assert_same(gatecell.pad_packed_sequence(packed, batch_first, -1.0, total), expected)
    assert_same(gatecell.pad_packed_sequence(their_packed, batch_first, -1.0, total), expected)
    assert_same(
        [tensor.numpy() for tensor in rnn.pad_packed_sequence(tensors(packed), batch_first, -1.0, total)], expected
    )
    assert _packed.lengths_of(packed.batch_sizes).tolist() == sorted(lengths, reverse=True)


LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "Fortran order": np.asfortranarray,
    "backward": lambda array: np.flip(np.flip(array).copy()),
    "every other feature": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "a part of a larger array": lambda array: np.pad(array, 2)[(slice(2, -2),) * array.ndim],
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_sequences_of_any_layout_pack_as_in_torch(layout: str, batch_first: bool) -> None:
    """The input has two axes of features. With one axis NumPy's indexing happens to return C-contiguous data."""
    padded = values(*((4, 6) if batch_first else (6, 4)), 5, 2)
    theirs = rnn.pack_padded_sequence(torch.from_numpy(padded), MIXED, batch_first, enforce_sorted=False)
    assert_same(gatecell.pack_padded_sequence(LAYOUTS[layout](padded), MIXED, batch_first, False), theirs)
    rows = padded if batch_first else padded.swapaxes(0, 1)
    sequences = [LAYOUTS[layout](row[:length]) for row, length in zip(rows, MIXED, strict=True)]
    assert_same(gatecell.pack_sequence(sequences, enforce_sorted=False), theirs)
    data = LAYOUTS[layout](theirs.data.numpy()[None])[0]
    ours = gatecell.PackedSequence(data, *map(np.asarray, theirs[1:]))
    assert_same(gatecell.pad_packed_sequence(ours), rnn.pad_packed_sequence(theirs))


def test_tensors_and_lists_are_packed_like_arrays() -> None:
    padded = values(6, 4, 5)
    expected = gatecell.pack_padded_sequence(padded, FALLING)
    for value in (torch.from_numpy(padded), padded.astype("float64").tolist()):
        for ours, theirs in zip(gatecell.pack_padded_sequence(value, FALLING), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    half = torch.from_numpy(padded).bfloat16()
    assert_same(gatecell.pack_padded_sequence(half, FALLING), rnn.pack_padded_sequence(half.float(), FALLING))


@pytest.mark.parametrize(
    "make",
    [
        tuple,
        *(lambda x, dtype=dtype: np.array(x, dtype) for dtype in ("int8", "uint64", ">i4")),
        torch.tensor,
        lambda x: torch.tensor(x, dtype=torch.uint8),
        lambda x: np.repeat(x, 2)[::2],
        lambda x: list(map(np.int16, x)),
    ],
)
def test_lengths_may_have_any_integer_type(make: Callable[[list[int]], Any]) -> None:
    lengths = _packed.check_lengths(make(MIXED), 4, 6)
    assert (lengths.dtype, lengths.flags.c_contiguous, lengths.tolist()) == (np.int64, True, MIXED)


def test_lengths_are_a_copy() -> None:
    given = np.array([0, 2])
    lengths = _packed.check_lengths(given, 2, 2)
    given[:] = 7
    assert lengths.tolist() == [0, 2]


def test_a_batch_without_rows_has_no_lengths() -> None:
    for empty in ([], (), np.zeros(0, int), torch.zeros(0, dtype=torch.int64)):
        assert _packed.check_lengths(empty, 0, 4).tolist() == []


WRONG_LENGTHS: dict[str, tuple[Any, type[Exception], str]] = {
    "count": ([1, 2], ValueError, "expected lengths (3,), got (2,)"),
    "none": ([], ValueError, "expected lengths (3,), got (0,)"),
    "rank": ([[1, 2, 3]], ValueError, "expected lengths (3,), got (1, 3)"),
    "int": (3, ValueError, "expected lengths (3,), got ()"),
    "negative": ([4, -2, 1], ValueError, "expected lengths from 0 to 4, got -2 in row 1"),
    "too long": (torch.tensor([4, 1, 5]), ValueError, "expected lengths from 0 to 4, got 5 in row 2"),
    "beyond int64": (np.array([2**63, 1, 1], "uint64"), ValueError, f"from 0 to 4, got {2**63} in row 0"),
    "bool": ([True, True, False], TypeError, "lengths: expected integers, got bool"),
    "float": (np.array([1.0, 2, 3], "float32"), TypeError, "lengths: expected integers, got float32"),
    "one float": (2.0, TypeError, "lengths: expected integers, got float"),
    "object": ([1, None, 3], TypeError, "lengths: expected integers, got object"),
    "None": (None, TypeError, "lengths: expected integers, got NoneType"),
    "text": ("123", TypeError, "lengths: expected integers, got str"),
    "ragged": ([[1], [2, 3], 4], TypeError, "lengths: NumPy cannot view this list"),
    "no floats": (np.zeros(0), TypeError, "lengths: expected integers, got float64"),
}


@pytest.mark.parametrize("name", WRONG_LENGTHS)
def test_wrong_lengths_are_errors(name: str) -> None:
    lengths, error, message = WRONG_LENGTHS[name]
    with pytest.raises(error) as caught:
        _packed.check_lengths(lengths, 3, 4)
    assert message in str(caught.value)


X = values(6, 4, 5)
WRONG_PACKING: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "unsorted": (
        lambda: gatecell.pack_padded_sequence(X, MIXED),
        ValueError,
        "expected lengths that never grow (or enforce_sorted=False), got 6 in row 1 after 3",
    ),
    "unsorted sequences": (
        lambda: gatecell.pack_sequence([X[:2, 0], X[:3, 0]]),
        ValueError,
        "expected lengths that never grow (or enforce_sorted=False), got 3 in row 1 after 2",
    ),
    "length 0": (
        lambda: gatecell.pack_padded_sequence(X, [3, 2, 1, 0]),
        ValueError,
        "expected lengths from 1 to 6, got 0 in row 3",
    ),
    "too long": (
        lambda: gatecell.pack_padded_sequence(X, [7, 2, 1, 1]),
        ValueError,
        "expected lengths from 1 to 6, got 7 in row 0",
    ),
    "too long, batch_first": (
        lambda: gatecell.pack_padded_sequence(X, [5, 4, 3, 2, 1, 1], batch_first=True),
        ValueError,
        "expected lengths from 1 to 4, got 5 in row 0",
    ),
    "float lengths": (
        lambda: gatecell.pack_padded_sequence(X, [4.0, 3, 2, 1]),
        TypeError,
        "lengths: expected integers, got float64",
    ),
    "rank": (
        lambda: gatecell.pack_padded_sequence(X[:, 0, 0], [1]),
        ValueError,
        "expected input (T, B, ...) with values, got (6,)",
    ),
    "no rows": (
        lambda: gatecell.pack_padded_sequence(X[:, :0], []),
        ValueError,
        "expected input (T, B, ...) with values, got (6, 0, 5)",
    ),
    "no steps, batch_first": (
        lambda: gatecell.pack_padded_sequence(X[:, :0], [0] * 6, batch_first=True),
        ValueError,
        "expected input (B, T, ...) with values, got (6, 0, 5)",
    ),
    "text": (lambda: gatecell.pack_padded_sequence("text", [1]), TypeError, "input: expected numbers, got str"),
    "objects": (
        lambda: gatecell.pack_padded_sequence(X.astype(object), FALLING),
        TypeError,
        "input: expected numbers, got object",
    ),
    "masked": (lambda: gatecell.pack_padded_sequence(np.ma.array(X), FALLING), TypeError, "input: a masked array"),
    "requires grad": (
        lambda: gatecell.pack_padded_sequence(torch.zeros(6, 4, requires_grad=True), FALLING),
        ValueError,
        "input: requires grad",
    ),
    "batch_first": (
        lambda: gatecell.pack_padded_sequence(X, FALLING, 1),  # type: ignore[arg-type]
        TypeError,
        "expected batch_first to be a bool, got int",
    ),
    "enforce_sorted": (
        lambda: gatecell.pack_sequence([X], None),  # type: ignore[arg-type]
        TypeError,
        "expected enforce_sorted to be a bool, got NoneType",
    ),
    "no sequences": (lambda: gatecell.pack_sequence([]), ValueError, "expected at least one sequence, got none"),
    "empty sequence": (
        lambda: gatecell.pack_sequence([X[:2, 0], X[:0, 0]]),
        ValueError,
        "expected sequences[1] (L, 5) with values, got (0, 5)",
    ),
    "scalars": (
        lambda: gatecell.pack_sequence([1.0, 2.0]),
        ValueError,
        "expected sequences[0] (L) with values, got ()",
    ),
    "other features": (
        lambda: gatecell.pack_sequence([X[:2, 0], X[:2, 0, :4]]),
        ValueError,
        "expected sequences[1] (L, 5) with values, got (2, 4)",
    ),
    "other dtype": (
        lambda: gatecell.pack_sequence([X[:2, 0], X[:2, 0].astype("float64")]),
        TypeError,
        "expected sequences of one dtype, got float32 and float64 in row 1",
    ),
    "meta": (
        lambda: gatecell.pack_sequence([X[:2, 0], torch.zeros(2, 5, device="meta")]),
        ValueError,
        "sequences[1]: a meta tensor",
    ),
    "no permutation": (
        lambda: gatecell.PackedSequence(X[:3, 0], np.array([2, 1]), np.array([1, 1])),
        ValueError,
        "expected sorted_indices to be a permutation of range(2), got [1 1]",
    ),
    "total_length": (
        lambda: gatecell.pad_packed_sequence(gatecell.pack_padded_sequence(X, FALLING), total_length=5),
        ValueError,
        "expected total_length of at least 6, the longest length, got 5",
    ),
    "type of total_length": (
        lambda: gatecell.pad_packed_sequence(gatecell.pack_padded_sequence(X, FALLING), total_length=6.0),  # type: ignore[arg-type]
        TypeError,
        "expected total_length to be an int, got float",
    ),
    "batch_first of padding": (
        lambda: gatecell.pad_packed_sequence(gatecell.pack_padded_sequence(X, FALLING), -1),  # type: ignore[arg-type]
        TypeError,
        "expected batch_first to be a bool, got int",
    ),
    "padding a broken one": (
        lambda: gatecell.pad_packed_sequence(gatecell.PackedSequence(X[0], np.array([1, 3]))),
        ValueError,
        "expected batch_sizes that never grow, got 3 in step 1 after 1",
    ),
    "padding an array": (
        lambda: gatecell.pad_packed_sequence(X),  # type: ignore[arg-type]
        TypeError,
        "expected sequence to be a PackedSequence, got ndarray",
    ),
}


@pytest.mark.parametrize("name", WRONG_PACKING)
def test_wrong_packing_is_an_error(name: str) -> None:
    call, error, message = WRONG_PACKING[name]
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


GOOD = {
    "data": X[0],  # 4 rows of packed data
    "batch_sizes": np.array([3, 1]),
    "sorted_indices": np.array([1, 2, 0]),
    "unsorted_indices": np.array([2, 0, 1]),
}
WRONG_PACKED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "float sizes": ({"batch_sizes": np.array([3.0, 1])}, TypeError, "batch_sizes: expected integers, got float64"),
    "bool sizes": ({"batch_sizes": torch.tensor([True] * 4)}, TypeError, "batch_sizes: expected integers, got bool"),
    "no sizes at all": ({"batch_sizes": None}, TypeError, "batch_sizes: expected integers, got NoneType"),
    "rank of sizes": (
        {"batch_sizes": [[3, 1]]},
        ValueError,
        "expected batch_sizes (T,) of at least one step, got (1, 2)",
    ),
    "no steps": ({"batch_sizes": []}, ValueError, "expected batch_sizes (T,) of at least one step, got (0,)"),
    "zero": ({"batch_sizes": [3, 1, 0]}, ValueError, "expected batch_sizes of at least 1, got 0 in step 2"),
    "negative": ({"batch_sizes": [3, 2, -1]}, ValueError, "expected batch_sizes of at least 1, got -1 in step 2"),
    "growing": ({"batch_sizes": [1, 3]}, ValueError, "expected batch_sizes that never grow, got 3 in step 1 after 1"),
    "too few": ({"batch_sizes": [3]}, ValueError, "expected data (3, ...), the sum of batch_sizes, got (4, 5)"),
    "more rows than data": (
        {"batch_sizes": [3, 2]},
        ValueError,
        "expected data (5, ...), the sum of batch_sizes, got (4, 5)",
    ),
    "sum that overflows": (
        {"batch_sizes": [2**62] * 4 + [4]},
        ValueError,
        f"expected data ({2**64 + 4}, ...), the sum of batch_sizes, got (4, 5)",
    ),
    "size beyond int64": (
        {"batch_sizes": np.array([2**63], "uint64")},
        ValueError,
        f"expected batch_sizes of at least 1, got {2**63} in step 0",
    ),
    "no axes": ({"data": np.float32(3)}, ValueError, "expected data (4, ...), the sum of batch_sizes, got ()"),
    "rank of data": ({"data": X[0, :, 0]}, ValueError, "expected data (sum of batch_sizes, features), got (4,)"),
    "more axes": (
        {"data": X[0, :, None]},
        ValueError,
        "expected data (sum of batch_sizes, features), got (4, 1, 5)",
    ),
    "int data": ({"data": np.zeros((4, 5), int)}, TypeError, "data: expected real floating point numbers, got int64"),
    "no data": ({"data": None}, TypeError, "data: expected real floating point numbers, got None"),
    "requires grad": ({"data": torch.zeros(4, 5, requires_grad=True)}, ValueError, "data: requires grad"),
    "meta": ({"data": torch.zeros(4, 5, device="meta")}, ValueError, "data: a meta tensor"),
    "repeated": (
        {"sorted_indices": [1, 2, 2]},
        ValueError,
        "expected sorted_indices to be a permutation of range(3), got [1 2 2]",
    ),
    "beyond the rows": ({"sorted_indices": [1, 2, 3]}, ValueError, "permutation of range(3), got [1 2 3]"),
    "negative index": ({"sorted_indices": [1, 0, -1]}, ValueError, "permutation of range(3), got [ 1  0 -1]"),
    "too few indices": ({"sorted_indices": [1, 0]}, ValueError, "permutation of range(3), got [1 0]"),
    "rank of indices": ({"sorted_indices": [[1, 2, 0]]}, ValueError, "permutation of range(3), got [[1 2 0]]"),
    "float indices": ({"sorted_indices": [1.0, 2, 0]}, TypeError, "sorted_indices: expected integers, got float64"),
    "no inverse": (
        {"unsorted_indices": [1, 2, 0]},
        ValueError,
        "expected unsorted_indices to be the inverse of sorted_indices, got [1 2 0]",
    ),
    "float inverse": ({"unsorted_indices": [2.0, 0, 1]}, TypeError, "unsorted_indices: expected integers, got float64"),
    "inverse alone": (
        {"sorted_indices": None},
        ValueError,
        "expected unsorted_indices to be the inverse of sorted_indices, got no sorted_indices",
    ),
}


@pytest.mark.parametrize("name", WRONG_PACKED)
def test_a_wrong_packed_sequence_is_an_error(name: str) -> None:
    change, error, message = WRONG_PACKED[name]
    for kind in (gatecell.PackedSequence, SimpleNamespace):
        with pytest.raises(error) as caught:
            _packed.checked(kind(**(GOOD | change)))
        assert message in str(caught.value)


def test_checked_sequences_share_data_and_copy_indices() -> None:
    """The data is shared with the caller.

    The batch sizes and indices are copied, so that a thread that changes them cannot change a call.
    """
    for good in (gatecell.PackedSequence(**GOOD), SimpleNamespace(**GOOD), tensors(gatecell.PackedSequence(**GOOD))):
        packed = _packed.checked(good)
        assert type(packed) is gatecell.PackedSequence
        assert np.shares_memory(packed.data, X)
        for name, array in zip(packed._fields[1:], packed[1:], strict=True):
            assert array.dtype == np.int64
            assert not np.shares_memory(array, GOOD[name])
            np.testing.assert_array_equal(array, GOOD[name])


@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences_of_other_classes_are_accepted(enforce_sorted: bool) -> None:
    theirs = rnn.pack_padded_sequence(torch.from_numpy(X), FALLING, enforce_sorted=enforce_sorted)
    assert_same(_packed.checked(theirs), theirs)
    lists = SimpleNamespace(
        **{name: value if value is None else value.tolist() for name, value in theirs._asdict().items()}
    )
    lists.unsorted_indices = None
    assert_same(_packed.checked(lists)[1:], theirs[1:])


def test_is_packed_recognises_packed_sequences() -> None:
    packed = gatecell.pack_padded_sequence(X, FALLING)
    for value in (packed, tensors(packed), SimpleNamespace(**GOOD)):
        assert _packed.is_packed(value)
    for value in (X, torch.from_numpy(X), X.tolist(), None, tuple(packed), SimpleNamespace(data=X, batch_sizes=[4])):
        assert not _packed.is_packed(value)


def test_the_constructor_is_torchs() -> None:
    data, batch_sizes, order, _ = GOOD.values()
    theirs = rnn.PackedSequence(*map(torch.from_numpy, (data, batch_sizes, order)))
    for indices in ((order,), (order, None), (theirs.sorted_indices,)):
        packed = gatecell.PackedSequence(data, batch_sizes, *indices)
        assert_same(packed[3:], theirs[3:])
    packed = gatecell.PackedSequence(data, batch_sizes=batch_sizes)
    assert packed.data is data
    assert packed.batch_sizes is batch_sizes
    assert packed[2:] == (None, None)


@pytest.mark.parametrize("lengths", [FALLING, MIXED])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_packed_sequences_can_be_pickled(lengths: list[int], protocol: int) -> None:
    packed = gatecell.pack_padded_sequence(X, lengths, enforce_sorted=lengths is FALLING)
    for twin in (pickle.loads(pickle.dumps(packed, protocol)), copy.deepcopy(packed)):
        assert type(twin) is gatecell.PackedSequence
        assert_same(twin, tensors(packed))
        assert not np.shares_memory(twin.data, packed.data)
