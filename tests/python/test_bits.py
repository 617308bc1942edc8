"""Invariant 2: one order of summation, so the same bits alone or in a batch, in chunks, on any number of threads.

A promise for float32 and float64, on each ISA, and between all ISAs that have FMA.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gatecell
from parity import named_outputs
from reference import MODES, Case

Array = NDArray[np.floating]
FMA_ISAS = [isa for isa in gatecell.available_isas() if isa != "sse2"]
KINDS = [{"mode": mode} for mode in MODES] + [{"mode": "LSTM", "proj_size": 5}]


def kind_id(kind: dict[str, Any]) -> str:
    return "-".join(map(str, kind.values()))


def bits(array: Array) -> NDArray[np.unsignedinteger]:
    return np.ascontiguousarray(array).view(f"u{array.itemsize}")


def assert_same_bits(got: tuple[Array, Any], expected: tuple[Array, Any]) -> None:
    wanted = named_outputs(*expected)
    for name, array in named_outputs(*got).items():
        np.testing.assert_array_equal(bits(array), bits(wanted[name]), err_msg=name)


def states(hx: Any, part: Any) -> Any:
    """That part of each state; `part` is an index."""
    return tuple(state[part] for state in hx) if isinstance(hx, tuple) else hx[part]


def chunked(network: Any, x: Array, hx: Any, cuts: list[int]) -> tuple[Array, Any]:
    """The sequence in pieces, each fed with the state of the one before."""
    pieces = []
    for piece in np.split(x, cuts):
        y, hx = network(piece, hx)
        pieces.append(y)
    return np.concatenate(pieces), hx


@pytest.mark.parametrize("hidden_size", [7, 16, 37])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_row_alone_or_in_a_batch(kind: dict[str, Any], hidden_size: int, dtype: str, isa: str) -> None:
    case = Case(**kind, hidden_size=hidden_size, num_layers=2, bidirectional=True, rows=33, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    y, state = network(x, hx)
    for rows in [slice(n, n + 1) for n in range(33)] + [slice(3, 5), slice(4, 11), slice(16, 33)]:
        part = slice(None), rows
        assert_same_bits(network(x[part], states(hx, part)), (y[part], states(state, part)))
    unbatched = slice(None), 2
    assert_same_bits(network(x[unbatched], states(hx, unbatched)), (y[unbatched], states(state, unbatched)))


@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_whole_or_in_chunks(kind: dict[str, Any], rows: int, dtype: str, isa: str) -> None:
    """In one direction only: backwards in time a row depends on what follows."""
    case = Case(**kind, input_size=19, hidden_size=21, num_layers=3, rows=rows, steps=150, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    whole = network(x, hx)
    for cuts in ([1], [75], [149], [1, 2, 3, 64, 65, 128], list(range(1, 150))):
        assert_same_bits(chunked(network, x, hx, cuts), whole)


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_any_number_of_threads(kind: dict[str, Any], bidirectional: bool, dtype: str, isa: str) -> None:
    sizes = {"input_size": 96, "hidden_size": 96, "steps": 100, "rows": 11}
    case = Case(**kind, **sizes, num_layers=2, bidirectional=bidirectional, dtype=dtype)
    x, hx = case.inputs()
    alone = case.network(gatecell, isa=isa, num_threads=1)(x, hx)
    for num_threads in (2, 3, 4):
        network = case.network(gatecell, isa=isa, num_threads=num_threads)
        assert network.plan(100, 11).threads > 1
        for _ in range(5):
            assert_same_bits(network(x, hx), alone)


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_hidden_units_apart(kind: dict[str, Any], dtype: str, isa: str) -> None:
    """With one row threads take each step together, unless the machine is busy (tests/cpp does not leave it to that).

    201 units do not divide into whole blocks, let alone halves.
    """
    case = Case(**kind, input_size=96, hidden_size=201, steps=150, rows=1, num_layers=2, dtype=dtype)
    x, hx = case.inputs()
    alone = case.network(gatecell, isa=isa, num_threads=1)(x, hx)
    network = case.network(gatecell, isa=isa, num_threads=2)
    for _ in range(5):
        assert_same_bits(network(x, hx), alone)


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_batch_first_or_not(kind: dict[str, Any], dtype: str, isa: str) -> None:
    case = Case(**kind, num_layers=2, bidirectional=True, rows=6, steps=9, dtype=dtype)
    x, hx = case.inputs()
    y, state = case.network(gatecell, isa=isa)(x, hx)
    first = case.with_(batch_first=True).network(gatecell, isa=isa)
    assert_same_bits(first(np.ascontiguousarray(x.swapaxes(0, 1)), hx), (y.swapaxes(0, 1), state))
    assert_same_bits(first(x.swapaxes(0, 1), hx), (y.swapaxes(0, 1), state))


@pytest.mark.parametrize("hidden_size", [1, 8, 37])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_every_isa_with_fma(kind: dict[str, Any], hidden_size: int, dtype: str) -> None:
    if len(FMA_ISAS) < 2:
        pytest.skip("this machine has no second ISA with FMA")
    kind = kind if kind.get("proj_size", 0) < hidden_size else kind | {"proj_size": 0}
    for scale, rows in itertools.product(("default", "large", "saturated"), (1, 2, 7)):
        case = Case(**kind, hidden_size=hidden_size, num_layers=2, rows=rows, dtype=dtype, scale=scale)
        x, hx = case.inputs()
        first, *others = (case.network(gatecell, isa=isa)(x, hx) for isa in FMA_ISAS)
        for other in others:
            assert_same_bits(other, first)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_bad_row_touches_no_other(kind: dict[str, Any], value: float, dtype: str, isa: str) -> None:
    """Every other row has the bits of the call without the bad one, wherever it stands in a tile."""
    case = Case(**kind, hidden_size=17, num_layers=2, bidirectional=True, rows=9, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    y, state = network(x, hx)
    for row in range(9):
        others = slice(None), [n for n in range(9) if n != row]
        bad = x.copy()
        bad[2, row, 1] = value
        bad_y, bad_state = network(bad, hx)
        assert_same_bits((bad_y[others], states(bad_state, others)), (y[others], states(state, others)))
        assert not np.array_equal(bits(bad_y[:, row]), bits(y[:, row]))
