"""net.gates: the values of each gate fit the equations, and they lead to the results of a usual call.

Promise 1 (parity).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.equations import state_of, step, weights_of_direction
from helpers.extended_case import ExtendedCase
from helpers.extended_grids import CELLS, EVERY, KINDS, kind_id
from helpers.parity import assert_parity, named_outputs, named_states
from helpers.torch_case import Array

PLAIN = (
    {"mode": "LSTM"},
    {"mode": "LSTM", "proj_size": 3},
    {"mode": "GRU"},
    {"mode": "RNN_TANH"},
    {"mode": "RNN_RELU"},
)
STACKED = {"num_layers": 2, "bidirectional": True}
every_kind = pytest.mark.parametrize("kind", [*PLAIN, *KINDS], ids=kind_id)


def outputs_from_gates(case: ExtendedCase, gates: Mapping[str, Array]) -> Mapping[str, Array]:
    """Computes the results of a call from the values of the gates of time-major batches."""
    h, directions = gates["h"], len(case.directions)
    ends = [-1, 0][:directions] * case.num_layers
    y = np.concatenate(h[-directions:], axis=-1)
    finals = [
        np.stack([block[t] for block, t in zip(gates[name], ends, strict=True)]) for name in "hc" if name in gates
    ]
    return named_outputs(y, tuple(finals))


@pytest.mark.parametrize("kind", [*PLAIN, *EVERY], ids=kind_id)
@pytest.mark.parametrize("bias", [True, False])
def test_every_gate_obeys_its_equation(kind: dict[str, Any], bias: bool) -> None:
    case = ExtendedCase(**kind, bias=bias, dtype="float64", steps=6)
    network, (x, hx) = case.network(gatecell), case.inputs()
    got, w = network.gates(x, hx), weights_of_direction(case.state_dict(), "_l0", "float64")
    before = tuple(part[0] for part in (hx if isinstance(hx, tuple) else (hx,)))
    for t in range(case.steps):
        expected = step(case, w, x[t], *before)
        assert list(got) == list(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(got[name][0, t], value, rtol=1e-13, atol=1e-14, err_msg=name)
        before = state_of({name: values[0, t] for name, values in got.items()})


@every_kind
@pytest.mark.parametrize("stack", [{}, STACKED], ids=["single", "stacked"])
@pytest.mark.parametrize("state", [True, False])
def test_gates_lead_to_the_results_of_a_call(
    kind: dict[str, Any], stack: dict[str, Any], state: bool, dtype: str, isa: str
) -> None:
    case = ExtendedCase(**kind, **stack, dtype=dtype, state=state)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    got, reference = outputs_from_gates(case, network.gates(x, hx)), case.reference()
    assert_parity(named_outputs(*network(x, hx)), got, case.own_error(), dtype, case)
    for name, array in got.items():  # gates() computes in float64 and rounds once
        np.testing.assert_allclose(array, reference[name], rtol=np.finfo(dtype).eps, atol=1e-13)


@pytest.mark.parametrize("kind", [*PLAIN[:1], *PLAIN[2:], *CELLS], ids=kind_id)
def test_gates_of_cells_are_gates_of_layers(kind: dict[str, Any], dtype: str) -> None:
    """The gates of a cell are the gates of its layer at one step."""
    case = ExtendedCase(**kind, dtype=dtype, steps=1)
    layer, (x, hx) = case.network(gatecell), case.inputs()
    cell = getattr(gatecell, f"{case.class_name}Cell")(**case.cell_options, dtype=dtype)
    cell.load_state_dict({name.removesuffix("_l0"): array for name, array in case.state_dict().items()})
    expected = layer.gates(x, hx)
    of_cell = tuple(part[0] for part in hx) if isinstance(hx, tuple) else hx[0]
    one = tuple(part[0] for part in of_cell) if isinstance(hx, tuple) else of_cell[0]
    for got, row in ((cell.gates(x[0], of_cell), slice(None)), (cell.gates(x[0, 0], one), 0)):
        assert list(got) == list(expected)
        for name, array in got.items():
            assert (array.shape, array.dtype) == (expected[name][0, 0, row].shape, dtype)
            np.testing.assert_allclose(array, expected[name][0, 0, row], rtol=np.finfo(dtype).eps, atol=1e-15)
    got = named_states(tuple(expected[name][0, 0] for name in "hc" if name in expected))
    assert_parity(named_states(cell(x[0], of_cell)), got, case.own_error(), dtype, case)


@pytest.mark.parametrize("mode", ["LSTM", "GRU", "RNN_TANH"])
def test_gates_have_the_layout_of_the_input(mode: str) -> None:
    """With batch_first or without a batch, the values are the same. They have the axes of x."""
    case = ExtendedCase(mode, steps=5, rows=3, **STACKED)
    x, hx = case.inputs()
    expected = case.network(gatecell).gates(x, hx)
    batch_first = case.with_(batch_first=True).network(gatecell)
    got = batch_first.gates(x.swapaxes(0, 1), hx)
    one = batch_first.gates(x[:, 0], tuple(part[:, 0] for part in hx) if isinstance(hx, tuple) else hx[:, 0])
    for name, array in expected.items():
        assert array.shape == (4, 5, 3, 7)
        np.testing.assert_array_equal(got[name], array.swapaxes(1, 2), strict=True)
        np.testing.assert_array_equal(one[name], array[:, :, 0], strict=True)
        assert array.flags.c_contiguous
        assert got[name].flags.c_contiguous


def test_reverse_gates_are_at_their_own_step() -> None:
    """At step t the reverse direction depends on x[t] and later steps, not on earlier ones."""
    case = ExtendedCase(bidirectional=True, steps=5)
    network, (x, hx) = case.network(gatecell), case.inputs()
    changed = x.copy()
    changed[2] += 1
    for name, values in network.gates(x, hx).items():
        same = (values == network.gates(changed, hx)[name]).all(axis=(2, 3))
        assert same.tolist() == [[True, True, False, False, False], [False, False, False, True, True]]


def test_empty_input_gives_empty_gates() -> None:
    network = ExtendedCase(proj_size=3, **STACKED).network(gatecell)
    for steps, rows in ((0, 3), (5, 0)):
        got = network.gates(np.zeros((steps, rows, 5), "float32"))
        assert got["h"].shape == (4, steps, rows, 3)
        assert got["i"].shape == (4, steps, rows, 7)


def test_all_forms_of_input_give_the_same_gates() -> None:
    """gates() takes what a call takes: lists, tensors, and other float types, which it converts."""
    case = ExtendedCase("GRU")
    network, (x, hx) = case.network(gatecell), case.inputs()
    expected = network.gates(x, hx)
    for given in (x.tolist(), torch.from_numpy(x), x.astype("float64")):
        for name, array in network.gates(given, hx).items():
            np.testing.assert_array_equal(array, expected[name], strict=True)


@pytest.mark.parametrize("cell", ["", "Cell"])
def test_dtype_is_that_of_arithmetic_and_values(cell: str, dtype: str) -> None:
    """By default float64 inside and the network's dtype outside; with dtype one for both, whatever the network's."""
    case = ExtendedCase("GRU", dtype=dtype, gate_clip=0.5)
    x = np.random.default_rng(0).normal(0, 1, (3, 5))
    weights = {name.removesuffix("_l0" if cell else ""): array for name, array in case.state_dict().items()}
    network = getattr(gatecell, f"GRU{cell}").from_state_dict(weights, gate_clip=0.5)
    double, single = network.gates(x, dtype="float64"), network.gates(x, dtype=np.float32)
    for name, array in network.gates(x).items():
        assert (array.dtype, double[name].dtype, single[name].dtype) == (dtype, "float64", "float32")
        np.testing.assert_array_equal(array, double[name].astype(dtype))
        assert 0 < np.abs(double[name] - single[name]).max() < 1e-6
    with pytest.raises(ValueError, match="expected dtype float32 or float64, got 'float16'"):
        network.gates(x, dtype="float16")


@pytest.mark.parametrize("kind", [*PLAIN, *KINDS], ids=kind_id)
def test_infinities_and_nans_go_through(kind: dict[str, Any]) -> None:
    """As in a call there is no warning, and only the row with the special value changes."""
    case = ExtendedCase(**kind, steps=3)
    network, (x, hx) = case.network(gatecell), case.inputs()
    expected = network.gates(x, hx)
    x[0, 0, 0], x[0, 1, 0] = np.nan, np.inf
    for name, array in network.gates(x, hx).items():
        np.testing.assert_array_equal(array[:, :, 2], expected[name][:, :, 2])
    h = network.gates(x, hx)["h"]
    y = network(x, hx)[0]
    np.testing.assert_array_equal(np.isnan(y), np.isnan(h[0]))
    assert np.isnan(y[0, 0]).all()


@pytest.mark.parametrize("coupled_gates", [False, True])
def test_an_infinite_cell_state_stays_infinite(coupled_gates: bool) -> None:
    """In an LSTM without peepholes c stays infinite and h stays finite."""
    case = ExtendedCase(coupled_gates=coupled_gates, steps=3)
    network, (x, (h_0, c_0)) = case.network(gatecell), case.inputs()
    c_0[:, 1] = -np.inf
    gates = network.gates(x, (h_0, c_0))
    assert np.isneginf(gates["c"][0, :, 1]).all()
    np.testing.assert_allclose(gates["h"][0], network(x, (h_0, c_0))[0], rtol=0, atol=1e-6)


def test_saturated_gates_do_not_overflow() -> None:
    cell = gatecell.GRUCell(1, 2, dtype="float64")
    zeros = {name: np.zeros_like(array) for name, array in torch.nn.GRUCell(1, 2).state_dict().items()}
    cell.load_state_dict(zeros | {"bias_ih": [-1000.0, 1000.0, -50.0, 0.0, 0.0, 0.0]})
    gates = cell.gates([0.0], [1.0, 2.0])
    assert gates["r"].tolist() == [0, 1]
    np.testing.assert_allclose(gates["z"], [np.exp(-50), 0.5], rtol=1e-14)


@pytest.mark.parametrize("name", ["LSTM", "GRUCell"])
def test_errors_are_those_of_a_call(name: str) -> None:
    network = getattr(gatecell, name)(5, 7)
    with pytest.raises(RuntimeError, match="no weights yet"):
        network.gates(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="expected input"):
        network.gates(np.zeros((2, 6)))
    with pytest.raises(TypeError, match="expected real floating point numbers"):
        network.gates(np.zeros((2, 5), int))
    with pytest.raises((TypeError, ValueError), match=r"expected (hx|h_0)"):
        network.gates(np.zeros((2, 5)), np.zeros((2, 2, 2)))
    with pytest.raises(TypeError, match="packed sequence"):
        network.gates(gatecell.pack_sequence([np.zeros((2, 5))]))
