"""Promise 2 (same bits): streams and stream pools of extended cells give the bits of one call over all steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gatecell
from helpers.bits import index_state, run_row_by_row
from helpers.extended_case import ExtendedCase
from helpers.extended_grids import KINDS, kind_id
from helpers.stream_cases import assert_same
from helpers.torch_case import Array


@pytest.mark.parametrize("rows", [1, 4, 60])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_steps_and_chunks_give_the_bits_of_one_call(
    kind: dict[str, Any], batch_first: bool, rows: int, dtype: str, isa: str
) -> None:
    """Runs single steps and a chunk. Then a copy and the stream itself each run the remaining steps."""
    case = ExtendedCase(**kind, hidden_size=20, num_layers=2, steps=9, rows=rows, dtype=dtype)
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
def test_pooled_streams_give_the_bits_of_one_call_each(kind: dict[str, Any], dtype: str, isa: str) -> None:
    """Each stream has its own number of steps. Some of them step together, then each runs a chunk."""
    case = ExtendedCase(**kind, hidden_size=20, num_layers=2, steps=12, rows=7, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    pool = gatecell.StreamPool(network, 9)
    ids = [pool.open(index_state(hx, (slice(None), slice(row, row + 1)))) for row in range(7)]
    fed: dict[int, list[Array]] = {row: [] for row in range(7)}
    for round_ in range(4):
        rows = [row for row in range(7) if (row + round_) % 3]
        y = pool.step([ids[row] for row in rows], np.stack([x[len(fed[row]), row] for row in rows]))
        for row, out in zip(rows, y, strict=True):
            fed[row].append(out)
    chunks = [x[len(fed[row]) : 12 - row, row] for row in range(7)]
    for row, out in zip(range(7), pool.run(ids, chunks), strict=True):
        fed[row].extend(out)
    y, state = run_row_by_row(network, x, hx, [12 - row for row in range(7)])
    for row in range(7):
        np.testing.assert_array_equal(np.stack(fed[row]), y[: 12 - row, row], strict=True)
    assert_same(pool.state(ids), state)
