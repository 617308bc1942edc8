"""Tests of cases: their text form, the named lists, and weights and inputs with the shapes of PyTorch's modules."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from suite.arrays import make_input, make_lengths, make_weights
from suite.cases import Case
from suite.grids import GRIDS

SIZES = st.integers(1, 2000)


CELLS = [("lstm", {}), ("gru", {}), ("rnn", {}), ("gru", {"reset": "before"}), ("gru", {"reset": "none"})]
CELLS += [("lstm", {"peepholes": kind, "coupled_gates": c}) for kind in (None, "diagonal", "full") for c in (0, 1)]


@given(
    st.sampled_from(CELLS),
    SIZES,
    SIZES,
    SIZES,
    SIZES,
    st.integers(1, 4),
    st.one_of(
        st.sets(st.sampled_from(["bidirectional", "batch_first", "no_hx", "float64", "ragged"])),
        st.sets(st.sampled_from(["streams", "float64"])),
    ),
)
def test_parsing_the_text_of_a_case_gives_the_case(cell, hidden, features, batch, steps, layers, flags):
    name, options = cell
    case = Case(name, hidden, features, batch, steps, layers, **options, **dict.fromkeys(flags, True))
    assert Case.parse(str(case)) == case


def test_defaults():
    assert Case.parse("lstm,H=8") == Case("lstm", hidden_size=8, input_size=8, batch=1, steps=100)
    assert Case.parse("lstm,proj=3,I=5,H=8") == Case("lstm", hidden_size=8, input_size=5, proj_size=3)
    assert Case.parse("gru,reset=after,H=8") == Case.parse("gru,H=8")


@pytest.mark.parametrize(
    ("text", "variant", "plain"),
    [
        ("lstm,B=2,H=8,proj=3,float64", "", "lstm,B=2,H=8,proj=3,float64"),
        ("gru,H=8,reset=none,ragged", "reset=none", "gru,H=8,ragged"),
        ("lstm,H=8,coupled_gates,peepholes=full", "peepholes=full,coupled_gates", "lstm,H=8"),
    ],
)
def test_extended_cells(text, variant, plain):
    case = Case.parse(text)
    assert case.variant == variant
    assert case.plain == Case.parse(plain)
    assert (case == case.plain) == (not variant)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "starts with ''"),
        ("lstn,H=8", "starts with 'lstn'"),
        ("lstm", "lacks H=NUMBER"),
        ("lstm,H=0", "has 'H=0'"),
        ("lstm,H=-1", "has 'H=-1'"),
        ("lstm,H=8,H=9", "gives H twice"),
        ("lstm,H=8,hx", "has 'hx'"),
        ("lstm,H=8,Q=2", "has 'Q=2'"),
        ("lstm,8,100,256", "has '8'"),
        ("gru,H=8,proj=2", "proj belongs to lstm"),
        ("gru,H=8,peepholes=full", "peepholes belongs to lstm"),
        ("rnn,H=8,coupled_gates", "coupled_gates belongs to lstm"),
        ("lstm,H=8,reset=after", "reset belongs to gru"),
        ("lstm,H=8,peepholes", "has 'peepholes'"),
        ("gru,H=8,reset=later", "has 'reset=later'"),
        ("gru,H=8,reset=before,reset=none", "gives reset twice"),
        ("lstm,H=8,proj=8", "smaller than H"),
        ("lstm,H=8,streams,ragged", "streams cannot be ragged"),
        ("lstm,H=8,bidirectional,streams", "streams cannot be bidirectional"),
        ("lstm,H=8,batch_first,streams", "streams cannot be batch_first"),
        ("lstm,H=8,no_hx,streams", "streams cannot be no_hx"),
    ],
)
def test_bad_text(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Case.parse(text)


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


@pytest.mark.parametrize(
    ("text", "gate_rows", "peephole"),
    [
        ("lstm,I=3,H=8,peepholes=diagonal", 32, (24,)),
        ("lstm,I=3,H=8,peepholes=full", 32, (24, 8)),
        ("lstm,I=3,H=8,coupled_gates", 24, None),
        ("lstm,I=3,H=8,peepholes=diagonal,coupled_gates", 24, (16,)),
        ("lstm,I=3,H=8,proj=5,peepholes=full,coupled_gates", 24, (16, 8)),
        ("gru,I=3,H=8,reset=before", 24, None),
        ("gru,I=3,H=8,reset=none", 16, None),
    ],
)
def test_weights_of_extended_cells(text, gate_rows, peephole):
    case = Case.parse(text)
    shapes = {"weight_ih_l0": (gate_rows, 3), "weight_hh_l0": (gate_rows, case.proj_size or 8)}
    shapes |= {"bias_ih_l0": (gate_rows,), "bias_hh_l0": (gate_rows,)}
    shapes |= {"weight_peephole_l0": peephole} if peephole else {}
    shapes |= {"weight_hr_l0": (5, 8)} if case.proj_size else {}
    weights = make_weights(case)
    assert {name: array.shape for name, array in weights.items()} == shapes
    assert list(weights) == list(shapes)  # the order also agrees


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize(
    "text", ["lstm,I=3,H=8,layers=2,bidirectional,proj=5", "gru,B=2,T=4,I=3,H=8,layers=3,batch_first", "rnn,H=4,no_hx"]
)
def test_arrays_fit_the_torch_module(text):
    case = Case.parse(text)
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[case.cell]
    options = {"proj_size": case.proj_size} if case.proj_size else {}
    module = kind(
        case.input_size,
        case.hidden_size,
        case.num_layers,
        batch_first=case.batch_first,
        bidirectional=case.bidirectional,
        **options,
    )
    weights, inputs = make_weights(case), make_input(case)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == {k: v.shape for k, v in weights.items()}
    bound = case.hidden_size**-0.5
    assert all(np.abs(w).max() <= bound for w in weights.values())
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    state = tuple(tensors[name] for name in ("h_0", "c_0") if name in tensors)
    assert len(state) == (0 if case.no_hx else 2 if case.cell == "lstm" else 1)
    y = module(tensors["x"], *([state if len(state) == 2 else state[0]] if state else []))[0]
    rows = (case.batch, case.steps) if case.batch_first else (case.steps, case.batch)
    assert y.shape == (*rows, case.output_size * case.directions)


def test_lengths():
    case = Case.parse("gru,B=500,T=40,H=1,ragged")
    lengths = make_input(case)["lengths"]
    assert lengths.dtype == np.int64
    assert set(lengths) == set(range(4, 41))  # T/10..T: 500 rows have each of these lengths at least once
    assert np.array_equal(lengths, make_lengths(case))
    assert set(make_lengths(Case.parse("gru,B=50,T=5,H=1,ragged"))) == {1, 2, 3, 4, 5}
    assert np.array_equal(make_lengths(Case.parse("gru,B=3,T=5,H=1")), [5, 5, 5])
    assert "lengths" not in make_input(Case.parse("gru,B=3,T=5,H=1"))


def test_streams_have_no_initial_state():
    inputs = make_input(Case.parse("lstm,B=3,T=5,I=2,H=4,streams"))
    assert {name: array.shape for name, array in inputs.items()} == {"x": (5, 3, 2)}


def test_arrays_are_the_same_each_time():
    case = Case.parse("lstm,B=2,T=3,H=4,float64,ragged")
    for make in (make_weights, make_input):
        first, second = make(case), make(case)
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[k], second[k]) for k in first)
        assert all(first[k].dtype == np.float64 for k in first if k != "lengths")
