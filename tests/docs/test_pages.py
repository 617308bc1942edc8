"""The pages say what there is: every public name, every layer of gatecell.nn; and README.md stays short."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

import gatecell
import gatecell.nn.utils.rnn
from doc_blocks import ROOT

DOCS = ROOT / "python/docs"
LINKED = {  # names that a page of the reference names with a link to where they are described
    gatecell: {"__version__", "nn"},
    gatecell.nn: {"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "functional", "init", "utils"},
    gatecell.nn.utils.rnn: {"PackedSequence", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence"},
}


@pytest.mark.parametrize(
    "module",
    [gatecell, gatecell.nn, gatecell.nn.functional, gatecell.nn.init, gatecell.nn.utils.rnn],
    ids=lambda module: module.__name__,
)
def test_the_reference_has_every_public_name(module: ModuleType) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    described = re.findall(rf"^\.\. auto\w+:: {re.escape(module.__name__)}\.(\w+)$", text, re.MULTILINE)
    linked = LINKED.get(module, set())
    modules = {name for name in described if isinstance(getattr(module, name), ModuleType)}
    assert sorted(set(described) - modules) == sorted(set(module.__all__) - linked)
    assert [name for name in linked if name not in text] == []


def test_the_table_of_nn_names_what_there_is() -> None:
    """Each name in the second column exists; each layer and function there is stands in the table."""
    from gatecell import nn

    table = (DOCS / "porting.md").read_text(encoding="utf-8").partition("| `gatecell.nn` has |")[2].partition("\n\n")[0]
    has = {row.split("|")[1].strip(): re.findall(r"`(\w+)", row.split("|")[2]) for row in table.split("\n")[2:]}
    spaces = {"nn.functional": nn.functional, "nn.init": nn.init, "nn.utils.rnn": nn.utils.rnn, "Module": None}
    for row, space in spaces.items():
        for name in has.pop(f"`{row}`"):
            assert hasattr(space or nn.Module, name) or hasattr(nn, name) or name == "prefix", name
    listed = {name for names in has.values() for name in names if name[0].isupper()}
    cells = {"LSTMCell", "GRUCell", "RNNCell"}
    assert listed | cells | {"Module", "Parameter", "functional", "init", "utils"} == set(nn.__all__)


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_readme_has_the_two_commands_that_ci_runs() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\npython3 -m venv") == 2
