"""Promise 1 (parity) where sums are large and cancel: the larger bound holds, is needed, and finds wrong networks.

The bound grows with S, the largest sum of |w||x| + |b| of a gate. These tests compute S from the equations, without
gatecell.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.equations import run, sums_of_terms
from helpers.extended_case import ExtendedCase
from helpers.extended_grids import EVERY, kind_id
from helpers.parity import assert_parity, bound, largest_difference, named_outputs
from helpers.torch_case import Array, run_torch

MODES = {"RNN": 1, "GRU": 3, "LSTM": 4}  # the number of gates
HIDDEN, INPUT, ROWS = 48, 4, 64
STATE = 1e4
every_mode = pytest.mark.parametrize("mode", MODES)
every_pattern = pytest.mark.parametrize("pattern", ["signs", "pairs"])


def largest_sum_of_run(case: ExtendedCase, state_dict: Mapping[str, Array], x: Array, hx: Any) -> float:
    """The largest S of all gates, units and steps of a run in float64."""
    sums: list[float] = []

    def each_step(w: Any, x: Array, before: Any, gates: Any) -> None:
        sums.extend(sum.max() for sum in sums_of_terms(case, w, x, before, gates).values())

    run(case, state_dict, x, hx, "float64", each_step)
    return max(sums)


@pytest.mark.parametrize("stack", [{}, {"num_layers": 2, "bidirectional": True}], ids=["single", "stacked"])
@pytest.mark.parametrize("scale", ["default", "saturated"])
@pytest.mark.parametrize(
    "kind", [{"mode": mode} for mode in ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")] + list(EVERY), ids=kind_id
)
def test_largest_sum_agrees_with_the_equations(kind: dict[str, Any], scale: str, stack: dict[str, Any]) -> None:
    for bias in (True, False):
        case = ExtendedCase(**kind, **stack, scale=scale, bias=bias, dtype="float64")
        network, (x, hx) = case.network(gatecell), case.inputs()
        expected = largest_sum_of_run(case, case.state_dict(), x, hx)
        assert network.largest_sum(x, hx) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("mode", ["LSTM", "GRU"])
def test_largest_sum_takes_the_input_of_a_call(mode: str) -> None:
    case = ExtendedCase(mode, steps=5, rows=3, num_layers=2, bidirectional=True, dtype="float64")
    network, (x, hx) = case.network(gatecell), case.inputs()
    batch_first = case.with_(batch_first=True).network(gatecell)
    rows = [slice(row, row + 1) for row in range(3)]

    def of_rows(rows: slice | int) -> Any:
        return tuple(part[:, rows] for part in hx) if isinstance(hx, tuple) else hx[:, rows]

    expected = [largest_sum_of_run(case.with_(rows=1), case.state_dict(), x[:, row], of_rows(row)) for row in rows]
    assert batch_first.largest_sum(x.swapaxes(0, 1), hx) == pytest.approx(max(expected), rel=1e-12)
    unbatched = [batch_first.largest_sum(x[:, row], of_rows(row)) for row in range(3)]
    assert unbatched == pytest.approx(expected, rel=1e-12)
    without_state = largest_sum_of_run(case, case.state_dict(), x, None)
    assert network.largest_sum(x.tolist()) == pytest.approx(without_state, rel=1e-12)
    with pytest.raises(ValueError, match="expected input"):
        network.largest_sum(x[..., :-1], hx)
    with pytest.raises(RuntimeError, match="has no weights yet"):
        type(network)(5, 7).largest_sum(x)


def test_largest_sum_agrees_with_a_sum_by_hand() -> None:
    """|2 * 1| + |-3 * -2| + |0.5| + |-4 * 0.5| + |-0.25|.

    The sum of the second step, with h_1 = tanh(6.25), is smaller.
    """
    weights = {
        "weight_ih_l0": np.array([[2.0, -3.0]], "f4"),
        "weight_hh_l0": np.array([[-4.0]], "f4"),
        "bias_ih_l0": np.array([0.5], "f4"),
        "bias_hh_l0": np.array([-0.25], "f4"),
    }
    network = gatecell.RNN.from_state_dict(weights)
    x = np.array([[[1.0, -2.0]], [[0.0, 1.0]]], "f4")
    assert network.largest_sum(x, np.full((1, 1, 1), 0.5, "f4")) == 10.75


class Cancelling:
    """One step with weights of at most 1 and states h of up to 1e4, so that products cancel. A seed fixes all numbers.

    signs: recurrent weights are +-1 and states are +-1e4. pairs: each recurrent weight occurs twice, with both signs,
    and the two states of a pair are nearly equal.
    """

    def __init__(self, mode: str, pattern: str, dtype: str) -> None:
        rng = np.random.default_rng(1)
        rows = MODES[mode] * HIDDEN
        weight_hh = rng.choice([-1.0, 1.0], (rows, HIDDEN))
        h = STATE * rng.choice([-1.0, 1.0], (ROWS, HIDDEN))
        if pattern == "pairs":
            weight_hh = rng.uniform(-1, 1, (rows, HIDDEN))
            weight_hh[:, 1::2] = -weight_hh[:, ::2]
            h = STATE * rng.uniform(-1, 1, (ROWS, HIDDEN))
            h[:, 1::2] = h[:, ::2] + rng.uniform(-0.1, 0.1, (ROWS, HIDDEN // 2))
        weights = {
            "weight_ih_l0": rng.choice([-1.0, 1.0], (rows, INPUT)),
            "weight_hh_l0": weight_hh,
            "bias_ih_l0": np.ones(rows),
            "bias_hh_l0": np.ones(rows),
        }
        self.mode, self.dtype = mode, dtype
        self.weights = {name: array.astype(dtype) for name, array in weights.items()}
        self.x = rng.uniform(-10, 10, (1, ROWS, INPUT)).astype(dtype)
        states = [h[None].astype(dtype)]
        if mode == "LSTM":
            states.append(rng.uniform(-1, 1, (1, ROWS, HIDDEN)).astype(dtype))
        self.hx = tuple(states) if mode == "LSTM" else states[0]
        self.module = getattr(torch.nn, mode)(INPUT, HIDDEN, dtype=getattr(torch, dtype))
        self.module.load_state_dict({name: torch.from_numpy(array) for name, array in self.weights.items()})
        self.reference = self.torchs("float64")
        self.own_error = largest_difference(self.torchs("float32"), self.reference) if dtype == "float32" else 0.0
        case = ExtendedCase({"RNN": "RNN_TANH"}.get(mode, mode), INPUT, HIDDEN, dtype=dtype)
        self.largest_sum = largest_sum_of_run(case, self.weights, self.x, self.hx)

    def torchs(self, dtype: str) -> Any:
        with torch.no_grad():
            return run_torch(self.module, getattr(torch, dtype), self.x, self.hx)

    def check(self, isa: str, weights: Mapping[str, Array]) -> None:
        """Checks gatecell with these weights against the results of the right weights."""
        net = getattr(gatecell, self.mode).from_state_dict(weights, isa=isa)
        got = named_outputs(*net(self.x, self.hx))
        assert_parity(got, self.reference, self.own_error, self.dtype, self.mode, self.largest_sum)


@every_pattern
@every_mode
def test_cancelling_sums_keep_the_bound(mode: str, pattern: str, dtype: str, isa: str) -> None:
    case = Cancelling(mode, pattern, dtype)
    assert case.largest_sum > 1e5
    assert (np.abs(case.reference["y"]) < 0.9).any()  # some values are not saturated
    case.check(isa, case.weights)


@every_pattern
def test_a_small_change_of_one_weight_is_noticed(pattern: str, dtype: str, isa: str) -> None:
    """A weight of a unit that is not saturated changes by enough to move y by four times the bound.

    In float32 this is 2e-5 of a weight of 1.
    """
    case = Cancelling("RNN", pattern, dtype)
    y = case.reference["y"][0]
    row, unit = np.unravel_index(np.argmin(np.abs(y)), y.shape)
    feature = np.argmax(np.abs(case.hx[0, row]))
    visible = bound(y[row, unit], case.own_error, dtype, case.largest_sum) / np.abs(case.hx[0, row, feature])
    assert visible < (1e-5 if dtype == "float32" else 1e-11)
    wrong = case.weights["weight_hh_l0"].copy()
    wrong[unit, feature] += 4 * visible
    with pytest.raises(AssertionError, match="y is off by"):
        case.check(isa, case.weights | {"weight_hh_l0": wrong})


@every_pattern
@pytest.mark.parametrize("mode", ["GRU", "LSTM"])
def test_another_order_of_gates_is_noticed(mode: str, pattern: str, dtype: str, isa: str) -> None:
    case = Cancelling(mode, pattern, dtype)
    order = np.r_[HIDDEN : 2 * HIDDEN, :HIDDEN, 2 * HIDDEN : MODES[mode] * HIDDEN]
    with pytest.raises(AssertionError, match="is off by"):
        case.check(isa, {name: array[order] for name, array in case.weights.items()})


def test_pytorch_needs_the_bound_too(isa: str) -> None:
    """In float64 the error of PyTorch is larger than 4e-13 where sums cancel.

    PyTorch and gatecell are within the bound.
    """
    case = Cancelling("RNN", "pairs", "float64")
    rows = 8
    x, h = case.x[0, :rows], case.hx[0, :rows]
    terms = [(case.weights["weight_ih_l0"], x), (case.weights["weight_hh_l0"], h)]
    exact = np.array(
        [[float(2 + sum(dot(w[unit], v[row]) for w, v in terms)) for unit in range(HIDDEN)] for row in range(rows)]
    )
    y = np.tanh(exact)
    torchs = np.abs(case.reference["y"][0, :rows] - y).max()
    ours = np.abs(gatecell.RNN.from_state_dict(case.weights, isa=isa)(case.x, case.hx)[0][0, :rows] - y).max()
    assert torchs > 4e-13
    assert max(ours, torchs) <= 4e-13 * case.largest_sum / 10


def dot(one: Array, other: Array) -> Fraction:
    return sum((Fraction(a) * Fraction(b) for a, b in zip(one.tolist(), other.tolist(), strict=True)), Fraction(0))
