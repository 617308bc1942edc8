"""accelerate: which modules are replaced, and that a replaced module keeps its properties and its results.

Models are equal before and after, in training too.
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gatecell
from helpers.accelerated import (
    MISSING,
    REPARAMETRIZED,
    OwnForward,
    X,
    accelerated,
    assert_close,
    assert_same,
    run,
    small,
)

KINDS = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")


# Modules that are not replaced.


class Pickled(torch.nn.GRU):
    def __reduce__(self) -> Any:
        return Pickled, (3, 4)


class Inheriting(torch.nn.GRU):
    """A class that inherits torch's forward."""

    def __init__(self) -> None:
        super().__init__(3, 4)
        self.note = "kept"


def instance_forward() -> torch.nn.Module:
    module = small()
    module.forward = lambda x: x  # type: ignore[method-assign]
    return module


def changed(name: str) -> torch.nn.Module:
    module = small()
    REPARAMETRIZED[name](module)
    return module


OTHERS: dict[str, tuple[Callable[[], torch.nn.Module], str]] = {
    "own forward": (lambda: OwnForward(3, 4), "OwnForward has its own forward"),
    "own reduce": (lambda: Pickled(3, 4), "Pickled has its own __reduce__"),
    "instance's forward": (instance_forward, "it has its own forward"),
    "parametrized": (lambda: changed("parametrized"), "parametrized"),
    "pruned": (lambda: changed("pruned"), MISSING),
    "weight-normed": (lambda: changed("weight-normed"), MISSING),
    "scripted": (lambda: torch.jit.script(small()), "scripted"),
    "quantizable": (lambda: torch.ao.nn.quantizable.LSTM(3, 4), "LSTM, not torch.nn's"),
    "half": (lambda: small().half(), "weights of torch.float16"),
    "meta": (lambda: small().to("meta"), "weights on another device"),
}


@pytest.mark.filterwarnings(
    "ignore:.*weight_norm.* is deprecated:FutureWarning", "ignore:.*torch.jit.*is deprecated:DeprecationWarning"
)
@pytest.mark.parametrize("name", OTHERS)
def test_other_modules_are_not_replaced(name: str) -> None:
    make, reason = OTHERS[name]
    module = make().eval()
    kind, state = type(module), set(vars(module))
    same, report = gatecell.accelerate(torch.nn.Sequential(module))
    entry = report.modules["0"]
    assert not entry.replaced
    assert entry.reason.endswith(reason)
    assert (entry.served, entry.fell_back) == (0, {})
    assert reason in str(report)
    assert same[0] is module
    assert (type(module), set(vars(module))) == (kind, state)


def test_a_derived_class_keeps_its_own_name_and_attributes() -> None:
    module, entry = accelerated(Inheriting())
    copied = pickle.loads(pickle.dumps(module))
    for one in (module, copied):
        assert isinstance(one, Inheriting)
        assert (type(one).__name__, one.note) == ("Inheriting", "kept")
        assert_same(run(one), run(module))
    assert entry.served == 3


def test_arguments_that_are_no_models_are_errors() -> None:
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, got OrderedDict"):
        gatecell.accelerate(small().state_dict())
    with pytest.raises(ValueError, match="expected a number of threads of at least 1"):
        gatecell.accelerate(small(), num_threads=0)


# A replaced module keeps its properties.


@pytest.mark.parametrize("kind", KINDS)
def test_a_replaced_module_keeps_its_properties(kind: str) -> None:
    module, like = small(kind), small(kind)
    parameters, keys = list(module.parameters()), set(vars(module))
    state = module.state_dict()
    same, report = gatecell.accelerate(module)
    assert same is module
    assert isinstance(module, getattr(torch.nn, kind))
    assert repr(module) == repr(like)
    assert (module.hidden_size, module.input_size) == (4, 3)
    assert all(a is b for a, b in zip(module.parameters(), parameters, strict=True))
    assert list(module.state_dict()) == list(state)
    assert_same(tuple(module.state_dict().values()), tuple(state.values()))
    assert list(module.named_buffers()) == list(module.named_children()) == []
    if kind in KINDS[:3]:
        module.flatten_parameters()
        assert all(a is b for a, b in zip(module.all_weights[0], parameters, strict=True))
    report.restore()
    report.restore()
    assert type(module) is getattr(torch.nn, kind)
    assert set(vars(module)) == keys


def test_forward_hooks_run() -> None:
    module, entry = accelerated(small())
    seen = []
    module.register_forward_pre_hook(lambda module, args: (2 * args[0],))
    module.register_forward_hook(lambda module, args, result: seen.append(args) or (result[0] + 1, result[1]))
    y, h = run(small(), 2 * X)
    assert_close(run(module), (y + 1, h))
    assert_same(seen[0][0], 2 * X)
    assert entry.served == 1


def saved(module: Any) -> Any:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "torch.save": saved,
    **{f"pickle {n}": lambda module, n=n: pickle.loads(pickle.dumps(module, n)) for n in (2, pickle.HIGHEST_PROTOCOL)},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", COPIES)
