"""The tests must fail for a wrong network: each mutant has one typical mistake, and the parity check must notice it.

This shows that the tests of promise 1 (parity) can fail.
"""

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
from helpers.option_table import DEFAULTS
from helpers.torch_case import Case
from helpers.torch_grids import KINDS, STACKS, grid

Weights = dict[str, NDArray[np.floating]]


def swap_gates(case: Case, weights: Weights) -> Weights:
    """Swaps the first two gates of every matrix and bias: i f becomes f i, r z becomes z r."""
    size = case.hidden_size
    order = np.r_[size : 2 * size, :size]
    return {
        name: array if "weight_hr" in name else np.concatenate([array[order], array[2 * size :]])
        for name, array in weights.items()
    }


def drop_b_hn(case: Case, weights: Weights) -> Weights:
    """Sets GRU's recurrent bias of n to zero."""
    keep = np.repeat([1, 1, 0], case.hidden_size)
    return {name: array * keep if "bias_hh" in name else array for name, array in weights.items()}


def merge_b_hn(case: Case, weights: Weights) -> Weights:
    """Adds GRU's recurrent bias of n to the other bias.

    This is right for the other gates, but here r no longer multiplies it.
    """
    weights = dict(weights)
    for name in [name for name in weights if "bias_hh" in name]:
        other = name.replace("_hh", "_ih")
        moved = weights[name] * np.repeat([0, 0, 1], case.hidden_size)
        weights |= {name: weights[name] - moved, other: weights[other] + moved}
    return weights


def use_forward_weights_in_reverse(case: Case, weights: Weights) -> Weights:
    return {name: weights[name.removesuffix("_reverse")] for name in weights}


def restart_at_every_step(network: Any) -> Callable[..., Any]:
    """Starts every step from zeros."""

    def call(x: Any, hx: Any) -> Any:
        time = 1 if network.batch_first and x.ndim == 3 else 0
        steps = [network(step) for step in np.split(x, x.shape[time], time)]
        return np.concatenate([y for y, _ in steps], time), steps[-1][1]

    return call


def ignore_given_state(network: Any) -> Callable[..., Any]:
    return lambda x, hx: network(x)


def reverse_final_states(network: Any) -> Callable[..., Any]:
    """Returns h_n and c_n with their direction runs in reverse order."""

    def call(x: Any, hx: Any) -> Any:
        y, state = network(x, hx)
        return y, tuple(part[::-1] for part in state) if isinstance(state, tuple) else state[::-1]

    return call


# Each mutant, and the cases in which its results must differ from the results of the right network.
WEIGHT_MUTANTS = {
    swap_gates: lambda case: case.mode in ("LSTM", "GRU"),
    drop_b_hn: lambda case: case.mode == "GRU" and case.bias,
    merge_b_hn: lambda case: case.mode == "GRU" and case.bias,
    use_forward_weights_in_reverse: lambda case: case.bidirectional,
}
CALL_MUTANTS = {
    restart_at_every_step: lambda case: True,
    ignore_given_state: lambda case: case.state,
    reverse_final_states: lambda case: case.bidirectional or case.num_layers > 1,
}
EXTENDED_CASES = [ExtendedCase(**kind) for kind in EXTENDED_KINDS]
GRID = [case for kind in KINDS for stack in STACKS for case in grid(kind, stack, "float32") if case.scale == "default"]


@pytest.mark.parametrize("mutant", WEIGHT_MUTANTS, ids=lambda mutant: mutant.__name__)
def test_wrong_weights_are_noticed(mutant: Callable[[Case, Weights], Weights]) -> None:
    for case in filter(WEIGHT_MUTANTS[mutant], GRID):
        network = case.network(gatecell)
        case.check(network)
        network.load_state_dict({k: v.astype(case.dtype) for k, v in mutant(case, case.state_dict()).items()})
        with pytest.raises(AssertionError, match="is off by"):
            case.check(network)


