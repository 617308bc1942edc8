"""gatecell uses the options that a saved module or TorchScript holds beside weights: batch_first and nonlinearity."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gatecell
from gatecell._cli import main


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 6, batch_first=True)
        self.rnn = nn.RNN(6, 4, nonlinearity="relu", batch_first=True)
        self.gru = nn.GRU(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.gru(self.rnn(self.lstm(x)[0])[0])[0]
        return y


def script(model: Any, path: Path) -> None:
    torch.jit.save(torch.jit.script(model), path)


def trace(model: Any, path: Path) -> None:
    torch.jit.save(torch.jit.trace(model, torch.ones(2, 3, 5)), path)


SAVES: list[Callable[[Any, Path], None]] = [torch.save, script, trace]


@pytest.fixture(params=SAVES, ids=["save", "script", "trace"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Model, Path]:
    model = Model().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        request.param(model, tmp_path / "a.pt")
    return model, tmp_path / "a.pt"


def test_outputs_are_the_outputs_of_the_module(saved: tuple[Model, Path]) -> None:
    model, path = saved
    x = np.random.default_rng(0).standard_normal((2, 3, 5)).astype(np.float32)
    weights = gatecell.load(path)
    for source in (
        lambda cls, name: cls.from_file(path, prefix=name),
        lambda cls, name: cls.from_state_dict(weights, prefix=name),
    ):
        y: Any = x
        for cls, name in ((gatecell.LSTM, "lstm"), (gatecell.RNN, "rnn"), (gatecell.GRU, "gru")):
            y = source(cls, name)(y)[0]
        np.testing.assert_allclose(y, model(torch.from_numpy(x)).detach().numpy(), atol=1e-6)


def test_given_options_win_over_the_file(saved: tuple[Model, Path]) -> None:
    _, path = saved
    net = gatecell.RNN.from_file(path, prefix="rnn", batch_first=False, nonlinearity="tanh")
    assert (net.batch_first, net.nonlinearity) == (False, "tanh")


def test_no_option_is_left_to_choose(saved: tuple[Model, Path], capsys: pytest.CaptureFixture[str]) -> None:
    _, path = saved
    found = {layer.prefix: (str(layer), layer.choose) for layer in gatecell.find_layers(gatecell.load(path))}
    assert found == {
        "lstm.": ("LSTM(5, 6, batch_first=True)", ()),
        "rnn.": ("RNN(6, 4, batch_first=True, nonlinearity='relu')", ()),
        "gru.": ("GRU(4, 3)", ()),
    }
    assert main(["info", str(path)]) == 0
    assert "not in the file" not in capsys.readouterr().out


def test_commands_use_the_options(
    saved: tuple[Model, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, path = saved
    x = np.random.default_rng(0).standard_normal((2, 3, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    words = ["run", str(path), str(tmp_path / "x.npy"), str(tmp_path / "y.npy"), "--layer", "rnn"]
    assert main(words) == 0
    expected = model.rnn(torch.from_numpy(x))[0].detach().numpy()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-6)
    assert main([*words, "--force", "--no-batch-first"]) == 0
    expected = model.rnn(torch.from_numpy(x).transpose(0, 1))[0].transpose(0, 1).detach().numpy()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-6)
    for against in ("float64", "torch"):
        assert main(["verify", str(path), "--against", against]) == 0
    assert main(["bench", str(path), "-T", "2", "-B", "3"]) == 0
    assert "FAILED" not in capsys.readouterr().out


def test_a_cell_has_its_nonlinearity(tmp_path: Path) -> None:
    theirs = nn.RNNCell(3, 4, nonlinearity="relu")
    torch.save(theirs, tmp_path / "a.pt")
    ours = gatecell.RNNCell.from_file(tmp_path / "a.pt")
    x = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(ours(x), theirs(torch.from_numpy(x)).detach().numpy(), atol=1e-6)


def test_a_file_may_have_some_of_the_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trace of packed input shows bidirectional, but not batch_first. The class of a user may reset h anywhere."""

    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(5, 6, batch_first=True)

        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
            h: torch.Tensor = self.lstm(packed)[1][0]
            return h

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(Packed().eval(), (torch.ones(2, 3, 5), torch.tensor([3, 2]))), tmp_path / "a.pt")
    (layer,) = gatecell.find_layers(gatecell.load(tmp_path / "a.pt"))
    assert layer.choose == ("batch_first",)
    torch.save(nn.ModuleDict({"torchs": nn.GRUCell(3, 4), "own": OwnGRU()}), tmp_path / "b.pt")
    torchs, own = gatecell.find_layers(gatecell.load(tmp_path / "b.pt"))
    assert torchs.choose == ()
    assert own.choose == ("reset ('after' in PyTorch; 'before')", "or an LSTM with coupled_gates=True")


class OwnGRU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.batch_first = True
        for name, value in nn.GRU(3, 4).state_dict().items():
            self.register_parameter(name, nn.Parameter(value))