def test_copies_are_accelerated_and_their_own(how: str, kind: str) -> None:
    x = X if kind in KINDS[:3] else X[0]
    module, report = gatecell.accelerate(small(kind), num_threads=1)
    expected = run(module, x)
    twin = COPIES[how](module)
    assert type(twin) is type(module)
    assert_same(run(twin, x), expected)
    assert report.modules[""].served == 1
    _, of_twin = gatecell.accelerate(twin)
    assert of_twin.modules[""].served == 1
    if how != "copy":  # a shallow copy shares the weights
        with torch.no_grad():
            next(twin.parameters()).mul_(2)
        assert_same(run(module, x), expected)
    of_twin.restore()
    assert type(twin) is getattr(torch.nn, kind)
    assert type(module) is not type(twin)


def test_shared_modules_are_replaced_once() -> None:
    shared = small()
    model = torch.nn.ModuleDict({"a": shared, "b": shared, "c": torch.nn.Sequential(small("LSTM"))})
    _, report = gatecell.accelerate(model)
    assert list(report.modules) == ["a", "c.0"]
    run(model["b"])
    _, again = gatecell.accelerate(model, num_threads=1)
    assert again.modules["a"].replaced
    run(shared)
    assert report.modules["a"].served == again.modules["a"].served == 2
    again.restore()
    assert [type(module) for module in (shared, model["c"][0])] == [torch.nn.GRU, torch.nn.LSTM]


class First(torch.nn.Module):
    """Returns the first output of a layer, which is the input of the next module of a Sequential."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result = self.layer(x)
        return result[0] if isinstance(result, tuple) else result


@st.composite
def models(draw: st.DrawFn) -> tuple[torch.nn.Module, torch.Tensor]:
    """Draws a stack of layers, cells, linear layers and nested stacks, and an input for it. A layer may occur twice."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    size = first = draw(st.integers(1, 9))
    steps, rows = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    modules: list[torch.nn.Module] = []
    for _ in range(draw(st.integers(1, 4))):
        hidden = draw(st.integers(1, 9))
        kind = draw(st.sampled_from(["LSTM", "GRU", "RNN", "Linear", "Tanh", "GRUCell", "nested"]))
        if kind in KINDS[:3]:
            options = {"num_layers": draw(st.integers(1, 2)), "bidirectional": draw(st.booleans())}
            options |= {"batch_first": draw(st.booleans()), "bias": draw(st.booleans())}
            module: torch.nn.Module = First(getattr(torch.nn, kind)(size, hidden, **options))
            size = 2 * hidden if options["bidirectional"] else hidden
        elif kind == "Tanh":
            module = torch.nn.Tanh()
        elif kind == "nested":
            same = First(torch.nn.LSTM(size, size))
            module = torch.nn.Sequential(same, torch.nn.Dropout(0.5), same)
        elif kind == "GRUCell":
            module = torch.nn.Sequential(torch.nn.Flatten(0, 1), torch.nn.GRUCell(size, hidden))
            module.append(torch.nn.Unflatten(0, (steps, rows)))
            size = hidden
        else:
            module, size = torch.nn.Linear(size, hidden), hidden
        modules.append(module)
    return torch.nn.Sequential(*modules), torch.randn(steps, rows, first)


@settings(max_examples=60)
@given(models())
def test_any_model_gives_the_same_outputs(drawn: tuple[torch.nn.Module, torch.Tensor]) -> None:
    model, x = drawn
    expected = run(model.eval(), x)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    _, report = gatecell.accelerate(model)
    assert_close(run(model, x), expected)
    recurrent = [module for module in model.modules() if isinstance(module, (torch.nn.RNNBase, torch.nn.RNNCellBase))]
    assert len(report.modules) == len(recurrent)
    assert all(entry.replaced and entry.served and not entry.fell_back for entry in report.modules.values())
    assert_same(tuple(model.state_dict().values()), tuple(state.values()))
    report.restore()
    assert_same(run(model, x), expected)


@pytest.mark.parametrize("restore", [True, False])
def test_training_is_as_if_never_accelerated(restore: bool) -> None:
    def make() -> Any:
        torch.manual_seed(0)
        model = torch.nn.Sequential(First(torch.nn.LSTM(3, 8, 2, dropout=0.3)), torch.nn.Linear(8, 2))
        return model.eval()

    def train(model: Any) -> list[torch.Tensor]:
        torch.manual_seed(1)  # dropout draws random numbers
        optimizer, losses = torch.optim.Adam(model.train().parameters(), 0.01), []
        for _ in range(5):
            optimizer.zero_grad()
            losses.append(model(X).square().mean())
            losses[-1].backward()
            optimizer.step()
        return losses

    model, report = gatecell.accelerate(make())
    plain = make()
    assert_close(run(model), run(plain))
    if restore:
        report.restore()
    for _ in range(2):  # the second time the weights come from the first training
        assert_same(tuple(train(model)), tuple(train(plain)))
        assert_same(tuple(model.parameters()), tuple(plain.parameters()))
        assert_close(run(model.eval()), run(plain.eval()))
    assert report.modules["0.layer"].served == (1 if restore else 3)
