"""The suite must fail for a wrong network: each mutant is wrong in one classical way, and parity has to notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gatecell
from cases import KINDS, STACKS, grid
from reference import Case

Weights = dict[str, NDArray[np.floating]]


def swapped_gates(case: Case, weights: Weights) -> Weights:
    """The first two gate blocks of every matrix and bias change places: i f -> f i, r z -> z r."""
    size = case.hidden_size
    order = np.r_[size : 2 * size, :size]
    return {
        name: array if "weight_hr" in name else np.concatenate([array[order], array[2 * size :]])
        for name, array in weights.items()
    }


def dropped_b_hn(case: Case, weights: Weights) -> Weights:
    """GRU's recurrent bias of n forgotten."""
    keep = np.repeat([1, 1, 0], case.hidden_size)
    return {name: array * keep if "bias_hh" in name else array for name, array in weights.items()}


def merged_b_hn(case: Case, weights: Weights) -> Weights:
    """GRU's two biases of n added up, as may be done for the other gates: r then misses b_hn."""
    weights = dict(weights)
    for name in [name for name in weights if "bias_hh" in name]:
        other = name.replace("_hh", "_ih")
        moved = weights[name] * np.repeat([0, 0, 1], case.hidden_size)
        weights |= {name: weights[name] - moved, other: weights[other] + moved}
    return weights


def reverse_is_forward(case: Case, weights: Weights) -> Weights:
    return {name: weights[name.removesuffix("_reverse")] for name in weights}


def state_not_carried(network: Any) -> Callable[..., Any]:
    """Every step starts from zeros."""

    def call(x: Any, hx: Any) -> Any:
        time = 1 if network.batch_first and x.ndim == 3 else 0
        steps = [network(step) for step in np.split(x, x.shape[time], time)]
        return np.concatenate([y for y, _ in steps], time), steps[-1][1]

    return call


def given_state_ignored(network: Any) -> Callable[..., Any]:
    return lambda x, hx: network(x)


def final_states_reversed(network: Any) -> Callable[..., Any]:
    """h_n in another order of layers and directions."""

    def call(x: Any, hx: Any) -> Any:
        y, state = network(x, hx)
        return y, tuple(part[::-1] for part in state) if isinstance(state, tuple) else state[::-1]

    return call


# Each mutant, and the cases in which it differs from the network it was made of.
OF_WEIGHTS = {
    swapped_gates: lambda case: case.mode in ("LSTM", "GRU"),
    dropped_b_hn: lambda case: case.mode == "GRU" and case.bias,
    merged_b_hn: lambda case: case.mode == "GRU" and case.bias,
    reverse_is_forward: lambda case: case.bidirectional,
}
OF_CALLS = {
    state_not_carried: lambda case: True,
    given_state_ignored: lambda case: case.state,
    final_states_reversed: lambda case: case.bidirectional or case.num_layers > 1,
}
GRID = [case for kind in KINDS for stack in STACKS for case in grid(kind, stack, "float32") if case.scale == "default"]


@pytest.mark.parametrize("mutant", OF_WEIGHTS, ids=lambda mutant: mutant.__name__)
def test_wrong_weights_are_noticed(mutant: Callable[[Case, Weights], Weights]) -> None:
    for case in filter(OF_WEIGHTS[mutant], GRID):
        network = case.network(gatecell)
        case.check(network)
        network.load_state_dict({k: v.astype(case.dtype) for k, v in mutant(case, case.state_dict()).items()})
        with pytest.raises(AssertionError, match="is off by"):
            case.check(network)


@pytest.mark.parametrize("mutant", OF_CALLS, ids=lambda mutant: mutant.__name__)
def test_wrong_calls_are_noticed(mutant: Callable[[Any], Callable[..., Any]]) -> None:
    for case in filter(OF_CALLS[mutant], GRID):
        network = case.network(gatecell)
        case.check(network)
        with pytest.raises(AssertionError, match="is off by"):
            case.check(mutant(network))
