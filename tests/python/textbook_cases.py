"""Which of the textbooks' cells the tests run, and where: every combination, a few that stand for all, drawn sizes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

import gatecell
from cases import CALLS, SIZES, pairwise
from cases import allowed as exists
from reference import SCALES
from textbook import OWNERS, Case

GATE_CLIPS, CELL_CLIPS = (None, 0.5), (None, 0.375)  # of the default weights each bounds something
OPTIONS: dict[str, tuple[Any, ...]] = {
    "peepholes": (None, "diagonal", "full"),
    "coupled_gates": (False, True),
    "reset": ("after", "before", "none"),
    "gate_clip": GATE_CLIPS,
    "cell_clip": CELL_CLIPS,
    "proj_size": (0, 3),
}


def combinations() -> Iterator[dict[str, Any]]:
    """All options of each class, but for PyTorch's own cells."""
    for mode in SIZES["mode"]:
        names = [name for name in OPTIONS if OWNERS.get(name, mode) == mode.partition("_")[0] or name == "gate_clip"]
        for values in itertools.product(*(OPTIONS[name] for name in names)):
            options = dict(zip(names, values, strict=True))
            if any(options[name] != OPTIONS[name][0] for name in names if name != "proj_size"):
                yield {"mode": mode, **options}


EVERY = tuple(combinations())
KINDS: tuple[dict[str, Any], ...] = (  # each option, and those that meet in one place of a kernel
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


def everywhere(dtypes: Sequence[str] = ("float32", "float64")) -> pytest.MarkDecorator:
    """A test's kind, dtype and isa: EVERY kind on the best ISA in float32, KINDS on all others and in float64.

    The kernels of all ISAs and both types have one source: what an option does wrong in it shows in any of them.
    """
    best, *_ = isas = gatecell.available_isas()
    cases = [
        (kind, dtype, isa)
        for dtype, isa in itertools.product(dtypes, isas)
        for kind in (EVERY if (dtype, isa) == ("float32", best) else KINDS)
    ]
    ids = [f"{kind_id(kind)}-{dtype}-{isa}" for kind, dtype, isa in cases]
    return pytest.mark.parametrize(("kind", "dtype", "isa"), cases, ids=ids)


def allowed(choice: Mapping[str, Any]) -> bool:
    """Whether each option belongs to the class; also of a partial choice, where classes without a name must agree."""
    owners = {owner for name, owner in OWNERS.items() if choice.get(name, OPTIONS[name][0]) != OPTIONS[name][0]}
    if "mode" in choice:
        owners.add(choice["mode"].partition("_")[0])
    return len(owners) < 2 and exists({"mode": "LSTM", **choice} if owners <= {"LSTM"} else choice)


FACTORS = OPTIONS | SIZES


def size_cases() -> list[Case]:
    """Every allowed pair of values of two options, sizes or flags."""
    return [Case(**choice, seed=seed) for seed, choice in enumerate(pairwise(FACTORS, allowed, seed=0))]


def flags() -> list[dict[str, Any]]:
    """Pairs of a call's flags and the scale of the weights."""
    return list(pairwise({"scale": SCALES, **CALLS}, lambda _: True, seed=0))
