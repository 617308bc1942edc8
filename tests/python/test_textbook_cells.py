"""The textbooks' cells: outputs agree with their equations for every option on every ISA, within invariant 1's bound.

NumPy's float32 run of the equations stands where PyTorch's stands for PyTorch's cells.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import gatecell
import reference
from cases import FEATURES, SIZES
from parity import assert_parity, largest_difference, named_outputs, named_states
from reference import MODES, SCALES, Array, run_torch
from textbook import Case, run
from textbook_cases import CELLS, EVERY, FACTORS, KINDS, OPTIONS, allowed, everywhere, flags, kind_id, size_cases

LENGTHS = (2, 0, 5)


@pytest.mark.parametrize("stack", [{"num_layers": 1}, {"num_layers": 3, "bidirectional": True}], ids=kind_id)
@pytest.mark.parametrize("mode", MODES)
def test_the_equations_are_torchs_for_its_own_cells(mode: str, stack: dict[str, Any]) -> None:
    for proj_size, lengths, flag in itertools.product((0, 3), (None, (2, 5, 1)), flags()):
        if (mode == "LSTM" or not proj_size) and (flag["rows"] or not lengths):
            options = {"mode": mode, **stack, **flag, "proj_size": proj_size, "lengths": lengths, "dtype": "float64"}
            torchs = reference.Case(**options)
            got = run(Case(**options), torchs.state_dict(), *torchs.inputs(), "float64")
            assert {name: array.shape for name, array in got.items()} == {
                name: array.shape for name, array in torchs.reference().items()
            }
            assert largest_difference(got, torchs.reference()) < 1e-13


@pytest.mark.parametrize("stack", [{"num_layers": 1}, {"num_layers": 2, "bidirectional": True}], ids=kind_id)
@everywhere()
def test_every_option(kind: dict[str, Any], stack: dict[str, Any], dtype: str, isa: str) -> None:
    for flag in flags():
        case = Case(**kind, **stack, **flag, dtype=dtype)
        network = case.network(gatecell, isa=isa)
        case.check(network)
        if case.rows:
            case.with_(lengths=LENGTHS).check(network)


@everywhere(dtypes=["float32"])
def test_the_rows_that_measure_the_bound(kind: dict[str, Any], dtype: str, isa: str) -> None:
    for scale, bidirectional in itertools.product(SCALES, (False, True)):
        case = Case(**kind, dtype=dtype, scale=scale, num_layers=2, bidirectional=bidirectional).sample()
        case.check(case.network(gatecell, isa=isa))


@pytest.mark.parametrize("case", size_cases(), ids=lambda case: f"{case.mode}-{case.seed}")
def test_every_pair_of_sizes(case: Case, isa: str) -> None:
    case.check(case.network(gatecell, isa=isa))


def test_sizes_hold_every_allowed_pair() -> None:
    cases = size_cases()
    for (one, values), (other, others) in itertools.combinations(FACTORS.items(), 2):
        wanted = {pair for pair in itertools.product(values, others) if allowed({one: pair[0], other: pair[1]})}
        assert wanted == {(getattr(case, one), getattr(case, other)) for case in cases}


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(EVERY))
    options = {name: draw(st.sampled_from(values)) for name, values in SIZES.items() if name not in OPTIONS} | kind
    options |= {name: draw(st.integers(1, 40)) for name in ("input_size", "hidden_size")}
    options |= {"steps": draw(st.integers(1, 15)), "rows": draw(st.none() | st.integers(1, 20))}
    options |= {"proj_size": draw(st.integers(0, options["hidden_size"] - 1)) if kind["mode"] == "LSTM" else 0}
    for name in ("gate_clip", "cell_clip"):
        if kind.get(name):
            options[name] = draw(st.floats(0.0625, 4))
    if not allowed(options):
        options["steps"] = 5  # the only rule left to break: large weights and many steps
    return Case(**options, seed=draw(st.integers(0, 2**16)))


@given(any_case(), st.data())
def test_any_case(isa: str, case: Case, data: st.DataObject) -> None:
    if case.rows and data.draw(st.booleans()):
        lengths = data.draw(st.lists(st.integers(0, case.steps), min_size=case.rows, max_size=case.rows))
        case = case.with_(lengths=tuple(lengths))
    assume(case.own_error() < 1e-4)  # a few generated networks are chaotic
    case.check(case.network(gatecell, isa=isa))


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_long_sequence_and_wide_layer(kind: dict[str, Any], dtype: str, isa: str) -> None:
    """Many time chunks, many tiles of rows and of hidden units, and remainders of each."""
    for sizes in ({"steps": 70, "rows": 11, "hidden_size": 40}, {"steps": 5, "rows": 41, "hidden_size": 75}):
        case = Case(**kind, input_size=23, **sizes, dtype=dtype, bidirectional=True)
        case.check(case.network(gatecell, isa=isa))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS, ids=kind_id)
def test_cells(kind: dict[str, Any], bias: bool, dtype: str, isa: str) -> None:
    for inputs, hidden in zip(FEATURES, reversed(FEATURES), strict=True):
        for scale, rows, state in (("default", None, True), ("large", 1, True), ("saturated", 5, False)):
            case = Case(**kind, input_size=inputs, hidden_size=hidden, bias=bias, dtype=dtype, steps=1, rows=rows)
            check_cell(case.with_(scale=scale, state=state), isa)


def check_cell(case: Case, isa: str) -> None:
    """The cell with the weights and inputs of a one-layer, one-step case."""
    cell = getattr(gatecell, f"{case.class_name}Cell")(**case.cell_options, dtype=case.dtype, isa=isa)
    cell.load_state_dict({name.removesuffix("_l0"): array for name, array in case.state_dict().items()})
    x, hx = case.inputs()
    hx = None if hx is None else tuple(state[0] for state in hx) if isinstance(hx, tuple) else hx[0]
    expected = {name[0]: array[0] for name, array in case.reference().items() if name != "y"}
    assert_parity(named_states(cell(x[0], hx)), expected, case.own_error(), case.dtype, case)


@pytest.mark.parametrize("limit", [1e-60, 1e-40, 1e300])
def test_clips_beyond_float32(limit: float, dtype: str, isa: str) -> None:
    """One that is 0 in float32 is still a bound, one that is infinite bounds nothing."""
    for options in ({"mode": "LSTM", "gate_clip": limit}, {"mode": "LSTM", "cell_clip": limit}):
        case = Case(**options, dtype=dtype)
        case.check(case.network(gatecell, isa=isa))
    for mode in MODES[1:]:
        case = Case(mode, gate_clip=limit, dtype=dtype)
        case.check(case.network(gatecell, isa=isa))


@pytest.mark.parametrize("peepholes", [None, "diagonal", "full"])
def test_cell_clip_holds_exactly(peepholes: str | None, dtype: str, isa: str) -> None:
    for cell_clip in (0.375, 0.1):  # 0.1 is not a float32
        case = Case(peepholes=peepholes, cell_clip=cell_clip, rows=20, scale="saturated", dtype=dtype)
        x, hx = case.inputs()
        c_n = case.network(gatecell, isa=isa)(x, hx)[1][1]
        limit = np.dtype(dtype).type(cell_clip)
        assert np.abs(c_n).max() == limit
        assert (np.abs(c_n) < limit).any()


# Options that make one of PyTorch's cells.


def check_against_torch(network: Any, case: reference.Case, weights: Mapping[str, Array]) -> None:
    """Its outputs are those of torch's module with `weights`; its own are loaded."""
    module, (x, hx) = case.module(), case.inputs()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    exact = run_torch(module, torch.float64, x, hx)
    own_error = largest_difference(run_torch(module, torch.float32, x, hx), exact)
    assert_parity(named_outputs(*network(x, hx)), exact, own_error, case.dtype, case)


