"""The options of recurrent layers that a file has beside weights (Weights.options), compared with torch's modules."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import gatecell

pytestmark = pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated
CHOICES = [(False, False, "tanh"), (True, False, "relu")]  # Outer adds the opposite; so all pairs of flags occur
X = torch.linspace(-1, 1, 36).view(3, 3, 4)


class MyLSTM(nn.LSTM):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)[0]


class Inner(nn.Module):
    def __init__(self, batch_first: bool, bidirectional: bool, nonlinearity: str) -> None:
        super().__init__()
        how: Any = {"batch_first": batch_first, "bidirectional": bidirectional}
        self.lstm = nn.LSTM(4, 4, 2, dropout=0.1, **how)
        self.gru = nn.GRU(4, 4, **how)
        self.rnn = nn.RNN(4, 4, nonlinearity=nonlinearity, **how)
        self.lstm_cell = nn.LSTMCell(4, 4)
        self.gru_cell = nn.GRUCell(4, 4)
        self.rnn_cell = nn.RNNCell(4, 4, nonlinearity=nonlinearity)
        self.norm = nn.LayerNorm(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        rest = self.gru_cell(x[0]).sum() + self.rnn_cell(x[0]).sum() + self.lstm_cell(x[0])[0].sum()
        return self.lstm(x)[0].sum() + self.gru(x)[0].sum() + self.rnn(x)[0].sum() + rest


class Outer(nn.Module):
    """Has several modules of one class with different options."""

    def __init__(self, batch_first: bool, bidirectional: bool, nonlinearity: str) -> None:
        super().__init__()
        self.one = Inner(batch_first, bidirectional, nonlinearity)
        self.other = Inner(not batch_first, not bidirectional, "tanh" if nonlinearity == "relu" else "relu")
        self.rnn = nn.RNN(4, 4, nonlinearity=nonlinearity, batch_first=not batch_first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(x) + self.other(x) + self.rnn(x)[0].sum()


def expected(model: nn.Module) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path, module in model.named_modules():
        options: dict[str, Any] = {}
        if isinstance(module, nn.RNNBase):
            options = {"batch_first": module.batch_first, "bidirectional": module.bidirectional}
        if isinstance(module, (nn.RNN, nn.RNNCell)):
            options["nonlinearity"] = module.nonlinearity
        if type(module) in (nn.GRU, nn.GRUCell):  # for other classes it is unknown where the reset gate is
            options["reset"] = "after"
        if options:
            found[f"{path}." if path else ""] = options
    return found


FORMS: dict[str, Callable[[nn.Module, Path], None]] = {
    "zip": torch.save,
    "legacy": lambda model, path: torch.save(model, path, _use_new_zipfile_serialization=False),
    "protocol 4": lambda model, path: torch.save(model, path, pickle_protocol=4),
    "scripted": lambda model, path: torch.jit.save(torch.jit.script(model.eval()), path),
    "traced": lambda model, path: torch.jit.save(torch.jit.trace(model.eval(), X), path),
    "traced in training": lambda model, path: torch.jit.save(torch.jit.trace(model, X, check_trace=False), path),
    "lite": lambda model, path: torch.jit.script(model.eval())._save_for_lite_interpreter(str(path)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("choice", CHOICES)
def test_options_of_modules_are_torchs(choice: tuple[bool, bool, str], form: str, tmp_path: Path) -> None:
    model = Outer(*choice)
    FORMS[form](model, tmp_path / "a.pt")
    options_by_path = expected(model)
    assert len(options_by_path) == 11
    ours = gatecell.load(tmp_path / "a.pt", check=True)
    assert ours.options == options_by_path
    inner = gatecell.load(tmp_path / "a.pt", prefix="other")
    assert inner.options == {
        prefix: options for prefix, options in options_by_path.items() if prefix.startswith("other.")
    }
    assert gatecell.load(tmp_path / "a.pt", prefix="other.rnn").options == {"other.rnn.": options_by_path["other.rnn."]}
    layers = {layer.prefix: layer for layer in gatecell.find_layers(ours)}
    assert layers.keys() - options_by_path.keys() == {"one.lstm_cell.", "other.lstm_cell."}


@pytest.mark.parametrize("form", FORMS)
def test_options_of_a_single_layer(form: str, tmp_path: Path) -> None:
    for nonlinearity in ("tanh", "relu"):
        FORMS[form](layer := nn.RNN(4, 4, nonlinearity=nonlinearity, batch_first=True), tmp_path / "a.pt")
        assert gatecell.load(tmp_path / "a.pt").options == expected(layer)
        ours = gatecell.RNN.from_file(tmp_path / "a.pt")
        np.testing.assert_allclose(ours(X[:2].numpy())[0], layer(X[:2])[0].detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", ["zip", "legacy", "traced"])
def test_options_of_subclasses(form: str, tmp_path: Path) -> None:
    model = nn.Sequential(MyLSTM(4, 4, batch_first=True), MyLSTM(4, 4, bidirectional=True))
    FORMS[form](model, tmp_path / "a.pt")
    assert gatecell.load(tmp_path / "a.pt").options == expected(model)


@pytest.mark.parametrize("choice", CHOICES)
def test_options_of_preserved_layers_in_frozen_modules(choice: tuple[bool, bool, str], tmp_path: Path) -> None:
    model = Outer(*choice).eval()
    frozen = torch.jit.freeze(torch.jit.script(model), preserved_attrs=["rnn", "other"])
    torch.jit.save(frozen, tmp_path / "a.pt")
    options_by_path = {prefix: options for prefix, options in expected(model).items() if not prefix.startswith("one.")}
    assert gatecell.load(tmp_path / "a.pt").options == options_by_path


class Packed(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.layer(packed)[0])[0]


class PackedAndNot(Packed):
    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed: PackedSequence = pack_padded_sequence(x, lengths, True, False)
        return pad_packed_sequence(self.layer(packed)[0])[0].sum() + self.layer(x)[0].sum()


@pytest.mark.parametrize("trace", [True, False])
@pytest.mark.parametrize("choice", CHOICES)
def test_options_from_packed_sequences(choice: tuple[bool, bool, str], trace: bool, tmp_path: Path) -> None:
    """A trace that has only packed input does not show batch_first, because batch_first has no effect there."""
    batch_first, bidirectional, nonlinearity = choice
    how: Any = {"batch_first": batch_first, "bidirectional": bidirectional}
    x = X, torch.tensor([2, 3, 1])
    for layer in (nn.LSTM(4, 4, **how), nn.GRU(4, 4, **how), nn.RNN(4, 4, nonlinearity=nonlinearity, **how)):
        model = Packed(layer).eval()
        torch.jit.save(torch.jit.trace(model, x) if trace else torch.jit.script(model), tmp_path / "a.pt")
        options_by_path = expected(model)
        if trace:
            del options_by_path["layer."]["batch_first"]
        assert gatecell.load(tmp_path / "a.pt").options == options_by_path
    model = PackedAndNot(nn.LSTM(4, 4, **how)).eval()
    torch.jit.save(torch.jit.trace(model, x) if trace else torch.jit.script(model), tmp_path / "a.pt")
    assert gatecell.load(tmp_path / "a.pt").options == expected(model)


class RNNCell(nn.Module):
    """A class of a user with the name of torch's class. Its last function does not show the nonlinearity."""

    def __init__(self) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.ones(4, 4))
        self.weight_hh = nn.Parameter(torch.ones(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.tanh(x @ self.weight_ih) @ self.weight_hh)


def test_files_without_options(tmp_path: Path) -> None:
    model = Outer(True, True, "relu")
    torch.save(model.state_dict(), tmp_path / "a.pt")
    safetensors.torch.save_file(model.state_dict(), tmp_path / "a.safetensors")
    np.savez(tmp_path / "a.npz", **{name: tensor.numpy() for name, tensor in model.state_dict().items()})
    (tmp_path / "a.json").write_text('{"weight_map": {"rnn.weight_hh_l0": "a.pt"}}')
    torch.jit.save(torch.jit.trace(RNNCell(), X[0]), tmp_path / "cell.pt")
    torch.jit.save(torch.jit.freeze(torch.jit.script(model.eval())), tmp_path / "frozen.pt")
    for name in ("a.pt", "a.safetensors", "a.npz", "a.json", "cell.pt", "frozen.pt"):
        assert gatecell.load(tmp_path / name).options == {}, name
