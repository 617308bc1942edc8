"""Hypothesis strategies that draw a network of any options and sizes, with its inputs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from helpers import extended_grids, torch_grids
from helpers.extended_case import ExtendedCase
from helpers.option_table import BOUNDS
from helpers.torch_case import Case
from helpers.torch_grids import SIZES


def draw_sizes(draw: st.DrawFn) -> dict[str, Any]:
    sizes: dict[str, Any] = {name: draw(st.integers(1, 40)) for name in ("input_size", "hidden_size")}
    return sizes | {"steps": draw(st.integers(1, 15)), "rows": draw(st.none() | st.integers(1, 20))}


@st.composite
def torch_cases(draw: st.DrawFn) -> Case:
    """Cases of PyTorch's cells."""
    options = {name: draw(st.sampled_from(values)) for name, values in SIZES.items()} | draw_sizes(draw)
    proj = draw(st.integers(0, options["hidden_size"] - 1)) if options["mode"] == "LSTM" else 0
    options |= {"proj_size": proj, "seed": draw(st.integers(0, 2**16))}
    if not torch_grids.allowed(options):
        options["steps"] = 5  # only one rule can be broken here: large weights need at most 5 steps
    return Case(**options)


@st.composite
def extended_cases(draw: st.DrawFn) -> ExtendedCase:
    """Cases of extended cells."""
    kind = draw(st.sampled_from(extended_grids.EVERY))
    others = {name: values for name, values in SIZES.items() if name not in extended_grids.OPTIONS}
    options = {name: draw(st.sampled_from(values)) for name, values in others.items()}
    options |= kind | draw_sizes(draw)
    options |= {"proj_size": draw(st.integers(0, options["hidden_size"] - 1)) if kind["mode"] == "LSTM" else 0}
    for name in BOUNDS:
        if kind.get(name):
            options[name] = draw(st.floats(0.0625, 4))
    if not extended_grids.allowed(options):
        options["steps"] = 5  # only one rule can be broken here: large weights need at most 5 steps
    return ExtendedCase(**options, seed=draw(st.integers(0, 2**16)))


def lengths_of(case: Case) -> st.SearchStrategy[list[int]]:
    """Lengths of the rows of a case, 0 included."""
    return st.lists(st.integers(0, case.steps), min_size=case.rows, max_size=case.rows)