def loaded(case: reference.Case, weights: Mapping[str, Array], isa: str, **options: Any) -> Any:
    network = getattr(gatecell, case.class_name)(**case.options, **options, dtype=case.dtype, isa=isa)
    network.load_state_dict(weights)
    return network


def blocks(weights: Mapping[str, Array], rule: Any) -> dict[str, Array]:
    """The weights with the gates' rows that `rule` makes of the old ones; weight_hr has none."""

    hidden = Case().hidden_size
    return {
        name: weight if "weight_hr" in name else np.concatenate(rule(name, *np.split(weight, len(weight) // hidden)))
        for name, weight in weights.items()
    }


@pytest.mark.parametrize("peepholes", ["diagonal", "full"])
def test_peepholes_of_zero_are_none(peepholes: str, dtype: str, isa: str) -> None:
    case = reference.Case(num_layers=2, bidirectional=True, proj_size=3, rows=33, dtype=dtype)
    zeros = {
        name: np.zeros(shape, dtype)
        for name, shape in Case(num_layers=2, bidirectional=True, peepholes=peepholes).shapes().items()
        if "peephole" in name
    }
    case.check(loaded(case, {**case.state_dict(), **zeros}, isa, peepholes=peepholes))


@pytest.mark.parametrize("mode", MODES)
def test_clips_that_are_never_reached(mode: str, dtype: str, isa: str) -> None:
    case = reference.Case(mode, num_layers=2, bidirectional=True, rows=33, dtype=dtype)
    clips = {"gate_clip": 1e30} | ({"cell_clip": 1e30} if mode == "LSTM" else {})
    case.check(loaded(case, case.state_dict(), isa, **clips))


@pytest.mark.parametrize("proj_size", [0, 3])
def test_coupled_gates_are_opposite_gates(proj_size: int, dtype: str, isa: str) -> None:
    """s(-a) = 1 - s(a): torch's LSTM whose rows of f are those of i, negated."""
    case = reference.Case(num_layers=2, bidirectional=True, proj_size=proj_size, rows=33, dtype=dtype)
    plain = case.state_dict()
    ours = blocks(plain, lambda _, i, f, g, o: (i, g, o))
    network = loaded(case, ours, isa, coupled_gates=True)
    check_against_torch(network, case, blocks(plain, lambda _, i, f, g, o: (i, -i, g, o)))


@pytest.mark.parametrize("reset", ["before", "none"])
def test_a_reset_gate_of_one_is_none(reset: str, dtype: str, isa: str) -> None:
    """Biases of +100 and no other weights of r."""
    case = reference.Case("GRU", num_layers=2, bidirectional=True, rows=33, dtype=dtype)

    def open_gate(name: str, r: Array, z: Array, n: Array) -> tuple[Array, ...]:
        return np.full_like(r, 100 if "bias_ih" in name else 0), z, n

    torchs = blocks(case.state_dict(), open_gate)
    ours = torchs if reset == "before" else blocks(torchs, lambda _, r, z, n: (z, n))
    check_against_torch(loaded(case, ours, isa, reset=reset), case, torchs)


def test_reset_before_and_after_where_they_meet(dtype: str, isa: str) -> None:
    """W_hn (r*h) = r*(W_hn h) for a diagonal W_hn, and b_hn = 0."""
    case = reference.Case("GRU", num_layers=2, bidirectional=True, rows=33, dtype=dtype)

    def diagonal(name: str, r: Array, z: Array, n: Array) -> tuple[Array, ...]:
        return r, z, np.diag(np.diag(n)) if "weight_hh" in name else n * ("bias_hh" not in name)

    weights = blocks(case.state_dict(), diagonal)
    check_against_torch(loaded(case, weights, isa, reset="before"), case, weights)
