"""stream.reset: done= takes a flag for each row, rows= takes numbers of rows or a mask.

Promise 7 (no wrong number without a word): an argument that could mean both is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from helpers.stream_cases import NETWORKS, assert_same, flat, inputs, network, states

B = 6
DONE = [False, True, False, True, True, False]
FLAGS: dict[str, Any] = {
    "bool array": np.array(DONE),
    "list of bools": DONE,
    "tuple of bools": tuple(DONE),
    "list of NumPy's bools": list(np.array(DONE)),
    "torch bool": torch.tensor(DONE),
    "strided": np.repeat(DONE, 2)[::2],
    "int64": np.array(DONE, np.int64),
    "uint8": np.array(DONE, np.uint8),
    "list of ints": [int(flag) for flag in DONE],
    "torch uint8": torch.tensor(DONE, dtype=torch.uint8),
    "float32": np.array(DONE, np.float32),
    "float16": np.array(DONE, np.float16),
    "list of floats": [float(flag) for flag in DONE],
    "torch float": torch.tensor(DONE) * 1.0,
    "torch bfloat16": torch.tensor(DONE).bfloat16(),
}


def reset(hx: Any, rows: Any) -> Any:
    """The state after the reset, computed by NumPy."""
    made = [array.copy() for array in flat(hx)]
    for array in made:
        array[:, rows] = 0
    return tuple(made) if isinstance(hx, tuple) else made[0]


@pytest.mark.parametrize("form", FLAGS)
def test_done_may_be_any_flags(form: str) -> None:
    net = network()
    hx = states(net, B)
    stream = net.stream(B, hx)
    stream.reset(done=FLAGS[form])
    assert_same(stream.state, reset(hx, DONE))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reset_rows_continue_from_zeros_and_others_from_their_state(name: str, dtype: torch.dtype) -> None:
    net = network(name, dtype=dtype)
    x, hx = inputs(net, B), states(net, B)
    stream = net.stream(B, hx)
    first = stream.step(x[0])
    np.testing.assert_array_equal(first, net(x[:1], hx)[0][0])
    stream.reset(done=DONE)
    before = net(x[:1], hx)[1]
    y, after = net(x[1:], reset(before, DONE))
    np.testing.assert_array_equal(np.stack([stream.step(step) for step in x[1:]]), y)
    assert_same(stream.state, after)


ROWS: dict[str, Any] = {
    "one": 4,
    "NumPy's int": np.uint8(4),
    "an array without axes": np.array(4),
    "torch's int": torch.tensor(4),
    "a list": [5, 0, 3],
    "a tuple": (2,),
    "none": [],
    "0 and 1, but fewer than rows": [1, 0],
    "a range": range(1, 4),
    "an array": np.array([5, 0, 3], np.int32),
    "unsigned": np.array([5, 0], np.uint64),
    "nonzero": np.flatnonzero(DONE),
    "torch's nonzero": torch.tensor(DONE).nonzero().flatten(),
    "a slice": slice(1, None, 2),
    "a slice from behind": slice(-2, None),
    "a slice of nothing": slice(9, 12),
    "bool array": np.array(DONE),
    "torch bool": torch.tensor(DONE),
    "list of bools": DONE,
    "tuple of bools": tuple(DONE),
}


@pytest.mark.parametrize("form", ROWS)
def test_rows_may_be_numbers_slices_or_masks(form: str) -> None:
    rows = ROWS[form]
    net = network("gru")
    hx = states(net, B)
    stream = net.stream(B, hx)
    stream.reset(rows)
    as_numpy = np.asarray(rows, int) if form == "none" else rows if isinstance(rows, slice) else np.asarray(rows)
    assert_same(stream.state, reset(hx, as_numpy))


def test_all_rows_can_be_reset() -> None:
    net = network()
    hx = states(net, B)
    for options in ({}, {"rows": None}, {"done": [1] * B}, {"done": np.ones(B, bool)}, {"rows": slice(None)}):
        stream = net.stream(B, hx)
        stream.reset(**options)
        assert_same(stream.state, reset(hx, slice(None)))


def test_a_batch_of_one_row_can_be_reset() -> None:
    """In a batch of one row [0] as rows= means row 0, and as done= it means no row."""
    net = network()
    hx = states(net, 1)
    for options, wanted in (({"rows": [0]}, True), ({"rows": 0}, True), ({"done": [0]}, False), ({"done": [1]}, True)):
        stream = net.stream(1, hx)
        stream.reset(**options)
        assert_same(stream.state, reset(hx, [0] if wanted else []))


MASK = "a mask, of booleans or of 0 and 1, goes to done="
NUMBERS = r"rows: expected integers or a slice \(" + MASK + r"\), got "
LOOKS = rf"expected rows by number, got only 0 and 1 for a batch of 6: {MASK}; reset\(\) resets all"
AS_MASK = r"expected rows as a mask \(6,\), got {}: " + MASK
BAD_ROWS: dict[str, tuple[Any, type[Exception], str]] = {
    "int64 flags": (np.array(DONE, int), ValueError, LOOKS),
    "uint8 flags": (np.array(DONE, np.uint8), ValueError, LOOKS),
    "a list of flags": ([int(flag) for flag in DONE], ValueError, LOOKS),
    "a tuple of flags": (tuple(int(flag) for flag in DONE), ValueError, LOOKS),
    "torch int flags": (torch.tensor(DONE).int(), ValueError, LOOKS),
    "torch uint8 flags": (torch.tensor(DONE, dtype=torch.uint8), ValueError, LOOKS),
    "no flag set": ([0] * B, ValueError, LOOKS),
    "float32 flags": (np.array(DONE, np.float32), TypeError, NUMBERS + "float32"),
    "a list of floats": ([0.0, 1.0], TypeError, NUMBERS + "float64"),
    "a float": (1.0, TypeError, NUMBERS + "float"),
    "no number": ("all", TypeError, NUMBERS + "str"),
    "an ellipsis": (..., TypeError, NUMBERS + "ellipsis"),
    "a set": ({1, 2}, TypeError, NUMBERS + "set"),
    "objects": ([1, None], TypeError, NUMBERS + "object"),
    "a bool among ints": ([2, True], TypeError, NUMBERS + "bool"),
    "a bool": (True, ValueError, AS_MASK.format(r"\(\)")),
    "NumPy's bool": (np.False_, ValueError, AS_MASK.format(r"\(\)")),
    "a bool without axes": (np.array(True), ValueError, AS_MASK.format(r"\(\)")),
    "torch's bool": (torch.tensor(True), ValueError, AS_MASK.format(r"\(\)")),
    "a short mask": (np.array(DONE[:5]), ValueError, AS_MASK.format(r"\(5,\)")),
    "a long mask": ([*DONE, True], ValueError, AS_MASK.format(r"\(7,\)")),
    "a mask of the state": (np.zeros((B, 7), bool), ValueError, AS_MASK.format(r"\(6, 7\)")),
    "a table": ([[1, 2]], ValueError, r"expected rows \(n,\), got \(1, 2\): " + MASK),
    "twice": ([3, 5, 3], ValueError, "expected rows that differ, got 3 more than once: " + MASK),
    "flags of more rows": (
        [0, 1, 1, 0, 1, 0, 1],
        ValueError,
        "expected rows that differ, got . more than once: " + MASK,
    ),
    "far": (6, IndexError, "expected rows from 0 to 5, got 6: " + MASK),
    "very far": (2**70, IndexError, f"expected rows from 0 to 5, got {2**70}: {MASK}"),
    "unsigned and far": (np.array([2**63], np.uint64), IndexError, f"from 0 to 5, got {2**63}: {MASK}"),
    "one of them far": ([0, 6], IndexError, "expected rows from 0 to 5, got 6: " + MASK),
    "negative": (-1, IndexError, "expected rows from 0 to 5, got -1: " + MASK),
    "one of them negative": (np.array([2, -6]), IndexError, "expected rows from 0 to 5, got -6: " + MASK),
    "a masked array": (np.ma.masked_equal([0, 1], 0), TypeError, "rows: a masked array"),
}
BAD_FLAGS: dict[str, tuple[Any, type[Exception], str]] = {
    "too few": (DONE[:5], ValueError, r"expected done \(6,\), a flag for each row, got \(5,\)"),
    "none": ([], ValueError, r"expected done \(6,\), a flag for each row, got \(0,\)"),
    "a column": (np.array(DONE)[:, None], ValueError, r"expected done \(6,\), a flag for each row, got \(6, 1\)"),
    "one for all": (True, ValueError, r"expected done \(6,\), a flag for each row, got \(\)"),
    "without axes": (np.array(True), ValueError, r"expected done \(6,\), a flag for each row, got \(\)"),
    "rows": ([0, 2, 1, 0, 1, 0], ValueError, "expected done of booleans, or of 0 and 1, got 2 in row 1"),
    "negative": (
        np.array([0, 0, 0, -1, 0, 0]),
        ValueError,
        "expected done of booleans, or of 0 and 1, got -1 in row 3",
    ),
    "probabilities": (np.full(B, 0.5), ValueError, "expected done of booleans, or of 0 and 1, got 0.5 in row 0"),
    "NaN": (np.full(B, np.nan), ValueError, "expected done of booleans, or of 0 and 1, got nan in row 0"),
    "text": (["0"] * B, TypeError, "done: expected booleans, or numbers that are 0 or 1, got <U1"),
    "objects": ([True] * 5 + [None], TypeError, "done: expected booleans, or numbers that are 0 or 1, got object"),
    "complex": (np.zeros(B, complex), TypeError, "done: expected booleans, or numbers that are 0 or 1, got complex128"),
}


def refuse(use: Callable[[Any], None], error: type[Exception], message: str) -> None:
    net = network("lstm_proj")
    x, hx = inputs(net, B), states(net, B)
    stream = net.stream(B, hx)
    with pytest.raises(error, match=message):
        use(stream)
    assert_same(stream.state, hx)
    np.testing.assert_array_equal(stream.step(x[0]), net(x[:1], hx)[0][0])


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_leave_the_state(case: str) -> None:
    rows, error, message = BAD_ROWS[case]
    refuse(lambda stream: stream.reset(rows), error, message)


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags_leave_the_state(case: str) -> None:
    done, error, message = BAD_FLAGS[case]
    refuse(lambda stream: stream.reset(done=done), error, message)


def test_rows_and_done_together_are_an_error() -> None:
    refuse(lambda stream: stream.reset([1], done=DONE), TypeError, "expected rows or done, got both")


def test_the_numbers_of_all_of_two_rows_are_an_error() -> None:
    """The numbers 0 and 1 of both rows could be flags, so they are an error."""
    net = network()
    hx = states(net, 2)
    stream = net.stream(2, hx)
    for rows in ([0, 1], [1, 0], np.array([0, 1]), range(2)):
        with pytest.raises(ValueError, match=r"got only 0 and 1 for a batch of 2: (.*); reset\(\) resets all"):
            stream.reset(rows)
    assert_same(stream.state, hx)


def test_the_core_refuses_rows_that_do_not_exist() -> None:
    net = network()
    hx = states(net, 3)
    stream = net.stream(3, hx)
    for rows in ([3], [0, -1], [2**62]):
        with pytest.raises(ValueError, match=rf"rows.*2.*{rows[-1]}$"):
            stream._core.reset(np.array(rows))
    with pytest.raises(ValueError, match=r"^expected rows \(4,\), got \(2, 2\)$"):
        stream._core.reset(np.zeros((2, 2), np.int64))
    assert_same(stream.state, hx)
