"""State dicts of extended cells: peepholes read off the tensors, the meaning of z, errors with hints.

Promise 7 (no wrong number without a word).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.equations import gru, weights_of_direction
from helpers.errors import error_lines
from helpers.extended_case import ExtendedCase as Case
from helpers.extended_grids import EVERY, kind_id
from helpers.option_table import OPTIONS_OF, VALUES
from helpers.state_dicts import add_prefix, assert_same_arrays, torch_weights
from helpers.torch_case import Array

STACKED = {"num_layers": 2, "bidirectional": True}
RESETS = VALUES["reset"]


def own_flags(case: Case) -> dict[str, Any]:
    """The options that a state dict does not show."""
    flags = {"nonlinearity", *OPTIONS_OF[case.mode]} - {"peepholes"}
    return {name: value for name, value in case.options.items() if name in flags}


def as_cell(state_dict: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removesuffix("_l0"): array for name, array in state_dict.items()}


@pytest.mark.parametrize("kind", EVERY, ids=kind_id)
def test_keys_shapes_order_and_options_come_back(kind: dict[str, Any], dtype: str) -> None:
    case = Case(**kind, **STACKED, dtype=dtype)
    state_dict, ours = case.state_dict(), getattr(gatecell, case.class_name)
    read = ours.from_state_dict(add_prefix("a.b.", state_dict), prefix="a.b", **own_flags(case))
    for option, value in case.options.items():
        assert getattr(read, option) == value
    assert_same_arrays(read.state_dict(), state_dict)
    made = case.network(gatecell)
    assert_same_arrays(made.state_dict(), state_dict)
    if not case.proj_size:
        one = as_cell(case.with_(num_layers=1, bidirectional=False).state_dict())
        cell = getattr(gatecell, f"{case.class_name}Cell").from_state_dict(one, **own_flags(case))
        for option, value in case.cell_options.items():
            assert getattr(cell, option) == value
        assert_same_arrays(cell.state_dict(), one)
        layer = ours.from_state_dict(one, **own_flags(case))  # with the names of a cell
        assert_same_arrays(as_cell(layer.state_dict()), one)


@pytest.mark.parametrize("peepholes", [None, "diagonal", "full"])
def test_peepholes_may_be_given(peepholes: str | None) -> None:
    state_dict = Case(peepholes=peepholes).state_dict()
    assert gatecell.LSTM.from_state_dict(state_dict, peepholes=peepholes).peepholes == peepholes
    assert gatecell.LSTM.from_state_dict(state_dict).peepholes == peepholes


@pytest.mark.parametrize(
    ("found", "given", "line"),
    [
        ("diagonal", "full", "  wrong shape: weight_peephole_l0: expected (21, 7), got (21,)"),
        ("full", "diagonal", "  wrong shape: weight_peephole_l0: expected (21,), got (21, 7)"),
        ("full", None, "  unexpected: weight_peephole_l0"),
        (None, "diagonal", "  missing: weight_peephole_l0 (21,)"),
    ],
)
def test_other_peepholes_than_given_are_an_error(found: str | None, given: str | None, line: str) -> None:
    state_dict = Case(peepholes=found).state_dict()
    hint = f"peepholes={found!r}" if found else "peepholes=None and coupled_gates=False"
    expected = ["LSTM: the state dict does not fit:", line, f"it looks like an LSTM with {hint}"]
    assert error_lines(lambda: gatecell.LSTM.from_state_dict(state_dict, peepholes=given)) == expected
    assert error_lines(lambda: gatecell.LSTM(5, 7, peepholes=given).load_state_dict(state_dict)) == expected


def test_peepholes_of_another_shape_are_an_error() -> None:
    state_dict = Case(peepholes="diagonal").state_dict()
    for shape, expected in (((3, 7), "(21, 7)"), ((14,), "(21,)"), ((), "(21,)"), ((3, 7, 1), "(21,)")):
        lines = error_lines(
            lambda shape=shape: gatecell.LSTM.from_state_dict(state_dict | {"weight_peephole_l0": np.zeros(shape)})
        )
        assert f"  wrong shape: weight_peephole_l0: expected {expected}, got {shape}" in lines


def test_peepholes_of_one_direction_only_are_an_error() -> None:
    state_dict = Case(peepholes="full", **STACKED).state_dict()
    del state_dict["weight_peephole_l0"], state_dict["weight_peephole_l1"]
    lines = error_lines(lambda: gatecell.LSTM.from_state_dict(state_dict))
    assert lines[1:] == ["  missing: weight_peephole_l0 (21, 7)", "  missing: weight_peephole_l1 (21, 7)"]


HINTS: list[tuple[Case, Case, str]] = [  # options of the network, options of the weights, the hint
    (Case(), Case("GRU"), "a GRU, or an LSTM with coupled_gates=True"),
    (Case(), Case(coupled_gates=True), "a GRU, or an LSTM with coupled_gates=True"),
    (Case(), Case(coupled_gates=True, proj_size=3), "an LSTM with coupled_gates=True"),  # a GRU has no projection
    (Case("GRU"), Case(coupled_gates=True, proj_size=3), "an LSTM with coupled_gates=True"),
    (Case(), Case(coupled_gates=True, peepholes="full"), "an LSTM with peepholes='full' and coupled_gates=True"),
    (Case(), Case("GRU", reset="none"), "a GRU with reset='none'"),
    (Case(coupled_gates=True), Case(), "an LSTM with peepholes=None and coupled_gates=False"),
    (Case(coupled_gates=True), Case("GRU", reset="none"), "a GRU with reset='none'"),
    (Case("GRU"), Case(), "an LSTM"),
    (
        Case("GRU"),
        Case(coupled_gates=True, peepholes="diagonal"),
        "an LSTM with peepholes='diagonal' and coupled_gates=True",
    ),
    (Case("GRU"), Case("GRU", reset="none"), "a GRU with reset='none'"),
    (
        Case("GRU", reset="none"),
        Case("GRU"),
        "a GRU with reset='after' or 'before', or an LSTM with coupled_gates=True",
    ),
    (Case("RNN_TANH"), Case("GRU", reset="none"), "a GRU with reset='none'"),
    (Case("GRU", reset="none"), Case("RNN_TANH"), "an RNN"),
]


@pytest.mark.parametrize(("made", "found", "said"), HINTS, ids=str)
def test_weights_of_another_cell_give_a_hint(made: Case, found: Case, said: str) -> None:
    name, state_dict = made.class_name, found.state_dict()
    layer, cell = getattr(gatecell, name), getattr(gatecell, f"{name}Cell")
    calls = [
        lambda: layer(**made.options).load_state_dict(state_dict),
        lambda: layer.from_state_dict(state_dict, **own_flags(made) | ({"peepholes": None} if name == "LSTM" else {})),
        lambda: cell(**made.cell_options).load_state_dict(as_cell(state_dict)),
    ]
    for call in calls:
        assert error_lines(call)[-1] == f"it looks like {said}"


def test_a_projection_alone_gives_no_hint() -> None:
    """The cell is the same, so there is no hint at another cell."""
    lines = error_lines(lambda: gatecell.LSTM(5, 7).load_state_dict(Case(proj_size=3).state_dict()))
    assert "  unexpected: weight_hr_l0" in lines
    assert "looks" not in str(lines)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("bias", [True, False])
def test_z_new_negates_the_sum_of_z(reset: str, bias: bool, dtype: str) -> None:
    """The weights are those of a GRU with z = s(a) and h' = (1-z) h + z n."""
    case = Case("GRU", reset=reset, bias=bias, dtype=dtype, steps=1)
    state_dict, (x, hx) = case.state_dict(), case.inputs()
    read = gatecell.GRU.from_state_dict(state_dict, reset=reset, z="new")
    w = weights_of_direction(state_dict, "_l0", "float64")
    # With the same candidate n, the new states for z and for 1 - z add up to n + h.
    old = gru(case, w, x[0].astype("float64"), hx[0].astype("float64"))["h"]
    z_is_0 = {name: array.copy() for name, array in w.items()}
    z_rows = slice(-14, -7)
    z_is_0["bias_ih"][z_rows] = -1e9
    with np.errstate(over="ignore"):
        n = gru(case, z_is_0, x[0].astype("float64"), hx[0].astype("float64"))["h"]
    np.testing.assert_allclose(read(x, hx)[1][0], n + hx[0] - old, rtol=0, atol=2e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("reset", RESETS)
def test_z_rows_are_negated_and_nothing_else(reset: str, tmp_path: Path) -> None:
    state_dict = Case("GRU", reset=reset, **STACKED).state_dict()
    for array in state_dict.values():
        array[:1] = np.nan
        array[-14:-13] = np.nan
    before = {name: array.copy() for name, array in state_dict.items()}
    expected = {name: np.concatenate([a[:-14], -a[-14:-7], a[-7:]]) for name, a in state_dict.items()}
    made = gatecell.GRU(5, 7, **STACKED, reset=reset)
    made.load_state_dict(state_dict, z="new")
    np.savez(tmp_path / "weights.npz", **state_dict)
    for network in (
        made,
        gatecell.GRU.from_state_dict(state_dict, reset=reset, z="new"),
        gatecell.GRU.from_file(tmp_path / "weights.npz", reset=reset, z="new"),
    ):
        got = network.state_dict()
        assert all(got[name].tobytes() == array.tobytes() for name, array in expected.items())
    assert all(state_dict[name].tobytes() == array.tobytes() for name, array in before.items())
    made.load_state_dict(made.state_dict(), z="new")  # negated twice, the weights are the same bit for bit
    assert all(made.state_dict()[name].tobytes() == array.tobytes() for name, array in before.items())
    made.load_state_dict(state_dict, z="old")
    assert_same_arrays(made.state_dict(), before)


def test_z_new_works_for_cells_and_tensors() -> None:
    module = torch.nn.GRUCell(5, 7)
    made = gatecell.GRUCell(5, 7)
    made.load_state_dict(module.state_dict(), z="new")
    read = gatecell.GRUCell.from_state_dict(module.state_dict(), z="new")
    half = gatecell.GRUCell.from_state_dict(module.half().state_dict(), z="new")
    assert_same_arrays(made.state_dict(), read.state_dict())
    for name, parameter in module.float().state_dict().items():  # the values are rounded to float16
        expected = parameter.numpy().copy()
        expected[7:14] *= -1
        np.testing.assert_array_equal(half.state_dict()[name], expected, strict=True)
        np.testing.assert_allclose(read.state_dict()[name], expected, rtol=1e-3, atol=1e-6)


def test_a_wrong_z_is_an_error() -> None:
    gru = gatecell.GRU.from_state_dict(torch_weights("GRU"))
    before = gru.state_dict()
    for z in ("newer", None, 1):
        assert error_lines(lambda z=z: gru.load_state_dict(torch_weights("GRU"), z=z)) == [
            f"expected z 'old' or 'new', got {z!r}"
        ]
    assert_same_arrays(gru.state_dict(), before)
    for name in ("LSTM", "RNNCell"):
        ours = getattr(gatecell, name)
        for call in (ours(5, 7).load_state_dict, ours.from_state_dict):
            expected = [f"z='new' is for a GRU: {name} has no gate z"]
            assert error_lines(lambda call=call, name=name: call(torch_weights(name), z="new")) == expected
