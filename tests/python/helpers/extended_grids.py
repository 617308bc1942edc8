"""The extended cells that the suite runs.

EVERY holds every combination of options. KINDS holds a few combinations that represent all. size_cases() has every
allowed pair of sizes and options.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gatecell
from helpers.extended_case import OWNERS, ExtendedCase
from helpers.torch_case import SCALES
from helpers.torch_grids import CALLS, SIZES, pairwise
from helpers.torch_grids import allowed as exists

GATE_CLIPS, CELL_CLIPS = (None, 0.5), (None, 0.375)  # with the default weights each limits some values
OPTIONS: dict[str, tuple[Any, ...]] = {
    "peepholes": (None, "diagonal", "full"),
    "coupled_gates": (False, True),
    "reset": ("after", "before", "none"),
    "gate_clip": GATE_CLIPS,
    "cell_clip": CELL_CLIPS,
    "proj_size": (0, 3),
}


def combinations() -> Iterator[dict[str, Any]]:
    """Every combination of the options of each class, without PyTorch's own cells."""
    for mode in SIZES["mode"]:
        names = [name for name in OPTIONS if OWNERS.get(name, mode) == mode.partition("_")[0] or name == "gate_clip"]
        for values in itertools.product(*(OPTIONS[name] for name in names)):
            options = dict(zip(names, values, strict=True))
            if any(options[name] != OPTIONS[name][0] for name in names if name != "proj_size"):
                yield {"mode": mode, **options}


EVERY = tuple(combinations())
# Each option that PyTorch lacks is alone in a kind, but the clips of an LSTM are together. The other kinds have options
# together that are used at one place of a kernel.
KINDS: tuple[dict[str, Any], ...] = (
    {"mode": "LSTM", "peepholes": "diagonal"},
    {"mode": "LSTM", "peepholes": "full"},
    {"mode": "LSTM", "coupled_gates": True},
    {"mode": "LSTM", "gate_clip": 0.5, "cell_clip": 0.375},
    {"mode": "LSTM", "peepholes": "diagonal", "coupled_gates": True, "cell_clip": 0.375, "proj_size": 3},
    {"mode": "LSTM", "peepholes": "full", "coupled_gates": True, "gate_clip": 0.5, "proj_size": 3},
    {"mode": "GRU", "reset": "before"},
    {"mode": "GRU", "reset": "before", "gate_clip": 0.5},
    {"mode": "GRU", "reset": "none"},
    {"mode": "GRU", "reset": "none", "gate_clip": 0.5},
    {"mode": "GRU", "gate_clip": 0.5},
    {"mode": "RNN_TANH", "gate_clip": 0.5},
    {"mode": "RNN_RELU", "gate_clip": 0.5},
)
CELLS = tuple(kind for kind in KINDS if not kind.get("proj_size"))


def kind_id(kind: Mapping[str, Any]) -> str:
    return "-".join(f"{name}={value}" for name, value in kind.items() if value).removeprefix("mode=")


def everywhere(dtypes: Sequence[str]) -> list[tuple[dict[str, Any], str, str]]:
    """Kinds with dtype and ISA: EVERY on the best ISA in float32, KINDS on the other ISAs and in float64.

    The kernels of all ISAs and both types have one source, so a mistake in an option shows in each of them.
    """
    best, *_ = isas = gatecell.available_isas()
    return [
        (kind, dtype, isa)
        for dtype, isa in itertools.product(dtypes, isas)
        for kind in (EVERY if (dtype, isa) == ("float32", best) else KINDS)
    ]


def allowed(choice: Mapping[str, Any]) -> bool:
    """Whether one class has all the options of a choice, complete or not, and such a network is not chaotic."""
    owners = {owner for name, owner in OWNERS.items() if choice.get(name, OPTIONS[name][0]) != OPTIONS[name][0]}
    if "mode" in choice:
        owners.add(choice["mode"].partition("_")[0])
    return len(owners) < 2 and exists({"mode": "LSTM", **choice} if owners <= {"LSTM"} else choice)


FACTORS = OPTIONS | SIZES


def size_cases() -> list[ExtendedCase]:
    """Cases in which every allowed pair of values of two options, sizes or flags occurs."""
    return [ExtendedCase(**choice, seed=seed) for seed, choice in enumerate(pairwise(FACTORS, allowed, seed=0))]


def flags() -> list[dict[str, Any]]:
    """Choices in which every pair of two flags of a call, or of a flag and the scale of the weights, occurs."""
    return list(pairwise({"scale": SCALES, **CALLS}, lambda _: True, seed=0))
