"""Promise 7: no tensor of TorchScript or of a quantised module disappears without a word.

The oracles are the modules and torch.jit.load.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gatecell
from helpers import every_tensor
from helpers.every_tensor import content
from helpers.tensor_holders import t

pytestmark = pytest.mark.filterwarnings("ignore")  # torch.jit and torch.ao.quantization are deprecated


class Inner(nn.Module):
    """Holds tensors in each way that TorchScript supports. All of them are used."""

    listed: list[torch.Tensor]
    table: dict[str, torch.Tensor]
    pair: tuple[torch.Tensor, int]
    deep: list[dict[str, torch.Tensor]]
    maybe: torch.Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(t())
        self.register_buffer("running", t())
        self.register_buffer("cache", t(), persistent=False)
        self.plain = t()
        self.listed = [t(), t()]
        self.table = {"a.b": t()}
        self.pair = (t(), 2)
        self.deep = [{"c": t()}, {"d": t()}]
        self.maybe = t()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * self.weight + self.running + self.cache + self.plain + self.listed[0] * self.listed[1]
        x = x + self.table["a.b"] + self.pair[0] + self.deep[0]["c"] * self.deep[1]["d"]
        maybe = self.maybe
        if maybe is not None:
            x = x + maybe
        return x


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()
        self.again = Inner()
        self.lstm = nn.LSTM(2, 3, 2, bidirectional=True)
        self.gru = nn.GRU(6, 2)
        self.cell = nn.RNNCell(2, 2)
        self.conv = nn.Conv1d(2, 2, 1)
        self.norm = nn.BatchNorm1d(2).eval()
        self.head = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.gru(self.lstm(self.again(self.inner(x)))[0])[0]
        x = self.norm(self.conv(x.permute(1, 2, 0))).permute(2, 0, 1)
        return self.head(self.cell(x[0]) * torch.tensor([0.5, 0.25]))


Make = Callable[[nn.Module], Any]


def scripted(module: nn.Module) -> Any:
    return torch.jit.script(module.eval())


def traced(module: nn.Module) -> Any:
    return torch.jit.trace(module.eval(), torch.ones(4, 3, 2), check_trace=False)


def frozen(module: nn.Module) -> Any:
    return torch.jit.freeze(scripted(module))


def traced_frozen(module: nn.Module) -> Any:
    return torch.jit.freeze(traced(module))


def partly_frozen(module: nn.Module) -> Any:
    return torch.jit.freeze(scripted(module), preserved_attrs=["lstm", "inner"])


def optimised(module: nn.Module) -> Any:
    return torch.jit.optimize_for_inference(scripted(module))


def lite(make: Make) -> Make:
    """Saves the file that mobile applications read."""

    def made(module: nn.Module) -> Any:
        script = make(module)
        return type("Lite", (), {"save": staticmethod(script._save_for_lite_interpreter)})

    return made


FORMS: dict[str, Make] = {
    make.__name__: make for make in (scripted, traced, frozen, traced_frozen, partly_frozen, optimised)
}
FORMS |= {f"lite {make.__name__}": lite(make) for make in (scripted, traced, frozen, traced_frozen)}


def constants(loaded: Any) -> list[torch.Tensor]:
    """The tensors that are constants in the code of a module."""
    graph = loaded.inlined_graph
    nodes = [node for node in graph.findAllNodes("prim::Constant") if node.hasAttribute("value")]
    return [node.t("value") for node in nodes if node.kindOf("value") == "t"]


def attributes(loaded: Any, original: nn.Module) -> list[Any]:
    """The attributes of the original module that the loaded module still has."""
    names = {name for group in every_tensor.GROUPS for name in vars(original)[group]} | vars(original).keys()
    found = []
    for name in names:
        if not name.startswith("_") and hasattr(loaded, name):
            value = getattr(original, name)
            ours = getattr(loaded, name)
            found += attributes(ours, value) if isinstance(value, nn.Module) else [ours]
    return found


@pytest.mark.parametrize("form", FORMS)
def test_every_tensor_of_torchscript_is_found(form: str, tmp_path: Path) -> None:
    """Each tensor is in the result, or `skipped` has the path of the tensor in the original module."""
    model = Outer()
    FORMS[form](model).save(str(tmp_path / "a.pt"))
    loaded = torch.jit.load(tmp_path / "a.pt")
    expected = every_tensor.tensors([attributes(loaded, model), constants(loaded), loaded.state_dict()])
    if form != "optimised":  # in this form some weights are computed from the original ones
        expected += [*model.lstm.parameters(), *model.head.parameters()]
    ours = gatecell.load(tmp_path / "a.pt", check=True)
    found = {(array.shape, array.tobytes()) for array in ours.values()}
    named = [
        node for name in ours.skipped for node in every_tensor.objects_at(model, name) if every_tensor.is_tensor(node)
    ]
    found |= {content(tensor) for tensor in named}
    for tensor in expected:
        assert content(tensor) in found, (tensor, list(ours), ours.skipped)
    if "frozen" not in form and form != "optimised":
        assert {content(tensor) for tensor in every_tensor.tensors(model)} <= found


class Quantised(nn.Module):
    """A recurrent layer and a linear layer, to be quantised."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.rnn = kind(4, 4)
        self.norm = nn.LayerNorm(4)
        self.linear = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.norm(self.rnn(x)))


class QuantisedPair(Quantised):
    """The same with a layer that returns a pair."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.norm(self.rnn(x)[0]))


@pytest.mark.parametrize("form", ["zip", "legacy", "scripted", "frozen", "state dict"])
@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_quantised_modules_are_named_or_errors(kind: Any, dtype: torch.dtype, form: str, tmp_path: Path) -> None:
    """`skipped` names packed weights. Quantised tensors are an error that has their path."""
    model = (QuantisedPair if kind in (nn.LSTM, nn.GRU, nn.LSTMCell) else Quantised)(kind).eval()
    quantised = torch.ao.quantization.quantize_dynamic(model, {kind, nn.Linear}, dtype=dtype)
    packed = [node for node in every_tensor.tensors(quantised) if every_tensor.is_opaque(node)]
    assert packed
    path = tmp_path / "a.pt"
    if form in ("zip", "legacy"):
        torch.save(quantised, path, _use_new_zipfile_serialization=form == "zip")
        every_tensor.assert_every_tensor_found(quantised, path)
    elif form in ("scripted", "frozen"):
        script = torch.jit.script(quantised)
        torch.jit.save(script if form == "scripted" else torch.jit.freeze(script), path)
        skipped = [name for name, kind in gatecell.load(path).skipped.items() if "torch.classes" in kind]
        assert len(skipped) == len(packed)
        if form == "scripted":
            assert {id(node) for name in skipped for node in every_tensor.objects_at(quantised, name)} >= set(
                map(id, packed)
            )
    else:
        root = quantised.state_dict()
        torch.save(root, path)
        if dtype == torch.float16:
            every_tensor.assert_every_tensor_found(root, path)
            return
        name = "linear._packed_params._packed_params.0"
        assert [node.is_quantized for node in every_tensor.objects_at(root, name)] == [True]
        with pytest.raises(ValueError, match=re.escape(f"'{name}': a quantised tensor")):
            gatecell.load(path)
