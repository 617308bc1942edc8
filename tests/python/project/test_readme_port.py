"""The README's diff of a model class is true: both sides run, on the same file, and agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

README = (Path(__file__).parents[3] / "README.md").read_text()


def side(removed: str) -> dict[str, Any]:
    """What the lines of one side of the diff define: those of the other begin with `removed`."""
    [diff] = re.findall(r"```diff\n(.*?)```", README, re.DOTALL)
    lines = [line[1:] for line in diff.split("\n") if not line.startswith(removed)]
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    return names


def test_both_sides_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    head = torch.nn.ModuleDict({"head": torch.nn.Linear(256, 5), "embedding": torch.nn.Embedding(1000, 64)})
    head["lstm"] = torch.nn.LSTM(64, 128, num_layers=2, batch_first=True, bidirectional=True)
    torch.save(head.state_dict(), "model.pt")
    theirs, ours = side("+")["model"], side("-")["model"]
    tokens, lengths = np.random.default_rng(0).integers(0, 1000, (3, 7)), np.array([4, 7, 1])
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(tokens), torch.from_numpy(lengths)).numpy()
    np.testing.assert_allclose(ours(tokens, lengths), expected, atol=1e-6)


def test_the_table_names_what_there_is() -> None:
    """Each name in the second column exists; each layer and function there is stands in the table."""
    from gatecell import nn

    table = README.partition("| `gatecell.nn` has |")[2].partition("\n\n")[0]
    has = {row.split("|")[1].strip(): re.findall(r"`(\w+)", row.split("|")[2]) for row in table.split("\n")[2:]}
    spaces: dict[str, Any] = {"nn.functional": nn.functional, "nn.init": nn.init, "nn.utils.rnn": nn.utils.rnn}
    for row, space in {**spaces, "Module": None}.items():
        for name in has.pop(f"`{row}`"):
            assert hasattr(space or nn.Module, name) or hasattr(nn, name) or name == "prefix", name
    listed = {name for names in has.values() for name in names if name[0].isupper()}
    cells = {"LSTMCell", "GRUCell", "RNNCell"}
    assert listed | cells | {"Module", "Parameter", "functional", "init", "utils"} == set(nn.__all__)
