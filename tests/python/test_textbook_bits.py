"""Invariant 2 for the textbooks' cells: the same bits however a sequence is fed, and by however many threads."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatecell
from parity import named_outputs
from reference import Array
from stream_cases import assert_same
from test_bits import FMA_ISAS, assert_same_bits, chunked, states
from test_lengths import ended, one_by_one
from test_textbook_cells import any_case
from textbook import Case, run
from textbook_cases import CELLS, EVERY, KINDS, everywhere, kind_id


@pytest.mark.parametrize("hidden_size", [7, 37])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_row_alone_or_in_a_batch(kind: dict[str, Any], hidden_size: int, dtype: str, isa: str) -> None:
    case = Case(**kind, hidden_size=hidden_size, num_layers=2, bidirectional=True, rows=33, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    y, state = network(x, hx)
    for rows in [slice(n, n + 1) for n in range(0, 33, 5)] + [slice(3, 5), slice(4, 11), slice(16, 33)]:
        part = slice(None), rows
        assert_same_bits(network(x[part], states(hx, part)), (y[part], states(state, part)))
    unbatched = slice(None), 2
    assert_same_bits(network(x[unbatched], states(hx, unbatched)), (y[unbatched], states(state, unbatched)))


@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_whole_or_in_chunks(kind: dict[str, Any], rows: int, dtype: str, isa: str) -> None:
    case = Case(**kind, input_size=19, hidden_size=21, num_layers=3, rows=rows, steps=150, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    whole = network(x, hx)
    for cuts in ([1], [75], [1, 2, 3, 64, 65, 128], list(range(1, 150))):
        assert_same_bits(chunked(network, x, hx, cuts), whole)


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_any_number_of_threads(kind: dict[str, Any], bidirectional: bool, isa: str) -> None:
    sizes = {"input_size": 96, "hidden_size": 96, "steps": 60, "rows": 11}
    case = Case(**kind, **sizes, num_layers=2, bidirectional=bidirectional)
    lengths = np.random.default_rng(0).integers(0, 61, 11)
    x, hx = case.inputs()
    one = case.network(gatecell, isa=isa, num_threads=1)
    alone, ragged = one(x, hx), one_by_one(one, x, hx, lengths)
    for num_threads in (1, 2, 3):
        network = case.network(gatecell, isa=isa, num_threads=num_threads)
        assert (network.plan(60, 11).threads > 1) == (num_threads > 1)
        for _ in range(2):
            assert_same_bits(network(x, hx), alone)
            assert_same_bits(network(ended(x, lengths), hx, lengths=lengths), ragged)


@pytest.mark.parametrize("hidden_size", [4, 37])
@pytest.mark.parametrize("kind", EVERY, ids=kind_id)
def test_every_isa_with_fma(kind: dict[str, Any], hidden_size: int, dtype: str) -> None:
    if len(FMA_ISAS) < 2:
        pytest.skip("this machine has no second ISA with FMA")
    for scale, rows in itertools.product(("default", "large", "saturated"), (1, 2, 7)):
        case = Case(**kind, hidden_size=hidden_size, num_layers=2, rows=rows, dtype=dtype, scale=scale)
        x, hx = case.inputs()
        first, *others = (case.network(gatecell, isa=isa)(x, hx) for isa in FMA_ISAS)
        for other in others:
            assert_same_bits(other, first)


@given(any_case(), st.data())
def test_any_lengths(isa: str, case: Case, data: st.DataObject) -> None:
    """A padded batch, NaN where nothing may be read, and a packed one, against each row alone."""
    case = case.with_(rows=case.rows or 1, batch_first=False, state=True)
    lengths = data.draw(st.lists(st.integers(0, case.steps), min_size=case.rows, max_size=case.rows))
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    expected = one_by_one(network, x, hx, lengths)
    assert_same_bits(network(ended(x, lengths), hx, lengths=lengths), expected)
    if min(lengths) > 0:
        y, state = network(gatecell.pack_padded_sequence(x, lengths, enforce_sorted=False), hx)
        assert_same_bits((gatecell.pad_packed_sequence(y, total_length=case.steps)[0], state), expected)


@pytest.mark.parametrize("rows", [1, 4, 60])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_streams(kind: dict[str, Any], batch_first: bool, rows: int, dtype: str, isa: str) -> None:
    """Steps and chunks, and a copy that goes on."""
    case = Case(**kind, hidden_size=20, num_layers=2, steps=9, rows=rows, dtype=dtype)
    (x, hx), network = case.inputs(), case.with_(batch_first=batch_first).network(gatecell, isa=isa)
    y, state = case.network(gatecell, isa=isa)(x, hx)
    stream = network.stream(rows, hx)
    fed = [stream.step(x[0])[None], stream.step(x[1], out=np.empty_like(y[1]))[None]]
    chunk, after = stream.run(x[2:7].swapaxes(0, int(batch_first)))
    assert_same(after, stream.state)
    fed.append(chunk.swapaxes(0, int(batch_first)))
    for twin in (stream.copy(), stream):
        rest = [twin.step(step)[None] for step in x[7:]]
        np.testing.assert_array_equal(np.concatenate([*fed, *rest]), y, strict=True)
        assert_same(twin.state, state)


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_pools(kind: dict[str, Any], dtype: str, isa: str) -> None:
    """Streams of their own lengths, in steps of some of them and in chunks, against a call for each."""
    case = Case(**kind, hidden_size=20, num_layers=2, steps=12, rows=7, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    pool = gatecell.StreamPool(network, 9)
    ids = [pool.open(states(hx, (slice(None), slice(row, row + 1)))) for row in range(7)]
    fed: dict[int, list[Array]] = {row: [] for row in range(7)}
    for round_ in range(4):
        rows = [row for row in range(7) if (row + round_) % 3]
        y = pool.step([ids[row] for row in rows], np.stack([x[len(fed[row]), row] for row in rows]))
        for row, out in zip(rows, y, strict=True):
            fed[row].append(out)
    chunks = [x[len(fed[row]) : 12 - row, row] for row in range(7)]
    for row, out in zip(range(7), pool.run(ids, chunks), strict=True):
        fed[row].extend(out)
    y, state = one_by_one(network, x, hx, [12 - row for row in range(7)])
    for row in range(7):
        np.testing.assert_array_equal(np.stack(fed[row]), y[: 12 - row, row], strict=True)
    assert_same(pool.state(ids), state)


@pytest.mark.parametrize("rows", [None, 1, 5])
@pytest.mark.parametrize("kind", CELLS, ids=kind_id)
def test_cells_are_steps_of_layers(kind: dict[str, Any], rows: int | None, dtype: str, isa: str) -> None:
    case = Case(**kind, hidden_size=20, rows=rows, dtype=dtype)
    cell = getattr(gatecell, f"{case.class_name}Cell")(**case.cell_options, dtype=dtype, isa=isa)
    cell.load_state_dict({name.removesuffix("_l0"): array for name, array in case.state_dict().items()})
    x, hx = case.inputs()
    y, state = case.network(gatecell, isa=isa)(x, hx)
    hidden = states(hx, 0)
    for t in range(case.steps):
        hidden = cell(x[t], hidden)
        np.testing.assert_array_equal(hidden[0] if case.mode == "LSTM" else hidden, y[t], strict=True)
    assert_same(hidden, states(state, 0))


@everywhere()
def test_bad_row_touches_no_other(kind: dict[str, Any], dtype: str, isa: str) -> None:
    """Every other row has its bits; the bad one is what the equations give, NaN through clips too."""
    case = Case(**kind, hidden_size=17, num_layers=2, bidirectional=True, rows=9, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    y, state = network(x, hx)
    others = slice(None), [n for n in range(9) if n != 4]
    for value, which in itertools.product((np.nan, np.inf, -np.inf), range(1 + len(case.state_sizes))):
        inputs = copy.deepcopy((x, *(hx if case.mode == "LSTM" else (hx,))))
        inputs[which][1, 4, 0] = value
        bad_x, bad_hx = inputs[0], inputs[1:] if case.mode == "LSTM" else inputs[1]
        bad_y, bad_state = network(bad_x, bad_hx)
        assert_same_bits((bad_y[others], states(bad_state, others)), (y[others], states(state, others)))
        for name, expected in run(case, case.state_dict(), bad_x, bad_hx, dtype).items():
            np.testing.assert_allclose(named_outputs(bad_y, bad_state)[name], expected, rtol=0, atol=2e-6, err_msg=name)
