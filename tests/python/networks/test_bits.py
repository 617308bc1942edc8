"""Promise 2 (same bits): a row has the same bits alone or in a batch, in chunks, and on any number of threads.

The promise holds for PyTorch's cells and extended cells, in float32 and float64, on each ISA. All ISAs that have fused
multiply-add give the same bits, and so do all that lack it.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest

import gatecell
from helpers import extended_grids
from helpers.bits import ALIKE_ISAS, assert_same_bits, bits, index_state, run_in_chunks
from helpers.cells import CELLS, DTYPES, EXTENDED_KINDS, is_extended, kind_ids, kinds_everywhere, make_case
from helpers.stream_cases import assert_same
from helpers.torch_case import MODES, Case

TORCH_KINDS = [*({"mode": mode} for mode in MODES), {"mode": "LSTM", "proj_size": 5}]
KINDS = [*TORCH_KINDS, *EXTENDED_KINDS]


def each(torch: Any, extended: Any, extended_kinds: Any = EXTENDED_KINDS) -> Any:
    """Pairs of a kind and a value, with other values for extended cells than for PyTorch's."""
    return [*itertools.product(TORCH_KINDS, torch), *itertools.product(extended_kinds, extended)]


@pytest.mark.parametrize(("kind", "hidden_size"), each([7, 16, 37], [7, 37]), ids=kind_ids)
def test_a_row_has_the_same_bits_alone_and_in_a_batch(
    kind: dict[str, Any], hidden_size: int, dtype: str, isa: str
) -> None:
    case = make_case(**kind, hidden_size=hidden_size, num_layers=2, bidirectional=True, rows=33, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    y, state = network(x, hx)
    for rows in [slice(n, n + 1) for n in range(33)] + [slice(3, 5), slice(4, 11), slice(16, 33)]:
        index = slice(None), rows
        assert_same_bits(network(x[index], index_state(hx, index)), (y[index], index_state(state, index)))
    unbatched = slice(None), 2
    assert_same_bits(network(x[unbatched], index_state(hx, unbatched)), (y[unbatched], index_state(state, unbatched)))


@pytest.mark.parametrize(("kind", "rows"), each([1, 2, 9], [1, 9]), ids=kind_ids)
def test_one_call_and_chunks_have_the_same_bits(kind: dict[str, Any], rows: int, dtype: str, isa: str) -> None:
    """Only in the forward direction: in the reverse direction each step depends on the steps after it."""
    case = make_case(**kind, input_size=19, hidden_size=21, num_layers=3, rows=rows, steps=150, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    whole = network(x, hx)
    for cuts in ([1], [75], [149], [1, 2, 3, 64, 65, 128], list(range(1, 150))):
        assert_same_bits(run_in_chunks(network, x, hx, cuts), whole)


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("kind", "dtype"), each(DTYPES, ["float32"]), ids=kind_ids)
def test_any_number_of_threads_gives_the_same_bits(
    kind: dict[str, Any], bidirectional: bool, dtype: str, isa: str
) -> None:
    """test_lengths.py does this for rows of different lengths."""
    sizes = {"input_size": 96, "hidden_size": 96, "steps": 100, "rows": 11}
    case = make_case(**kind, **sizes, num_layers=2, bidirectional=bidirectional, dtype=dtype)
    x, hx = case.inputs()
    alone = case.network(gatecell, isa=isa, num_threads=1)(x, hx)
    for num_threads in (2, 3, 4):
        network = case.network(gatecell, isa=isa, num_threads=num_threads)
        assert network.plan(100, 11).threads > 1
        for _ in range(5):
            assert_same_bits(network(x, hx), alone)


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("kind", TORCH_KINDS, ids=kind_ids)
def test_hidden_units_split_among_threads_have_the_same_bits(kind: dict[str, Any], dtype: str, isa: str) -> None:
    """With one row, two threads compute each step together, unless the machine is busy. tests/cpp forces this split.

    201 hidden units cannot be divided into whole blocks, nor into two equal halves.
    """
    case = Case(**kind, input_size=96, hidden_size=201, steps=150, rows=1, num_layers=2, dtype=dtype)
    x, hx = case.inputs()
    alone = case.network(gatecell, isa=isa, num_threads=1)(x, hx)
    network = case.network(gatecell, isa=isa, num_threads=2)
    for _ in range(5):
        assert_same_bits(network(x, hx), alone)


@pytest.mark.parametrize("kind", KINDS, ids=kind_ids)
def test_batch_first_gives_the_same_bits(kind: dict[str, Any], dtype: str, isa: str) -> None:
    case = make_case(**kind, num_layers=2, bidirectional=True, rows=6, steps=9, dtype=dtype)
    x, hx = case.inputs()
    y, state = case.network(gatecell, isa=isa)(x, hx)
    first = case.with_(batch_first=True).network(gatecell, isa=isa)
    assert_same_bits(first(np.ascontiguousarray(x.swapaxes(0, 1)), hx), (y.swapaxes(0, 1), state))
    assert_same_bits(first(x.swapaxes(0, 1), hx), (y.swapaxes(0, 1), state))


@pytest.mark.parametrize(("kind", "hidden_size"), each([1, 8, 37], [4, 37], extended_grids.EVERY), ids=kind_ids)
def test_all_isas_with_fma_and_all_without_give_the_same_bits(
    kind: dict[str, Any], hidden_size: int, dtype: str
) -> None:
    if max(map(len, ALIKE_ISAS)) < 2:
        pytest.skip("this machine has no two ISAs with FMA or without")
    kind = kind if kind.get("proj_size", 0) < hidden_size else kind | {"proj_size": 0}
    for scale, rows in itertools.product(("default", "large", "saturated"), (1, 2, 7)):
        case = make_case(**kind, hidden_size=hidden_size, num_layers=2, rows=rows, dtype=dtype, scale=scale)
        x, hx = case.inputs()
        for isas in ALIKE_ISAS:
            results = [case.network(gatecell, isa=isa)(x, hx) for isa in isas]
            for other in results[1:]:
                assert_same_bits(other, results[0])


@pytest.mark.parametrize("rows", [None, 1, 5])
@pytest.mark.parametrize("kind", CELLS, ids=kind_ids)
def test_cells_have_the_bits_of_layers(kind: dict[str, Any], rows: int | None, dtype: str, isa: str) -> None:
    case = make_case(**kind, hidden_size=20, rows=rows, dtype=dtype)
    cell, (x, hx) = case.cell(gatecell, isa=isa), case.inputs()
    y, state = case.network(gatecell, isa=isa)(x, hx)
    hidden = index_state(hx, 0)
    for t in range(case.steps):
        hidden = cell(x[t], hidden)
        np.testing.assert_array_equal(hidden[0] if case.mode == "LSTM" else hidden, y[t], strict=True)
    assert_same(hidden, index_state(state, 0))


@kinds_everywhere()
def test_a_bad_row_changes_no_other_row(kind: dict[str, Any], dtype: str, isa: str) -> None:
    """NaN or infinity in one row, at any place in a tile, leaves the bits of all other rows as they are."""
    case = make_case(**kind, hidden_size=17, num_layers=2, bidirectional=True, rows=9, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    y, state = network(x, hx)
    for value, row, which in itertools.product((np.nan, np.inf, -np.inf), range(9), range(1 + len(case.state_sizes))):
        others = slice(None), [n for n in range(9) if n != row]
        bad_x, bad_hx = copy.deepcopy((x, hx))
        (bad_x, *(bad_hx if case.mode == "LSTM" else (bad_hx,)))[which][1, row, 0] = value
        bad_y, bad_state = network(bad_x, bad_hx)
        assert_same_bits((bad_y[others], index_state(bad_state, others)), (y[others], index_state(state, others)))
        if np.isnan(value) or not is_extended(kind):  # a clip can make infinity a usual number
            assert not np.array_equal(bits(bad_y[:, row]), bits(y[:, row]))
