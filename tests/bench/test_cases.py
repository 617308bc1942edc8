"""Tests of the text form of cases."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatecell import _core
from suite.cases import GATES, OPTIONS, Case

SIZES = st.integers(1, 2000)


CELLS = []
for cell in GATES:
    own = [name for name, option in OPTIONS.items() if option.cell == cell]
    for values in itertools.product(*(OPTIONS[name].values for name in own)):
        CELLS.append((cell, dict(zip(own, values, strict=True))))


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


@pytest.mark.parametrize(("cell", "options"), CELLS)
@pytest.mark.parametrize("sizes", [{}, {"num_layers": 2, "bidirectional": True}])
def test_options_gates_and_shapes_are_gatecells(cell, options, sizes):
    """The benchmarks have a table of their own. An option that it lacks is in no benchmark."""
    case = Case(cell, 8, 3, **options, **sizes)
    in_core = {name: "none" if value is None else value for name, value in options.items()}
    spec = _core.Spec({"rnn": "rnn_tanh"}.get(cell, cell), 3, 8, **sizes, **in_core)
    assert case.gates == spec.gates
    suffixes = [(layer, suffix) for layer in range(case.num_layers) for suffix in ("", "_reverse")[: case.directions]]
    assert spec.shapes() == {
        f"{name}_l{layer}{suffix}": shape
        for layer, suffix in suffixes
        for name, shape in case.weight_shapes(layer).items()
    }
    defaults = {name: "none" if OPTIONS[name].values[0] is None else OPTIONS[name].values[0] for name in options}
    assert defaults == {name: _core.options()[name]["default"] for name in options}


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
