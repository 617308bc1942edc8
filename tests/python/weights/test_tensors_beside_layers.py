"""Promise 7 (no wrong number without a word): tensors near a layer that may change its results are errors.

Every way to load refuses them. find_layers and the commands name them; a command needs an option to continue. torch's
own tools make these tensors where torch has such a tool. Where the test can follow the cure of the message, it gets
torch's outputs.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import gatecell
from gatecell._cli import main

P = "model.rnn."


def lstm() -> Any:
    return nn.LSTM(5, 6)


def changed(change: Callable[[Any], object]) -> dict[str, Any]:
    module = lstm()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.nn.utils.weight_norm is deprecated
        change(module)
    return {P + name: tensor.detach() for name, tensor in module.state_dict().items()}


def plain(**more: Any) -> dict[str, Any]:
    return changed(lambda module: None) | {name.replace("__", "."): tensor for name, tensor in more.items()}


RAW = torch.randn(24, 6)
WEIGHT = "weight_hh_l0"
# A state dict, a name in it that gatecell does not understand, and the cure.
COMPLETE: dict[str, tuple[dict[str, Any], str, str]] = {  # all plain weights exist
    "scaled": (plain() | {P + f"{WEIGHT}_scale": torch.tensor(-1.3)}, f"{P}{WEIGHT}_scale", "weight * exp(scale)"),
    "quantised": (
        plain() | {P + f"{WEIGHT}_scale": torch.ones(24), P + f"{WEIGHT}_zero_point": torch.zeros(24)},
        f"{P}{WEIGHT}_zero_point",
        "quantised: save the weights before",
    ),
    "weight drop": (plain() | {P + f"{WEIGHT}_raw": RAW}, f"{P}{WEIGHT}_raw", "the one named _raw"),
    "weight drop, one level up": (
        plain() | {f"model.{WEIGHT}_raw": RAW},
        f"model.{WEIGHT}_raw",
        "the one named _raw",
    ),
    "weight drop, at the top": (plain() | {f"{WEIGHT}_raw": RAW}, f"{WEIGHT}_raw", "the one named _raw"),
    "a mask that is not applied": (plain() | {P + f"{WEIGHT}_mask": RAW.gt(0)}, f"{P}{WEIGHT}_mask", "prune.remove"),
    "layer norm inside": (plain() | {P + "norm.weight": torch.ones(6)}, P + "norm.weight", "unexpected"),
    "adapter inside": (plain() | {P + "lora_A.weight_hh_l0": RAW}, P + "lora_A.weight_hh_l0", "merge_and_unload()"),
    "learned state": (plain() | {P + "h0": torch.ones(1, 1, 6)}, P + "h0", "unexpected"),
}
REPLACED: dict[str, tuple[dict[str, Any], str, str]] = {  # another tensor replaces a weight
    "weight norm": (
        changed(lambda module: nn.utils.weight_norm(module, WEIGHT)),
        f"{P}{WEIGHT}_g",
        f"remove_weight_norm(module, '{WEIGHT}')",
    ),
    "new weight norm": (
        changed(lambda module: parametrizations.weight_norm(module, WEIGHT)),
        f"{P}parametrizations.{WEIGHT}.original0",
        f"remove_parametrizations(module, '{WEIGHT}')",
    ),
    "spectral norm": (
        changed(lambda module: nn.utils.spectral_norm(module, WEIGHT)),
        f"{P}{WEIGHT}_orig",
        f"remove_spectral_norm(module, '{WEIGHT}')",
    ),
    "new spectral norm": (
        changed(lambda module: parametrizations.spectral_norm(module, WEIGHT)),
        f"{P}parametrizations.{WEIGHT}.original",
        f"remove_parametrizations(module, '{WEIGHT}')",
    ),
    "pruned": (
        changed(lambda module: prune.random_unstructured(module, WEIGHT, 0.5)),
        f"{P}{WEIGHT}_mask",
        f"prune.remove(module, '{WEIGHT}')",
    ),
    "weight drop without a copy": (
        {name: tensor for name, tensor in plain().items() if WEIGHT not in name} | {P + f"{WEIGHT}_raw": RAW},
        f"{P}{WEIGHT}_raw",
        "the one named _raw",
    ),
}
ALL = COMPLETE | REPLACED


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.ones((3, 5), np.float32))
    return tmp_path / "x.npy"


def command(words: list[str], file: Path, sequence: Path) -> list[str]:
    name, *options = words
    return [name, str(file), *([str(sequence), str(file.with_suffix(".npy"))] if name == "run" else []), *options]


@pytest.mark.parametrize("name", ALL)
def test_every_way_to_load_is_an_error_with_the_cure(name: str, tmp_path: Path) -> None:
    state_dict, other, cure = ALL[name]
    torch.save(state_dict, tmp_path / "a.pt")
    ours = gatecell.LSTM(5, 6)
    for load in (
        lambda: gatecell.LSTM.from_state_dict(state_dict, prefix=P),
        lambda: gatecell.LSTM.from_file(tmp_path / "a.pt", prefix=P),
        lambda: gatecell.LSTM.from_state_dict(gatecell.load(tmp_path / "a.pt"), prefix=P),
        lambda: gatecell.LSTM.from_state_dict(gatecell.load(tmp_path / "a.pt", prefix=P), prefix=P),
        lambda: ours.load_state_dict(state_dict, prefix=P),
    ):
        with pytest.raises(ValueError, match="does not fit") as caught:
            load()
        assert cure in str(caught.value)
        assert other in str(caught.value) or name in REPLACED  # missing keys come first in the message


@pytest.mark.parametrize("name", COMPLETE)
def test_not_strict_ignores_them(name: str, tmp_path: Path) -> None:
    state_dict, _, _ = COMPLETE[name]
    torch.save(state_dict, tmp_path / "a.pt")
    theirs = lstm()
    theirs.load_state_dict({key: state_dict[P + key] for key in theirs.state_dict()})
    x = np.ones((3, 5), np.float32)
    expected = theirs(torch.from_numpy(x))[0].detach().numpy()
    for net in (
        gatecell.LSTM.from_state_dict(state_dict, prefix=P, strict=False),
        gatecell.LSTM.from_file(tmp_path / "a.pt", prefix=P, strict=False),
    ):
        np.testing.assert_allclose(net(x)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    "words", [["verify"], ["bench", "-T", "2"], ["run"], ["run", "--layer", P], ["verify", "--prefix", P]]
)
@pytest.mark.parametrize("name", ALL)
def test_commands_refuse(
    name: str, words: list[str], tmp_path: Path, sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_dict, other, cure = ALL[name]
    torch.save(state_dict, tmp_path / "a.pt")
    assert main(command(words, tmp_path / "a.pt", sequence)) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert cure in err
    assert other in err or name in REPLACED
    assert ("--no-strict" in err) == (name in COMPLETE)
    assert "strict=False" not in err  # the advice for Python


def test_commands_offer_no_strict_only_where_it_helps(
    tmp_path: Path, sequence: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(plain() | {P + "h0": torch.ones(1, 1, 6)}, tmp_path / "a.pt")
    words = command(["verify"], tmp_path / "a.pt", sequence)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise ValueError("another reason")

    monkeypatch.setattr(gatecell.LSTM, "from_state_dict", fail)
    assert main(words) == 1
    assert capsys.readouterr().err.endswith(": another reason\n")
    monkeypatch.setattr(gatecell.LSTM, "from_state_dict", lambda *args, **kwargs: None)
    assert main(words) == 1
    err = capsys.readouterr().err
    assert P + "h0" in err
    assert "--no-strict" in err


@pytest.mark.parametrize("words", [["verify"], ["run"]])
def test_commands_continue_with_an_option(
    words: list[str], tmp_path: Path, sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_dict = plain() | {P + f"{WEIGHT}_scale": torch.tensor(-1.3), f"other.{WEIGHT}_raw": RAW}
    torch.save(state_dict, tmp_path / "a.pt")
    assert main(command([*words, "--no-strict"], tmp_path / "a.pt", sequence)) == 0
    assert main(command(words, tmp_path / "a.pt", sequence)) == 1
    assert "'other.' cannot be read: missing" in capsys.readouterr().err


@pytest.mark.parametrize("name", ALL)
def test_info_and_find_layers_name_them(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state_dict, other, cure = ALL[name]
    layers = gatecell.find_layers(state_dict)
    torch.save(state_dict, tmp_path / "a.pt")
    assert main(["info", str(tmp_path / "a.pt"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert main(["info", str(tmp_path / "a.pt")]) == 0
    text = capsys.readouterr().out
    if name in COMPLETE:
        (layer,) = layers
        assert other in layer.beside
        assert other in repr(layer)
        assert facts["layers"][0]["beside"] == list(layer.beside)
        assert f"not understood beside it: {layer.beside[0]}" in text
    else:
        assert layers == []
        assert cure in layers.refused[P]
        assert facts["refused"] == layers.refused
        assert f"cannot be read: missing: {P}{WEIGHT}" in text


def test_a_cure_leads_to_torchs_outputs() -> None:
    """The cures for a scaled layer and for the raw matrix of weight drop."""
    for other, follow in (
        ({f"{WEIGHT}_scale": torch.tensor(-1.3)}, lambda sd: {WEIGHT: sd[WEIGHT] * np.exp(-1.3)}),
        ({f"{WEIGHT}_raw": RAW}, lambda sd: {WEIGHT: sd[f"{WEIGHT}_raw"]}),
    ):
        theirs = lstm()
        state_dict = {**theirs.state_dict(), **other}
        cured = {name: tensor for name, tensor in (state_dict | follow(state_dict)).items() if name not in other}
        theirs.load_state_dict(cured)
        x = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
        expected = theirs(torch.from_numpy(x))[0].detach().numpy()
        np.testing.assert_allclose(gatecell.LSTM.from_state_dict(cured)(x)[0], expected, atol=1e-6)


def paddle(num_layers: int = 2, bidirectional: bool = True) -> tuple[Any, dict[str, Any]]:
    """A state dict as PaddlePaddle saves it: each weight has a second name, which it has in its cell."""
    theirs = nn.LSTM(5, 6, num_layers, bidirectional=bidirectional)
    state_dict = {f"neck.lstm.{name}": tensor.numpy().copy() for name, tensor in theirs.state_dict().items()}
    for layer in range(num_layers):
        cells = {"cell_fw": "", "cell_bw": "_reverse"} if bidirectional else {"cell": ""}
        for cell, direction in cells.items():
            for weight in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                own = theirs.state_dict()[f"{weight}_l{layer}{direction}"]
                state_dict[f"neck.lstm.{layer}.{cell}.{weight}"] = own.numpy().copy()
    return theirs, state_dict


@pytest.mark.parametrize("bidirectional", [False, True])
def test_second_names_of_equal_tensors_are_understood(bidirectional: bool, tmp_path: Path) -> None:
    theirs, state_dict = paddle(bidirectional=bidirectional)
    np.savez(tmp_path / "a.npz", **state_dict)
    x = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    expected = theirs(torch.from_numpy(x))[0].detach().numpy()
    for net in (
        gatecell.LSTM.from_state_dict(state_dict, prefix="neck.lstm"),
        gatecell.LSTM.from_file(tmp_path / "a.npz", prefix="neck.lstm"),
    ):
        np.testing.assert_allclose(net(x)[0], expected, atol=1e-6)
    (layer,) = gatecell.find_layers(state_dict)
    assert (layer.prefix, layer.num_layers, layer.beside) == ("neck.lstm.", 2, ())


@pytest.mark.parametrize("key", ["neck.lstm.0.cell_fw.weight_ih", "neck.lstm.1.cell_bw.bias_hh"])
def test_second_names_of_other_values_are_not(key: str) -> None:
    _, state_dict = paddle()
    for other in (
        state_dict[key] + np.float32(1e-3),
        np.nextafter(state_dict[key], np.float32(2)),
        state_dict[key][:-1],
    ):
        with pytest.raises(ValueError, match="unexpected: " + key):
            gatecell.LSTM.from_state_dict(state_dict | {key: other}, prefix="neck.lstm")
        assert gatecell.find_layers(state_dict | {key: other})[0].beside == (key,)


def test_an_equal_tensor_of_another_kind_is_not_understood() -> None:
    """Zeros are equal to other zeros, but they may have another purpose."""
    state_dict = {name: torch.zeros_like(tensor) for name, tensor in lstm().state_dict().items()}
    for name in ("norm.bias", "bias_ih_l0_scale_of_another", "weight"):
        extra = {name: torch.zeros(24)}
        # Its name is derived from a weight and it is equal, so it cannot change the weight.
        if name.startswith("bias_ih"):
            gatecell.LSTM.from_state_dict(state_dict | extra)
        else:
            with pytest.raises(ValueError, match="unexpected: " + name):
                gatecell.LSTM.from_state_dict(state_dict | extra)


def test_layers_in_modules_around_a_layer_are_understood() -> None:
    """Names of weights are not names derived from weights."""
    outer = {f"a.{name}": tensor for name, tensor in nn.GRU(3, 4, 2, bidirectional=True).state_dict().items()}
    inner = {f"a.b.{name}": tensor for name, tensor in nn.GRU(3, 4).state_dict().items()}
    layers = {layer.prefix: layer for layer in gatecell.find_layers(outer | inner)}
    assert layers["a.b."].beside == ()
    assert layers["a."].beside == tuple(sorted(inner))
    gatecell.GRU.from_state_dict(outer | inner, prefix="a.b")


def test_a_second_name_in_another_type_or_with_nan_is_understood() -> None:
    _, state_dict = paddle()
    key = "neck.lstm.0.cell_fw.weight_ih"
    gatecell.LSTM.from_state_dict(state_dict | {key: state_dict[key].astype(np.float64)}, prefix="neck.lstm")
    state_dict["neck.lstm.weight_ih_l0"][0, 0] = state_dict[key][0, 0] = np.nan
    gatecell.LSTM.from_state_dict(state_dict, prefix="neck.lstm")


@pytest.mark.parametrize("tied", ["_l1", "_l0_reverse"])
def test_tied_layers_are_no_second_names(tied: str) -> None:
    """As in torch: a smaller network refuses the weights of more layers or directions, even if they are equal."""
    options: dict[str, Any] = {"num_layers": 2} if tied == "_l1" else {"bidirectional": True}
    state_dict = dict(nn.LSTM(8, 8, **options).state_dict())
    for name in list(state_dict):
        if name.endswith(tied):
            state_dict[name] = state_dict[name.removesuffix(tied) + "_l0"].clone()
    for ours in (nn.LSTM(8, 8), gatecell.LSTM(8, 8)):
        with pytest.raises((RuntimeError, ValueError), match=r"(?i)unexpected"):
            ours.load_state_dict(state_dict)


def test_another_layer_outside_the_prefix_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = {f"{name}.{key}": tensor for name in ("enc", "dec") for key, tensor in lstm().state_dict().items()}
    torch.save(both, tmp_path / "a.pt")
    gatecell.save(tmp_path / "a.safetensors", both)
    for name in ("a.pt", "a.safetensors"):
        layers = gatecell.find_layers(gatecell.load(tmp_path / name, prefix="enc"))
        assert ([layer.prefix for layer in layers], layers.refused) == (["enc."], {})
        assert main(["verify", str(tmp_path / name), "--prefix", "enc"]) == 0
    assert capsys.readouterr().err == ""


class Scaled(nn.LSTM):
    """Its scales are not in its state dict, but in the module that is saved."""

    def __init__(self) -> None:
        super().__init__(5, 6)
        self.register_buffer("weight_ih_l0_scale", torch.tensor(-1.3), persistent=False)
        self.weight_hh_l0_mask = torch.ones(24, 6)


def test_tensors_that_a_saved_module_holds_outside_its_state_dict(
    tmp_path: Path, sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(nn.ModuleDict({"rnn": Scaled(), "plain": lstm()}), tmp_path / "a.pt")
    scaled, clean = gatecell.find_layers(gatecell.load(tmp_path / "a.pt"))
    assert (scaled.beside, clean.beside) == (("rnn.weight_hh_l0_mask", "rnn.weight_ih_l0_scale"), ())
    gatecell.LSTM.from_file(tmp_path / "a.pt", prefix="plain")
    with pytest.raises(ValueError, match=r"unexpected: rnn\.weight_ih_l0_scale(.|\n)*exp\(scale\)"):
        gatecell.LSTM.from_file(tmp_path / "a.pt", prefix="rnn")
    for words in (["verify"], ["run", "--layer", "rnn"]):
        assert main(command(words, tmp_path / "a.pt", sequence)) == 1
        assert "rnn.weight_ih_l0_scale" in capsys.readouterr().err
    assert main(command(["run", "--layer", "plain"], tmp_path / "a.pt", sequence)) == 0


def test_an_adapter_around_the_layer() -> None:
    """With the names of PEFT: base_layer holds the original layer, and the tensors beside it change its results."""
    state_dict = {name.replace(P, P + "base_layer."): tensor for name, tensor in plain().items()}
    adapter = {P + "lora_A.default.weight": torch.ones(4, 5), P + "lora_B.default.weight": torch.ones(24, 4)}
    gatecell.LSTM.from_state_dict(state_dict, prefix=P + "base_layer")
    with pytest.raises(ValueError, match=r"lora_A(.|\n)*merge_and_unload"):
        gatecell.LSTM.from_state_dict(state_dict | adapter, prefix=P + "base_layer")
    (layer,) = gatecell.find_layers(state_dict | adapter)
    assert layer.beside == tuple(adapter)


def test_names_that_contain_a_weights_name() -> None:
    for other in ("model.raw_weight_hh_l0", "model.module_weight_hh_l0_raw", "model.rnn_weight_hh_l0_mask"):
        with pytest.raises(ValueError, match="unexpected: " + other):
            gatecell.LSTM.from_state_dict(plain() | {other: RAW}, prefix=P)


@pytest.mark.filterwarnings("ignore:torch.quantize")
def test_what_numpy_cannot_view_is_named_and_can_be_ignored() -> None:
    for other in (torch.ones(24, 6).to_sparse(), torch.quantize_per_tensor(RAW, 0.1, 0, torch.qint8)):
        state_dict = plain() | {P + f"{WEIGHT}_mask": other}
        with pytest.raises(ValueError, match=f"unexpected: {P}{WEIGHT}_mask"):
            gatecell.LSTM.from_state_dict(state_dict, prefix=P)
        gatecell.LSTM.from_state_dict(state_dict, prefix=P, strict=False)
        assert gatecell.find_layers(state_dict)[0].beside == (P + f"{WEIGHT}_mask",)


def test_a_layer_in_another_form_is_missing() -> None:
    """A second layer has only weight-normed matrices. Its weights are missing, even if unexpected keys are ignored."""
    module = nn.LSTM(5, 6, 2)
    for name in ("weight_ih_l1", "weight_hh_l1"):
        parametrizations.weight_norm(module, name)
    with pytest.raises(ValueError, match="missing: weight_ih_l1"):
        gatecell.LSTM.from_state_dict(module.state_dict(), strict=False)


def test_a_checkpoint_as_torch_load_gives_it() -> None:
    layers = gatecell.find_layers({"state_dict": plain(), "epoch": 3})
    assert (layers, list(layers.refused)) == ([], ["state_dict."])
    assert "pass state_dict['state_dict']" in layers.refused["state_dict."]


def test_many_layers_take_no_longer_each() -> None:
    """The number of name comparisons grows with the number of layers, not with its square."""
    counted = 0

    class Name(str):
        __slots__ = ()

        def startswith(self, *args: Any) -> bool:
            nonlocal counted
            counted += 1
            return super().startswith(*args)

    def count(layers: int) -> int:
        nonlocal counted
        counted = 0
        cell = nn.GRUCell(1, 1).state_dict()
        names = {Name(f"model.{number}.{name}"): tensor for number in range(layers) for name, tensor in cell.items()}
        assert len(gatecell.find_layers(names)) == layers
        return counted

    assert count(400) < 4.5 * count(100)