@pytest.mark.parametrize("mutant", CALL_MUTANTS, ids=lambda mutant: mutant.__name__)
def test_wrong_calls_are_noticed(mutant: Callable[[Any], Callable[..., Any]]) -> None:
    for case in filter(CALL_MUTANTS[mutant], GRID):
        network = case.network(gatecell)
        case.check(network)
        with pytest.raises(AssertionError, match="is off by"):
            case.check(mutant(network))


# Extended cells. A mistake in an option must show in each of EXTENDED_CASES that has the option, with some of the flags
# of a call.


Mutant = Callable[[ExtendedCase, Weights], tuple[ExtendedCase, Weights]]


def without_option(option: str) -> tuple[Mutant, Callable[[ExtendedCase], bool]]:
    """Replaces the option by its default, if the network without the option takes the same weights.

    If the option has weights of its own, they become zeros.
    """

    def mutant(case: ExtendedCase, weights: Weights) -> tuple[ExtendedCase, Weights]:
        plain = case.with_(**{option: DEFAULTS[option]})
        if plain.shapes() == case.shapes():
            return plain, weights
        return case, {name: weight * (name in plain.shapes()) for name, weight in weights.items()}

    def differs(case: ExtendedCase) -> bool:
        plain = case.with_(**{option: DEFAULTS[option]})
        has_same_gates = all(case.shapes()[name] == shape for name, shape in plain.shapes().items())
        return getattr(case, option) != DEFAULTS[option] and has_same_gates

    return mutant, differs


def with_changed_gates(names: tuple[str, ...], change: Callable[[dict[str, Any]], dict[str, Any]]) -> Mutant:
    """Changes each weight with a name that starts with `names`.

    `change` is called once for each weight. It gets a dict of all gates of the weight and returns the changed ones.
    """

    def mutant(case: ExtendedCase, weights: Weights) -> tuple[ExtendedCase, Weights]:
        changed = {}
        for name in weights:
            if name.startswith(names):
                gates = case.gates.replace("g", "") if "peephole" in name else case.gates
                blocks = dict(zip(gates, np.split(weights[name], len(gates)), strict=True))
                changed[name] = np.concatenate(list((blocks | change(blocks)).values()))
        return case, weights | changed

    return mutant


WITH_GATES = ("weight_ih", "weight_hh", "weight_peephole", "bias")
OPTION_MUTANTS: dict[str, tuple[Mutant, Callable[[ExtendedCase], Any]]] = {
    **{f"no {name}": without_option(name) for name in DEFAULTS if any(map(without_option(name)[1], EXTENDED_CASES))},
    "i = 1 - f": (with_changed_gates(WITH_GATES, lambda a: {"i": -a["i"]}), lambda case: case.coupled_gates),
    "h' = z n + (1 - z) h": (
        with_changed_gates(WITH_GATES, lambda a: {"z": -a["z"]}),
        lambda case: case.mode == "GRU",
    ),
    "peepholes of i and o swapped": (
        with_changed_gates(("weight_peephole",), lambda p: {"i": p["o"], "o": p["i"]}),
        lambda case: case.peepholes,
    ),
    **{
        f"no peephole of {gate}": (
            with_changed_gates(("weight_peephole",), lambda p, gate=gate: {gate: p[gate] * 0}),
            lambda case, gate=gate: case.peepholes and gate in case.gates,
        )
        for gate in "ifo"
    },
}


@pytest.mark.parametrize("name", OPTION_MUTANTS)
def test_wrong_options_are_noticed(name: str) -> None:
    mutant, differs = OPTION_MUTANTS[name]
    mutated = list(filter(differs, EXTENDED_CASES))
    assert mutated
    for case in mutated:
        with pytest.raises(AssertionError, match="is off by"):
            check_mutants(mutant, case)


def check_mutants(mutant: Mutant, of_kind: ExtendedCase) -> None:
    for flag in flags():
        case = of_kind.with_(**flag)
        other, weights = mutant(case, case.state_dict())
        network = other.network(gatecell)
        network.load_state_dict(weights)
        case.check(network)
