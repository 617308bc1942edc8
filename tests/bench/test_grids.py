"""Tests of the named lists of cases."""

import pytest

from suite.cases import Case
from suite.grids import GRIDS


@pytest.mark.parametrize("grid", GRIDS)
def test_grids_hold_each_case_once(grid):
    cases = [Case.parse(text) for text in GRIDS[grid]]
    assert len(set(cases)) == len(cases)
    assert [str(case) for case in cases] == GRIDS[grid]


def test_std_has_the_documented_points():
    std = [Case.parse(text) for text in GRIDS["std"]]
    for cell in ("lstm", "gru"):
        plain = [c for c in std if c == Case(cell, c.hidden_size, c.hidden_size, c.batch, c.steps)]
        points = {(b, t): {c.hidden_size for c in plain if (c.batch, c.steps) == (b, t)} for b, t in ((1, 1), (1, 100))}
        assert points == {(1, 1): {64, 128, 256, 512, 1024}, (1, 100): {16, 64, 128, 256, 512, 1024}}
        rows = {b: {c.hidden_size for c in plain if (c.batch, c.steps) == (b, 100)} for b in (8, 32)}
        assert rows == {8: {64, 256, 512}, 32: {64, 128, 256, 512, 1024}}
        assert Case(cell, 256, 256, 128, 50) in plain
        others = [c for c in std if c.cell == cell and c not in plain and not c.float64 and not c.proj_size]
        assert {(c.batch, c.input_size, c.num_layers, c.bidirectional, c.batch_first, c.no_hx) for c in others} == {
            (1, 128, 2, True, False, False),
            (32, 128, 2, True, False, False),
            (1, 256, 3, False, False, False),
            (1, 256, 1, False, True, True),
            (32, 256, 1, False, True, True),
        }
        assert {(c.steps, c.hidden_size) for c in others} == {(100, 256)}
    assert sum(c.float64 for c in std) == 1
    assert sum(bool(c.proj_size) for c in std) == 1


def test_extended_has_the_shapes_of_std_and_some_plain_cells():
    std = {Case.parse(text) for text in GRIDS["std"]}
    extended = [Case.parse(text) for text in GRIDS["extended"]]
    layouts = {case for case in std if not case.float64 and not case.proj_size}
    for cell, variant in (("lstm", "peepholes=diagonal"), ("gru", "reset=before")):
        shapes = {case for case in layouts if case.cell == cell}
        assert {case.plain for case in extended if case.cell == cell and case.variant == variant} == shapes
    for batch in (1, 32):
        neighbours = [f"lstm,B={batch},T=100,H=128{words}" for words in ("", ",peepholes=diagonal", ",coupled_gates")]
        first = GRIDS["extended"].index(neighbours[0])
        assert GRIDS["extended"][first : first + 3] == neighbours
    assert len(extended) == len(layouts) + 4
