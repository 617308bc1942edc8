"""The extended cells that the suite runs.

EVERY holds every combination of options. KINDS holds a few combinations that represent all. size_cases() has every
allowed pair of sizes and options.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gatecell
from helpers.extended_case import ExtendedCase
from helpers.option_table import DEFAULTS, OPTIONS_OF, VALUES
from helpers.torch_case import MODES, SCALES
from helpers.torch_grids import CALLS, SIZES, pairwise
from helpers.torch_grids import allowed as exists

PROJ_SIZE = 3
OPTIONS: dict[str, tuple[Any, ...]] = VALUES | {"proj_size": (0, PROJ_SIZE)}


def is_extended(choice: Mapping[str, Any]) -> bool:
    """Whether PyTorch lacks the cell."""
    return any(choice.get(name, default) != default for name, default in DEFAULTS.items())


def combinations() -> Iterator[dict[str, Any]]:
    """Every combination of the options of each class, without PyTorch's own cells."""
    for mode in MODES:
        names = [*OPTIONS_OF[mode], *(["proj_size"] if mode == "LSTM" else [])]
        for values in itertools.product(*(OPTIONS[name] for name in names)):
            options = dict(zip(names, values, strict=True))
            if is_extended(options):
                yield {"mode": mode, **options}


def kinds() -> Iterator[dict[str, Any]]:
    """Each value of each option alone; then all options of a cell together, an LSTM with a projection.

    Each value occurs in a kind of all options together.
    """
    for mode, names in OPTIONS_OF.items():
        for name in names:
            for value in VALUES[name][1:]:
                yield {"mode": mode, name: value}
        for i in range(1, max(len(VALUES[name]) for name in names) if len(names) > 1 else 1):
            together = {name: VALUES[name][min(i, len(VALUES[name]) - 1)] for name in names}
            yield {"mode": mode, **together, **({"proj_size": PROJ_SIZE} if mode == "LSTM" else {})}


EVERY = tuple(combinations())
KINDS = tuple(kinds())
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
    """Whether a cell has all the options of a choice, complete or not, and such a network is not chaotic."""
    chosen = {name for name, default in DEFAULTS.items() if choice.get(name, default) != default}
    modes = [choice["mode"]] if "mode" in choice else MODES
    return any(chosen <= {*OPTIONS_OF[mode]} and exists({**choice, "mode": mode}) for mode in modes)


FACTORS = OPTIONS | SIZES


def size_cases() -> list[ExtendedCase]:
    """Cases in which every allowed pair of values of two options, sizes or flags occurs."""
    return [ExtendedCase(**choice, seed=seed) for seed, choice in enumerate(pairwise(FACTORS, allowed, seed=0))]


def flags() -> list[dict[str, Any]]:
    """Choices in which every pair of two flags of a call, or of a flag and the scale of the weights, occurs."""
    return list(pairwise({"scale": SCALES, **CALLS}, lambda _: True, seed=0))
