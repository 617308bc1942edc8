"""Promise 1 (parity): outputs agree with the oracle for every option, on every ISA, within a bound (helpers/parity.py).

The oracle of PyTorch's cells is PyTorch. The oracle of extended cells is the equations in NumPy (helpers/equations.py):
their float32 run takes the place of PyTorch's float32 run. The equations are slow, so extended cells run smaller cases.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import gatecell
from helpers import extended_grids, torch_grids
from helpers.cells import (
    CELLS,
    EXTENDED_KINDS,
    every_call,
    every_option,
    is_extended,
    make_case,
    sample_cases,
    sample_stacks,
    size_cases,
    size_id,
)
from helpers.drawn_cases import extended_cases, lengths_of, torch_cases
from helpers.extended_grids import kind_id
from helpers.parity import assert_parity, named_states
from helpers.torch_case import MODES, SCALES, Case


def check_draws(case: Case, isa: str) -> None:
    for draw in case.draws():
        draw.check(draw.network(gatecell, isa=isa))


@every_option()
def test_every_option_keeps_the_bound(kind: dict[str, Any], stack: dict[str, Any], dtype: str, isa: str) -> None:
    for case in every_call(kind, stack, dtype):
        case.check(case.network(gatecell, isa=isa))


@sample_stacks()
def test_rows_that_measure_the_bound_are_within_it(kind: dict[str, Any], stack: dict[str, Any], isa: str) -> None:
    """The bound is taken from the largest error of the oracle on these rows. Here gatecell runs the same rows."""
    for case in sample_cases(kind, stack):
        check_draws(case, isa)


@pytest.mark.parametrize("case", size_cases(), ids=size_id)
def test_every_pair_of_sizes_keeps_the_bound(case: Case, isa: str) -> None:
    check_draws(case, isa)


@pytest.mark.parametrize(
    ("cases", "factors", "allowed"),
    [
        (torch_grids.size_cases(), torch_grids.SIZES, torch_grids.allowed),
        (extended_grids.size_cases(), extended_grids.FACTORS, extended_grids.allowed),
    ],
    ids=["torch", "extended"],
)
def test_sizes_hold_every_allowed_pair(
    cases: list[Case], factors: Mapping[str, Any], allowed: Callable[[Mapping[str, Any]], bool]
) -> None:
    for (one, values), (other, others) in itertools.combinations(factors.items(), 2):
        expected = {pair for pair in itertools.product(values, others) if allowed({one: pair[0], other: pair[1]})}
        assert expected == {(getattr(case, one), getattr(case, other)) for case in cases}


@given(torch_cases())
def test_any_torch_case_keeps_the_bound(isa: str, case: Case) -> None:
    assume(case.own_error() < 1e-4)  # a few drawn networks are chaotic; the networks of the grids must not be
    case.check(case.network(gatecell, isa=isa))


@given(extended_cases(), st.data())
def test_any_extended_case_keeps_the_bound(isa: str, case: Case, data: st.DataObject) -> None:
    if case.rows and data.draw(st.booleans()):
        case = case.with_(lengths=tuple(data.draw(lengths_of(case))))
    assume(case.own_error() < 1e-4)
    case.check(case.network(gatecell, isa=isa))


@pytest.mark.parametrize("kind", [*({"mode": mode} for mode in MODES), *EXTENDED_KINDS], ids=kind_id)
def test_long_sequences_and_wide_layers_keep_the_bound(kind: dict[str, Any], dtype: str, isa: str) -> None:
    """Several chunks of steps, several tiles of rows and blocks of hidden units, and remainders of each."""
    long, wide = {"steps": 517, "rows": 2, "hidden_size": 17}, {"steps": 9, "rows": 41, "hidden_size": 139}
    if is_extended(kind):
        long, wide = {"steps": 70, "rows": 11, "hidden_size": 40}, {"steps": 5, "rows": 41, "hidden_size": 75}
    for sizes in (long, wide):
        case = make_case(**kind, input_size=23, **sizes, dtype=dtype, bidirectional=True)
        case.check(case.network(gatecell, isa=isa))


@pytest.mark.parametrize(
    ("mode", "input_size", "hidden_size", "proj_size"),
    [
        ("GRU", 25088, 128, 0),
        ("RNN_TANH", 8192, 64, 0),
        ("LSTM", 12000, 40, 0),
        ("RNN_TANH", 64, 4096, 0),
        ("RNN_RELU", 65500, 36, 0),
        ("LSTM", 36, 4096, 24),
    ],
)
def test_wide_layers_keep_the_bound(mode: str, input_size: int, hidden_size: int, proj_size: int, isa: str) -> None:
    check_draws(Case(mode, input_size, hidden_size, proj_size=proj_size, steps=2, rows=64), isa)


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("num_threads", [1, 2])
def test_one_and_two_threads_keep_the_bound(num_threads: int, dtype: str, isa: str) -> None:
    case = Case("LSTM", 64, 64, 2, bidirectional=True, dtype=dtype, steps=40, rows=9)
    network = case.network(gatecell, isa=isa, num_threads=num_threads)
    assert network.plan(40, 9).threads == num_threads
    case.check(network)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS, ids=kind_id)
def test_cells_of_every_size_keep_the_bound(kind: dict[str, Any], bias: bool, dtype: str, isa: str) -> None:
    """LSTMCell, GRUCell and RNNCell of every size, with and without a batch, with and without a given state."""
    calls = itertools.product(SCALES, (None, 1, 5), (True, False))
    if is_extended(kind):
        calls = iter((("default", None, True), ("large", 1, True), ("saturated", 5, False)))
    for scale, rows, state in calls:
        for inputs, hidden in zip(torch_grids.FEATURES, reversed(torch_grids.FEATURES), strict=True):
            sizes = {"input_size": inputs, "hidden_size": hidden, "steps": 1, "rows": rows}
            case = make_case(**kind, **sizes, bias=bias, dtype=dtype, state=state, scale=scale)
            actual = named_states(case.cell(gatecell, isa=isa)(*case.cell_inputs()))
            assert_parity(actual, case.cell_reference(), case.own_error(), dtype, case)
