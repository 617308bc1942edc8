"""Rows of different lengths: results agree with torch (promise 1), and each row has its own bits (promise 2).

Nothing is read after the end of a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gatecell
from helpers.bits import assert_same_bits, index_state, nan_after_ends, run_row_by_row
from helpers.cells import KINDS, TORCH_KINDS, is_extended, make_case
from helpers.drawn_cases import extended_cases, lengths_of, torch_cases
from helpers.extended_grids import kind_id
from helpers.parity import named_outputs
from helpers.torch_case import Array, Case
from helpers.torch_grids import STACKS, grid

LENGTHS = (2, 5, 1)  # of the three rows of the grid


@pytest.mark.parametrize("stack", STACKS, ids=kind_id)
@pytest.mark.parametrize("kind", TORCH_KINDS, ids=kind_id)
def test_every_option(kind: dict[str, Any], stack: dict[str, Any], dtype: str, isa: str) -> None:
    """Promise 1 for PyTorch's cells. test_parity.py runs extended cells with lengths."""
    for case in grid(kind, stack, dtype):
        if case.rows is not None:
            case.with_(lengths=LENGTHS).check(case.network(gatecell, isa=isa))


@given(torch_cases(), st.data())
def test_any_torch_case(isa: str, case: Case, data: st.DataObject) -> None:
    check_bits_of_rows(isa, case, data)


@given(extended_cases(), st.data())
def test_any_extended_case(isa: str, case: Case, data: st.DataObject) -> None:
    check_bits_of_rows(isa, case, data)


