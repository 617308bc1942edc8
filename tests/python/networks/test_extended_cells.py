"""Extended cells: clips act exactly, and options that make one of PyTorch's cells give PyTorch's outputs.

Promise 1 (parity). The equations in NumPy are the oracle of extended cells in test_parity.py. Here they are compared
with PyTorch.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.equations import run
from helpers.extended_case import ExtendedCase
from helpers.extended_grids import flags, kind_id
from helpers.parity import assert_parity, largest_difference, named_outputs
from helpers.torch_case import MODES, Array, Case, run_torch


@pytest.mark.parametrize("stack", [{"num_layers": 1}, {"num_layers": 3, "bidirectional": True}], ids=kind_id)
@pytest.mark.parametrize("mode", MODES)
def test_the_equations_agree_with_torch_for_its_cells(mode: str, stack: dict[str, Any]) -> None:
    for proj_size, lengths, flag in itertools.product((0, 3), (None, (2, 5, 1)), flags()):
        if (mode == "LSTM" or not proj_size) and (flag["rows"] or not lengths):
            options = {"mode": mode, **stack, **flag, "proj_size": proj_size, "lengths": lengths, "dtype": "float64"}
            torchs = Case(**options)
            got = run(ExtendedCase(**options), torchs.state_dict(), *torchs.inputs(), "float64")
            assert {name: array.shape for name, array in got.items()} == {
                name: array.shape for name, array in torchs.reference().items()
            }
            assert largest_difference(got, torchs.reference()) < 1e-13


@pytest.mark.parametrize("limit", [1e-60, 1e-40, 1e300])
def test_clips_beyond_float32(limit: float, dtype: str, isa: str) -> None:
    """A clip that is 0 in float32 still clips. A clip that is infinite in float32 clips nothing."""
    for options in ({"mode": "LSTM", "gate_clip": limit}, {"mode": "LSTM", "cell_clip": limit}):
        case = ExtendedCase(**options, dtype=dtype)
        case.check(case.network(gatecell, isa=isa))
    for mode in MODES[1:]:
        case = ExtendedCase(mode, gate_clip=limit, dtype=dtype)
        case.check(case.network(gatecell, isa=isa))


@pytest.mark.parametrize("peepholes", [None, "diagonal", "full"])
def test_cell_clip_holds_exactly(peepholes: str | None, dtype: str, isa: str) -> None:
    for cell_clip in (0.375, 0.1):  # float32 cannot represent 0.1 exactly
        case = ExtendedCase(peepholes=peepholes, cell_clip=cell_clip, rows=20, scale="saturated", dtype=dtype)
        x, hx = case.inputs()
        c_n = case.network(gatecell, isa=isa)(x, hx)[1][1]
        limit = np.dtype(dtype).type(cell_clip)
        assert np.abs(c_n).max() == limit
        assert (np.abs(c_n) < limit).any()


# Options with which an extended cell computes the same as one of PyTorch's cells.


def check_against_torch(network: Any, case: Case, weights: Mapping[str, Array]) -> None:
    """Compares the network with torch's module with `weights`. The network has already loaded its own weights."""
    module, (x, hx) = case.module(), case.inputs()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    exact = run_torch(module, torch.float64, x, hx)
    own_error = largest_difference(run_torch(module, torch.float32, x, hx), exact)
    assert_parity(named_outputs(*network(x, hx)), exact, own_error, case.dtype, case)


def load_network(case: Case, weights: Mapping[str, Array], isa: str, **options: Any) -> Any:
    network = getattr(gatecell, case.class_name)(**case.options, **options, dtype=case.dtype, isa=isa)
    network.load_state_dict(weights)
    return network


def change_gates(weights: Mapping[str, Array], rule: Any) -> dict[str, Array]:
    """Splits each weight into gates and joins the gates that `rule` returns. weight_hr has no gates."""

    hidden = ExtendedCase().hidden_size
    return {
        name: weight if "weight_hr" in name else np.concatenate(rule(name, *np.split(weight, len(weight) // hidden)))
        for name, weight in weights.items()
    }


@pytest.mark.parametrize("peepholes", ["diagonal", "full"])
def test_peepholes_of_zero_are_no_peepholes(peepholes: str, dtype: str, isa: str) -> None:
    case = Case(num_layers=2, bidirectional=True, proj_size=3, rows=33, dtype=dtype)
    zeros = {
        name: np.zeros(shape, dtype)
        for name, shape in ExtendedCase(num_layers=2, bidirectional=True, peepholes=peepholes).shapes().items()
        if "peephole" in name
    }
    case.check(load_network(case, {**case.state_dict(), **zeros}, isa, peepholes=peepholes))


@pytest.mark.parametrize("mode", MODES)
def test_clips_that_are_never_reached_change_nothing(mode: str, dtype: str, isa: str) -> None:
    case = Case(mode, num_layers=2, bidirectional=True, rows=33, dtype=dtype)
    clips = {"gate_clip": 1e30} | ({"cell_clip": 1e30} if mode == "LSTM" else {})
    case.check(load_network(case, case.state_dict(), isa, **clips))


@pytest.mark.parametrize("proj_size", [0, 3])
def test_coupled_gates_are_gates_with_negated_weights(proj_size: int, dtype: str, isa: str) -> None:
    """s(-a) = 1 - s(a). So torch's LSTM is the same if its rows of f are the negated rows of i."""
    case = Case(num_layers=2, bidirectional=True, proj_size=proj_size, rows=33, dtype=dtype)
    plain = case.state_dict()
    ours = change_gates(plain, lambda _, i, f, g, o: (i, g, o))
    network = load_network(case, ours, isa, coupled_gates=True)
    check_against_torch(network, case, change_gates(plain, lambda _, i, f, g, o: (i, -i, g, o)))


@pytest.mark.parametrize("reset", ["before", "none"])
def test_a_reset_gate_of_one_is_no_reset_gate(reset: str, dtype: str, isa: str) -> None:
    """Biases of +100 and weights of zero make r = 1."""
    case = Case("GRU", num_layers=2, bidirectional=True, rows=33, dtype=dtype)

    def open_gate(name: str, r: Array, z: Array, n: Array) -> tuple[Array, ...]:
        return np.full_like(r, 100 if "bias_ih" in name else 0), z, n

    torchs = change_gates(case.state_dict(), open_gate)
    ours = torchs if reset == "before" else change_gates(torchs, lambda _, r, z, n: (z, n))
    check_against_torch(load_network(case, ours, isa, reset=reset), case, torchs)


def test_reset_before_and_after_agree_for_a_diagonal_matrix(dtype: str, isa: str) -> None:
    """W_hn (r*h) = r*(W_hn h) if W_hn is diagonal. With b_hn = 0 both kinds of reset then agree."""
    case = Case("GRU", num_layers=2, bidirectional=True, rows=33, dtype=dtype)

    def diagonal(name: str, r: Array, z: Array, n: Array) -> tuple[Array, ...]:
        return r, z, np.diag(np.diag(n)) if "weight_hh" in name else n * ("bias_hh" not in name)

    weights = change_gates(case.state_dict(), diagonal)
    check_against_torch(load_network(case, weights, isa, reset="before"), case, weights)
