"""The suite must fail for a wrong network: each mutant is wrong in one classical way, and parity has to notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gatecell
from helpers.extended_case import ExtendedCase
from helpers.extended_grids import KINDS as EXTENDED_KINDS
from helpers.extended_grids import flags
from helpers.torch_case import Case
from helpers.torch_grids import KINDS, STACKS, grid

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


# The textbooks' cells. What is wrong in an option has to show in the few kinds that run everywhere, in each that has
# the option, in a call with some of the flags.


def without(option: str) -> Callable[[ExtendedCase, Weights], tuple[ExtendedCase, Weights]]:
    """PyTorch's cell instead, which takes the same weights."""
    return lambda case, weights: (case.with_(**{option: ExtendedCase.__dataclass_fields__[option].default}), weights)


def of_gates(
    names: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Callable[[ExtendedCase, Weights], tuple[ExtendedCase, Weights]]:
    """`change` gets the blocks by gate of each weight whose name starts with `names`, and gives those that differ."""

    def mutant(case: ExtendedCase, weights: Weights) -> tuple[ExtendedCase, Weights]:
        changed = {}
        for name in weights:
            if name.startswith(names) and "weight_hr" not in name:
                gates = case.gates.replace("g", "") if "peephole" in name else case.gates
                blocks = dict(zip(gates, np.split(weights[name], len(gates)), strict=True))
                changed[name] = np.concatenate(list((blocks | change(blocks)).values()))
        return case, weights | changed

    return mutant


OF_OPTIONS = {
    "no gate_clip": (without("gate_clip"), lambda case: case.gate_clip),
    "no cell_clip": (without("cell_clip"), lambda case: case.cell_clip),
    "reset after": (without("reset"), lambda case: case.reset == "before"),
    "i = 1 - f": (of_gates(("weight", "bias"), lambda a: {"i": -a["i"]}), lambda case: case.coupled_gates),
    "h' = z n + (1 - z) h": (of_gates(("weight", "bias"), lambda a: {"z": -a["z"]}), lambda case: case.mode == "GRU"),
    "peepholes of i and o swapped": (
        of_gates(("weight_peephole",), lambda p: {"i": p["o"], "o": p["i"]}),
        lambda case: case.peepholes,
    ),
    **{
        f"no peephole of {gate}": (
            of_gates(("weight_peephole",), lambda p, gate=gate: {gate: p[gate] * 0}),
            lambda case, gate=gate: case.peepholes and gate in case.gates,
        )
        for gate in "ifo"
    },
}


@pytest.mark.parametrize("name", OF_OPTIONS)
def test_wrong_options_are_noticed(name: str) -> None:
    mutant, differs = OF_OPTIONS[name]
    mutated = [kind for kind in EXTENDED_KINDS if differs(ExtendedCase(**kind))]
    assert mutated
    for kind in mutated:
        with pytest.raises(AssertionError, match="is off by"):
            check_mutants(mutant, kind)


def check_mutants(mutant: Callable[..., Any], kind: dict[str, Any]) -> None:
    for flag in flags():
        case = ExtendedCase(**kind, **flag)
        other, weights = mutant(case, case.state_dict())
        network = other.network(gatecell)
        network.load_state_dict(weights)
        case.check(network)
