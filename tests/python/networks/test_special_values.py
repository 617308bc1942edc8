"""NaN, infinity and empty input: results agree with the oracle, and only the row with the value changes.

Promise 1 (parity). With T = 0 or B = 0 the state is returned as it was given. If none was given, it is zero.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.cells import TORCH_KINDS, is_extended, kinds_everywhere, make_case
from helpers.extended_grids import kind_id
from helpers.parity import named_outputs
from helpers.torch_case import MODES, Case, run_torch

SPECIAL = (np.nan, np.inf, -np.inf)


def assert_like_oracle(case: Case, x: np.ndarray, hx: Any, isa: str) -> None:
    """gatecell has NaN and infinities where the oracle has them. All other numbers are close."""
    expected = case.run_oracle(x, hx, case.dtype)
    assert any(not np.isfinite(array).all() for array in (x, *(hx if isinstance(hx, tuple) else (hx,))))
    for name, actual in named_outputs(*case.network(gatecell, isa=isa)(x, hx)).items():
        np.testing.assert_allclose(actual, expected[name], rtol=0, atol=2e-6, err_msg=name)


def special_case(kind: dict[str, Any], dtype: str) -> Case:
    """An extended cell has 17 units and 9 rows, so that it has more than one block and more than one tile."""
    sizes = {"hidden_size": 17, "rows": 9} if is_extended(kind) else {"rows": 5}
    return make_case(**kind, **sizes, num_layers=2, bidirectional=True, steps=6, dtype=dtype)


@kinds_everywhere()
def test_special_values_in_one_row_of_the_input(kind: dict[str, Any], dtype: str, isa: str) -> None:
    case = special_case(kind, dtype)
    places = [(1, 4, 0)] if is_extended(kind) else [(2, row, 3) for row in range(5)]
    for value, place in itertools.product(SPECIAL, places):
        x, hx = case.inputs()
        x[place] = value
        assert_like_oracle(case, x, hx, isa)


@kinds_everywhere()
def test_special_values_in_one_row_of_each_state(kind: dict[str, Any], dtype: str, isa: str) -> None:
    case = special_case(kind, dtype)
    place = (1, 4, 0) if is_extended(kind) else (1, 2, 0)
    for value, which in itertools.product(SPECIAL, range(len(case.state_sizes))):
        x, hx = case.inputs()
        (hx[which] if isinstance(hx, tuple) else hx)[place] = value
        assert_like_oracle(case, x, hx, isa)


@pytest.mark.parametrize("value", SPECIAL)
@pytest.mark.parametrize("mode", MODES)
def test_special_values_in_a_weight(mode: str, value: float, dtype: str, isa: str) -> None:
    case = Case(mode, rows=5, dtype=dtype)
    module, (x, hx) = case.module(), case.inputs()
    with torch.no_grad():
        module.weight_hh_l0[1, 1] = value
    expected = run_torch(module, getattr(torch, dtype), x, hx)
    network = case.network(gatecell, isa=isa)
    network.load_state_dict(module.state_dict())
    for name, got in named_outputs(*network(x, hx)).items():
        np.testing.assert_allclose(got, expected[name], rtol=0, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("mode", MODES)
def test_nan_stays_in_its_row(mode: str, dtype: str, isa: str) -> None:
    case = Case(mode, rows=5, steps=6, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    clean, _ = network(x, hx)
    x[2, 3] = np.nan
    y, _ = network(x, hx)
    assert np.isnan(y[2:, 3]).all()
    np.testing.assert_array_equal(y[:2], clean[:2])
    others = [0, 1, 2, 4]
    np.testing.assert_array_equal(y[:, others], clean[:, others])


@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    "sizes", [{"steps": 0, "rows": 3}, {"steps": 0, "rows": None}, {"rows": 0}, {"steps": 0, "rows": 0}]
)
@pytest.mark.parametrize("kind", TORCH_KINDS, ids=kind_id)
def test_no_steps_or_no_rows_keep_the_state(
    kind: dict[str, Any], sizes: dict[str, Any], batch_first: bool, state: bool, isa: str
) -> None:
    """y is empty. The state is returned as it was given, or is zero if none was given. torch refuses T = 0."""
    case = Case(**kind, **sizes, num_layers=2, bidirectional=True, batch_first=batch_first, state=state)
    x, hx = case.inputs()
    got = named_outputs(*case.network(gatecell, isa=isa)(x, hx))
    given = named_outputs(got["y"], case.with_(state=True).inputs()[1])
    assert got["y"].shape == (*x.shape[:-1], 2 * case.state_sizes[0])
    assert got["y"].size == 0
    for name in got.keys() - {"y"}:
        np.testing.assert_array_equal(got[name], given[name] if state else np.zeros_like(given[name]), strict=True)


@pytest.mark.usefixtures("two_cpus")
def test_no_rows_use_one_thread(isa: str) -> None:
    """There are enough steps for several threads, but no rows to compute."""
    case = Case(rows=0, steps=10_000, bidirectional=True)
    network = case.network(gatecell, isa=isa, num_threads=2)
    assert network(*case.inputs())[0].shape == (10_000, 0, 14)
    assert network.plan(10_000, 0).threads == 1
    for shape in ((1, 2**63 - 1), (2**63 - 1, 1), (2**62, 2**62), (2, 2**62)):
        for num_threads in (1, 2):
            plan = case.network(gatecell, isa=isa, num_threads=num_threads).plan(*shape)
            assert plan.group_rows > 0
            assert plan.seconds > 1
            assert plan.step_bytes > 0


@pytest.mark.parametrize("rows", [0, None])
def test_cells_accept_no_rows(rows: int | None, isa: str) -> None:
    cell = gatecell.GRUCell(5, 7, isa=isa)
    cell.load_state_dict(torch.nn.GRUCell(5, 7).state_dict())
    shape = () if rows is None else (rows,)
    assert cell(np.zeros((*shape, 5), "float32")).shape == (*shape, 7)
