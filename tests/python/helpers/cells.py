"""PyTorch's cells and extended cells together: the case of a kind, with the oracle of its cell, and test parameters.

A kind is a dict of options that choose a cell. The oracle of a cell of PyTorch is PyTorch. The oracle of an extended
cell is equations.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import gatecell
from helpers import extended_grids, torch_grids
from helpers.extended_case import ExtendedCase
from helpers.extended_grids import is_extended, kind_id
from helpers.torch_case import MODES, SCALES, Case

DTYPES = ("float32", "float64")
ISAS = gatecell.available_isas()
TORCH_KINDS: tuple[dict[str, Any], ...] = torch_grids.KINDS
EXTENDED_KINDS = extended_grids.KINDS
KINDS = TORCH_KINDS + EXTENDED_KINDS
CELLS = (*({"mode": mode} for mode in MODES), *extended_grids.CELLS)  # kinds that the cell classes have
LENGTHS = (2, 0, 5)  # of the three rows of the grids


def make_case(**options: Any) -> Case:
    """A case with the oracle of its cell."""
    return ExtendedCase(**options) if is_extended(options) else Case(**options)


def kind_ids(value: Any) -> str:
    """An id for a parameter: a kind, a stack, or anything else."""
    return kind_id(value) if isinstance(value, Mapping) else str(value)


def every_option() -> pytest.MarkDecorator:
    """Parametrises kind, stack, dtype and isa. Extended cells get fewer stacks, because only their step is special."""
    cases = list(itertools.product(TORCH_KINDS, torch_grids.STACKS, DTYPES, ISAS))
    stacks = [{"num_layers": 1}, {"num_layers": 2, "bidirectional": True}]
    cases += [(kind, stack, dtype, isa) for kind, dtype, isa in extended_grids.everywhere(DTYPES) for stack in stacks]
    return pytest.mark.parametrize(("kind", "stack", "dtype", "isa"), cases, ids=kind_ids)


def every_call(kind: dict[str, Any], stack: dict[str, Any], dtype: str) -> Iterator[Case]:
    """Cases with the flags of a call: every combination for PyTorch's cells, every pair for extended cells.

    Extended cells are also called with lengths here. test_lengths.py does this for PyTorch's cells.
    """
    if not is_extended(kind):
        for case in torch_grids.grid(kind, stack, dtype):
            yield from case.draws()
    else:
        for flags in extended_grids.flags():
            case = ExtendedCase(**kind, **stack, **flags, dtype=dtype)
            yield case
            if case.rows:
                yield case.with_(lengths=LENGTHS)


def sample_stacks() -> pytest.MarkDecorator:
    """Parametrises kind, stack and isa for sample_cases()."""
    cases = list(itertools.product(TORCH_KINDS, torch_grids.STACKS, ISAS))
    stacks = [{"num_layers": 2, "bidirectional": both} for both in (False, True)]
    cases += [(kind, stack, isa) for kind, _, isa in extended_grids.everywhere(["float32"]) for stack in stacks]
    return pytest.mark.parametrize(("kind", "stack", "isa"), cases, ids=kind_ids)


def sample_cases(kind: dict[str, Any], stack: dict[str, Any]) -> Iterator[Case]:
    """The float32 cases with the rows on which the error of the oracle is measured."""
    for scale, bias in itertools.product(SCALES, (True,) if is_extended(kind) else (True, False)):
        yield make_case(**kind, **stack, scale=scale, bias=bias).sample()


def size_cases() -> list[Case]:
    """Cases in which every allowed pair of sizes and options occurs, of both kinds of cells."""
    return [*torch_grids.size_cases(), *extended_grids.size_cases()]


def size_id(case: Case) -> str:
    return f"{'extended-' if isinstance(case, ExtendedCase) else ''}{case.mode}-{case.seed}"


def kinds_everywhere() -> pytest.MarkDecorator:
    """Parametrises kind, dtype and isa: all for PyTorch's kinds, extended_grids.everywhere() for extended kinds."""
    cases = [*itertools.product(TORCH_KINDS, DTYPES, ISAS), *extended_grids.everywhere(DTYPES)]
    return pytest.mark.parametrize(("kind", "dtype", "isa"), cases, ids=kind_ids)
