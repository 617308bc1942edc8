"""Known behaviour of LSTM and GRU gates, with numbers: a worked step, gates that keep a state, gates that hide it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gatecell
from helpers.bits import bits
from helpers.extended_case import ExtendedCase
from helpers.extended_grids import EVERY, kind_id
from helpers.option_table import DEFAULTS
from helpers.torch_case import Array

VARIED = ("mode", "peepholes", "coupled_gates", "proj_size")  # the other options have their defaults
LSTMS = [
    kind
    for kind in EVERY
    if kind["mode"] == "LSTM" and all(name in VARIED or value == DEFAULTS[name] for name, value in kind.items())
]
I_1, F_1, O_1 = np.array([[0.9, 0.2, 0.7], [0.1, 0.9, 0.5], [0.8, 0.3, 0.6]])
CANDIDATE, C_0 = np.array([[0.5, 0.3, -0.8], [0.8, -0.5, 0.3]])
C_1, H_1 = np.array([[0.53, -0.39, -0.41], [0.388305, -0.111408, -0.233084]])


def logit(p: Array) -> Array:
    return np.log(p / (1 - p))


def worked_weights(weights: dict[str, Array]) -> dict[str, Array]:
    """Weights with which the gates have these values for every input."""
    bias = np.concatenate([logit(I_1), logit(F_1), np.arctanh(CANDIDATE), logit(O_1)])
    return {name: bias if "bias_ih" in name else np.zeros_like(weight) for name, weight in weights.items()}


@pytest.mark.parametrize("peepholes", [None, "diagonal", "full"])
def test_a_worked_example(peepholes: str | None, dtype: str, isa: str) -> None:
    """A cell, a layer and a stream compute c' = f c + i g and h' = o tanh(c')."""
    weights = worked_weights(ExtendedCase(input_size=1, hidden_size=3, peepholes=peepholes).state_dict())
    how = {"peepholes": peepholes, "dtype": dtype, "isa": isa}
    x, h_0, c_0 = np.ones((1, 1), dtype), np.full((1, 3), 0.25, dtype), C_0[None].astype(dtype)
    cell, layer = gatecell.LSTMCell(1, 3, **how), gatecell.LSTM(1, 3, **how)
    cell.load_state_dict({name.removesuffix("_l0"): weight for name, weight in weights.items()})
    layer.load_state_dict(weights)
    stream = layer.stream(1, (h_0[None], c_0[None]))
    y, (h_n, c_n) = layer(x[None], (h_0[None], c_0[None]))
    h, c = cell(x[0], (h_0[0], c_0[0]))
    for got in (h, y[0, 0], h_n[0, 0], stream.step(x)[0], stream.state[0][0, 0]):
        np.testing.assert_allclose(got, H_1, rtol=0, atol=1e-6)
    for got in (c, c_n[0, 0], stream.state[1][0, 0]):
        np.testing.assert_allclose(got, C_1, rtol=0, atol=1e-6)


def with_biases(case: ExtendedCase, **gates: float) -> dict[str, Array]:
    """The weights of the case. In each named gate b_ih and b_hh are replaced, so that they add up to one number."""

    def changed(name: str, weight: Array) -> Array:
        if "bias" not in name:
            return weight
        parts = dict(zip(case.gates, np.split(weight, len(case.gates)), strict=True))
        both = {gate: np.full_like(parts[gate], value / 2) for gate, value in gates.items() if gate in parts}
        return np.concatenate(list((parts | both).values()))

    return {name: changed(name, weight) for name, weight in case.state_dict().items()}


def network_with_biases(case: ExtendedCase, isa: str, **biases: float) -> Any:
    made = case.network(gatecell, isa=isa)
    made.load_state_dict(with_biases(case, **biases))
    return made


@pytest.mark.parametrize("kind", [{"mode": "LSTM"}, *LSTMS], ids=kind_id)
def test_f_of_one_and_i_of_zero_keep_c(kind: dict[str, Any], dtype: str, isa: str) -> None:
    """c stays the same bit for bit over 10,000 steps. With coupled gates f is one because i is zero."""
    case = ExtendedCase(**kind, steps=10_000, rows=2, num_layers=2, dtype=dtype)
    x, (h_0, c_0) = case.inputs()
    y, (_, c_n) = network_with_biases(case, isa, f=100, i=-100)(x, (h_0, c_0))
    np.testing.assert_array_equal(bits(c_n), bits(c_0))
    assert np.ptp(y, axis=0).min() > 1e-3  # the gate o still changes y
    _, (_, c_n) = network_with_biases(case, isa, f=99, i=0)(x, (h_0, c_0))
    assert not np.isclose(c_n, c_0).any()


@pytest.mark.parametrize("gate_clip", [None, 50.0])
@pytest.mark.parametrize("reset", ["after", "before", "none"])
def test_an_update_gate_of_one_keeps_the_state(reset: str, gate_clip: float | None, dtype: str, isa: str) -> None:
    """With z = 1, h(t) = h(t-1) within 1 ulp."""
    case = ExtendedCase("GRU", reset=reset, gate_clip=gate_clip, steps=100, rows=9, dtype=dtype)
    x, h_0 = case.inputs()
    y, _ = network_with_biases(case, isa, z=100)(x, h_0)
    np.testing.assert_array_max_ulp(y, np.concatenate([h_0, y[:-1]]), maxulp=1)
    opened, _ = network_with_biases(case, isa, z=0)(x, h_0)
    assert np.abs(opened[0] - h_0[0]).max() > 0.1


@pytest.mark.parametrize("reset", ["after", "before"])
def test_a_reset_gate_of_zero_hides_the_state(reset: str, dtype: str, isa: str) -> None:
    """With z = 0, h(t) is the candidate. With r = 0 it has the same bits after any h(t-1).

    It depends on h(t-1) with r = 1, and in a cell without a reset gate.
    """
    case = ExtendedCase("GRU", reset=reset, steps=1, rows=9, hidden_size=19, dtype=dtype)
    x, h_0 = case.inputs()
    closed, opened = network_with_biases(case, isa, r=-100, z=-100), network_with_biases(case, isa, r=100, z=-100)
    none = network_with_biases(case.with_(reset="none"), isa, z=-100)
    for other in (np.zeros_like(h_0), -h_0):
        np.testing.assert_array_equal(bits(closed(x, other)[0]), bits(closed(x, h_0)[0]))
        for net in (opened, none):
            assert np.abs(net(x, other)[0] - net(x, h_0)[0]).max() > 0.1