def check_bits_of_rows(isa: str, case: Case, data: st.DataObject) -> None:
    """Promise 2: each row has the same bits alone, in a packed batch, and in a padded batch with NaN after its end.

    Equal bits need no error bound, so any sizes and any lengths may be drawn.
    """
    case = case.with_(rows=case.rows or 1, batch_first=False, state=True)
    lengths = data.draw(lengths_of(case))
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    expected = run_row_by_row(network, x, hx, lengths)
    assert_same_bits(network(nan_after_ends(x, lengths), hx, lengths=lengths), expected)
    if min(lengths) > 0:
        y, state = network(gatecell.pack_padded_sequence(x, lengths, enforce_sorted=False), hx)
        assert_same_bits((gatecell.pad_packed_sequence(y, total_length=case.steps)[0], state), expected)


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("num_threads", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_rows_have_the_same_bits_on_any_number_of_threads(
    kind: dict[str, Any], bidirectional: bool, num_threads: int, isa: str
) -> None:
    rows = 11 if is_extended(kind) else 70
    sizes = {"input_size": 96, "hidden_size": 96, "steps": 60, "rows": rows, "num_layers": 2}
    case = make_case(**kind, **sizes, bidirectional=bidirectional)
    lengths = np.random.default_rng(0).integers(0, 61, rows)
    x, hx = case.inputs()
    expected = run_row_by_row(case.network(gatecell, isa=isa, num_threads=1), x, hx, lengths)
    network = case.network(gatecell, isa=isa, num_threads=num_threads)
    assert (network.plan(60, rows).threads > 1) == (num_threads > 1)
    for count in (rows, 1, 2, 5):
        first = slice(None), slice(count)
        actual = network(nan_after_ends(x[first], lengths[:count]), index_state(hx, first), lengths=lengths[:count])
        assert_same_bits(actual, (expected[0][first], index_state(expected[1], first)))


@pytest.mark.parametrize("batch_first", [False, True])
def test_any_layout_and_any_out(batch_first: bool, dtype: str) -> None:
    """Whole arrays and views with gaps. y has T steps.

    After the end of a row it is 0, also in an out= that held other values.
    """
    case = Case("LSTM", 5, 7, 2, bidirectional=True, rows=4, steps=6, dtype=dtype)
    x, hx = case.inputs()
    lengths = [3, 0, 4, 1]  # all are below T = 6
    y, state = run_row_by_row(case.network(gatecell), x, hx, lengths)
    network = case.with_(batch_first=batch_first).network(gatecell)
    if batch_first:
        x, y = x.swapaxes(0, 1), y.swapaxes(0, 1)
    x = nan_after_ends(x, lengths, batch_first)
    whole = np.full([n + 2 for n in y.shape], 7, dtype)
    inside = (slice(1, -1),) * 3
    for out in (None, np.full(y.shape, 7, dtype), whole[inside]):
        for form in (x, np.asfortranarray(x), np.repeat(x, 2, 1)[:, ::2]):
            got, final = network(form, hx, lengths=lengths, out=out)
            assert out is None or got is out
            assert_same_bits((got, final), (y, state))
    whole[inside] = 7
    assert (whole == 7).all()


@pytest.mark.parametrize(
    "form",
    [list, tuple, *(lambda n, kind=kind: np.array(n, kind) for kind in ("i1", "u2", ">i4", "i8", "u8")), torch.tensor],
)
def test_lengths_may_be_any_integers(form: Any) -> None:
    case = Case("GRU", steps=5, rows=3)
    network, (x, hx) = case.network(gatecell), case.inputs()
    assert_same_bits(network(x, hx, lengths=form([4, 0, 5])), run_row_by_row(network, x, hx, [4, 0, 5]))


def test_equal_lengths_are_a_shorter_batch() -> None:
    case = Case("GRU", steps=5, rows=3, bidirectional=True)
    network, (x, hx) = case.network(gatecell), case.inputs()
    y, state = network(x[:4], hx)
    got, final = network(nan_after_ends(x, [4] * 3), hx, lengths=[4] * 3)
    assert_same_bits((got[:4], final), (y, state))
    assert not got[4:].any()


def test_empty_batches_give_empty_results() -> None:
    network = Case("LSTM", state=False).network(gatecell)
    y, (h_n, c_n) = network(np.zeros((4, 0, 5), "float32"), lengths=[])
    assert (y.shape, h_n.shape, c_n.shape) == ((4, 0, 7), (1, 0, 7), (1, 0, 7))
    y, (h_n, c_n) = network(np.zeros((0, 2, 5), "float32"), lengths=[0, 0])
    assert (y.shape, h_n.any(), c_n.any()) == ((0, 2, 7), False, False)


BAD_LENGTHS: dict[str, tuple[Any, type[Exception], str]] = {
    "too long": ([2, 6, 1], ValueError, "expected lengths from 0 to 5, got 6 in row 1"),
    "negative": ([2, 5, -1], ValueError, "expected lengths from 0 to 5, got -1 in row 2"),
    "too few": ([2, 5], ValueError, r"expected lengths \(3,\), got \(2,\)"),
    "none": ([], ValueError, r"expected lengths \(3,\), got \(0,\)"),
    "two axes": ([[2, 5, 1]], ValueError, r"expected lengths \(3,\), got \(1, 3\)"),
    "one number": (5, ValueError, r"expected lengths \(3,\), got \(\)"),
    "floats": ([2.0, 5.0, 1.0], TypeError, "lengths: expected integers, got float64"),
    "bools": ([True, False, True], TypeError, "lengths: expected integers, got bool"),
    "a bool among ints": ((2, True, 0), TypeError, "lengths: expected integers, got bool"),
    "text": ("251", TypeError, "lengths: expected integers, got str"),
    "objects": ([None, 1, 2], TypeError, "lengths: expected integers, got object"),
}


@pytest.mark.parametrize("name", BAD_LENGTHS)
def test_bad_lengths_are_errors(name: str) -> None:
    lengths, error, message = BAD_LENGTHS[name]
    case = Case(steps=5, rows=3)
    network, (x, hx) = case.network(gatecell), case.inputs()
    out = np.full((5, 3, 7), 7, "float32")
    with pytest.raises(error, match=message):
        network(x, hx, lengths=lengths, out=out)
    assert (out == 7).all()


def test_lengths_need_a_batch() -> None:
    network = Case(state=False).network(gatecell)
    with pytest.raises(ValueError, match=r"lengths go with a batch, got unbatched input \(4, 5\)"):
        network(np.zeros((4, 5), "float32"), lengths=[3])


# Packed sequences.


def packed_case(bidirectional: bool, batch_first: bool = False) -> tuple[Case, Any, Array, Any]:
    case = Case("LSTM", 5, 7, 2, bidirectional=bidirectional, rows=4, steps=6, lengths=(3, 6, 1, 4))
    x, hx = case.inputs()
    return case, case.with_(batch_first=batch_first).network(gatecell), x, hx


@pytest.mark.parametrize("by", ["gatecell", "torch", "torch sorted", "someone else"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_rows_have_the_bits_of_padded_rows(bidirectional: bool, by: str) -> None:
    """A packed sequence gives the bits of a padded batch. hx and h_n have the order before packing, as in torch."""
    case, network, x, hx = packed_case(bidirectional)
    lengths = np.array(case.lengths)
    if by == "torch sorted":  # such a packed sequence has no indices
        order = np.argsort(-lengths)
        x, lengths = x[:, order], lengths[order]
    of_torch = torch.nn.utils.rnn.pack_padded_sequence(
        torch.from_numpy(x), torch.from_numpy(lengths), enforce_sorted=by == "torch sorted"
    )
    packed: Any = of_torch
    if by == "gatecell":
        packed = gatecell.pack_padded_sequence(x, lengths, enforce_sorted=False)
    elif by == "someone else":
        packed = type("Sequence", (), of_torch._asdict())()
    y, hidden = network(packed, hx)
    assert isinstance(y, gatecell.PackedSequence)
    assert y.data.dtype == "float32"
    expected_y, expected = network(x, hx, lengths=lengths)
    assert_same_bits((gatecell.pad_packed_sequence(y)[0], hidden), (expected_y, expected))
    np.testing.assert_array_equal(y.batch_sizes, of_torch.batch_sizes)


def test_packed_results_are_torchs() -> None:
    """gatecell packs, runs and unpacks a sequence; torch does the same."""
    case, network, x, hx = packed_case(True)
    y, hidden = network(gatecell.pack_padded_sequence(x, case.lengths, enforce_sorted=False), hx)
    padded, lengths = gatecell.pad_packed_sequence(y, total_length=case.steps)
    np.testing.assert_array_equal(lengths, case.lengths)
    for name, expected in case.reference().items():
        np.testing.assert_allclose(named_outputs(padded, hidden)[name], expected, atol=1e-6, rtol=0)


def test_packed_sequences_ignore_batch_first() -> None:
    case, network, x, hx = packed_case(False, batch_first=True)
    packed = gatecell.pack_padded_sequence(x, case.lengths, enforce_sorted=False)
    y, _ = network(packed, hx)
    np.testing.assert_array_equal(y.data, packed_case(False)[1](packed, hx)[0].data)


def test_packed_data_may_have_another_dtype_and_layout() -> None:
    case, network, x, hx = packed_case(False)
    packed = gatecell.pack_padded_sequence(x, case.lengths, enforce_sorted=False)
    y, _ = network(packed, hx)
    for data in (packed.data.astype("float64"), np.asfortranarray(packed.data), packed.data[::-1].copy()[::-1]):
        np.testing.assert_array_equal(network(packed._replace(data=data), hx)[0].data, y.data)


def test_packed_rows_of_equal_length_are_a_batch() -> None:
    _, network, x, hx = packed_case(True)
    packed = gatecell.pack_padded_sequence(x, [6] * 4)
    y, hidden = network(packed, hx)
    assert_same_bits((gatecell.pad_packed_sequence(y)[0], hidden), network(x, hx))


def test_bad_packed_sequences_are_errors() -> None:
    case, network, x, hx = packed_case(False)
    packed = gatecell.pack_padded_sequence(x, case.lengths, enforce_sorted=False)
    bad: list[tuple[Any, type[Exception], str]] = [
        (packed._replace(data=packed.data[:, :4]), ValueError, r"expected packed data \(sum of .*, 5\), got \(14, 4\)"),
        (packed._replace(data=packed.data[:-1]), ValueError, r"the sum of batch_sizes, got \(13, 5\)"),
        (packed._replace(batch_sizes=packed.batch_sizes[::-1]), ValueError, "batch_sizes that never grow"),
        (packed._replace(data=packed.data.astype(int)), TypeError, "data: expected real floating point numbers"),
        (packed._replace(sorted_indices=np.zeros(4, int)), ValueError, "permutation"),
        (packed._replace(data=torch.from_numpy(packed.data).requires_grad_()), ValueError, "detach"),
    ]
    for wrong, error, message in bad:
        with pytest.raises(error, match=message):
            network(wrong, hx)
    with pytest.raises(TypeError, match="a packed sequence takes no lengths"):
        network(packed, hx, lengths=case.lengths)
    with pytest.raises(TypeError, match="a packed sequence takes no out"):
        network(packed, hx, out=np.zeros((14, 7), "float32"))
    with pytest.raises(ValueError, match=r"expected h_0 \(2, 4, 7\), got \(2, 3, 7\)"):
        network(packed, index_state(hx, (slice(None), slice(3))))
    with pytest.raises(TypeError, match="h_0: expected an array, got a packed sequence"):
        network(x, (packed, hx[1]))
    with pytest.raises(TypeError, match="input: expected an array, got a packed sequence"):
        network.stream().step(packed)
