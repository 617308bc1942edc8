"""The pages name every public name and every layer and function of gatecell.nn. README.md stays short."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

import gatecell
import gatecell.nn.utils.rnn
from doc_blocks import ROOT

DOCS = ROOT / "python/docs"
LINKED = {  # names that a page of the reference has in backticks, with a link to their description or a sentence
    gatecell: {"gatecell.__version__", "gatecell.nn"},
    gatecell.nn: {"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "utils"},
    gatecell.nn.utils.rnn: {"PackedSequence", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence"},
}


@pytest.mark.parametrize(
    "module",
    [gatecell, gatecell.nn, gatecell.nn.functional, gatecell.nn.init, gatecell.nn.utils.rnn],
    ids=lambda module: module.__name__,
)
def test_the_reference_has_every_public_name(module: ModuleType) -> None:
    text = (DOCS / "api" / ("gatecell.md" if module is gatecell else "nn.md")).read_text(encoding="utf-8")
    described = re.findall(rf"^\.\. auto\w+:: {re.escape(module.__name__)}\.(\w+)$", text, re.MULTILINE)
    linked = LINKED.get(module, set())
    assert [name for name in linked if f"`{name}`" not in text] == []
    assert sorted([*described, *(name.removeprefix("gatecell.") for name in linked)]) == sorted(module.__all__)


def test_the_table_of_nn_names_every_layer_and_function() -> None:
    """Each name in the second column of the table exists. Each layer and function of gatecell.nn is in the table.

    The table does not name two groups: the functions of gatecell.nn.init, and those that compute what a layer computes.
    """
    from gatecell import nn

    table = (DOCS / "porting.md").read_text(encoding="utf-8").partition("| `gatecell.nn` has |")[2].partition("\n\n")[0]
    has = {row.split("|")[1].strip(): re.findall(r"`(\w+)", row.split("|")[2]) for row in table.split("\n")[2:]}
    methods, functions = set(has.pop("`Module`")), has.pop("`nn.functional`")
    assert {name for name in methods if not hasattr(nn.Module, name)} == {"Parameter", "prefix"}
    assert has.pop("`nn.init`") == []
    assert sorted(has.pop("`nn.utils.rnn`")) == sorted(set(nn.utils.rnn.__all__) - {"PackedSequence"})
    layers = {name for names in has.values() for name in names if name[0].isupper()}
    cells = {"LSTMCell", "GRUCell", "RNNCell"}
    assert layers | cells | {"Module", "Parameter", "functional", "init", "utils"} == set(nn.__all__)
    short = {name.lower().removesuffix("1d") for name in layers}
    of_layers = {name for name in nn.functional.__all__ if name.replace("_", "").removesuffix("1d") in short}
    assert of_layers.union(functions) == set(nn.functional.__all__)


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_readme_has_the_two_commands_that_ci_runs() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\npython3 -m venv") == 2
