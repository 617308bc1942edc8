"""Module: its tree, names and repr are torch's. It can be copied, and errors say in which module they arose."""

from __future__ import annotations

import copy
import pickle
import re
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from gatecell import nn
from helpers.fresh_process import run_script
from helpers.nn_models import TOKENS, Tagger, tagger, tagger_class, torch_tagger


def plain_repr(model: Any) -> str:
    return re.sub(r", isa='\w+', num_threads=\d+", "", repr(model))


ZOO: dict[str, Any] = {
    "a model": lambda nn: tagger_class(nn)(),
    "nothing": lambda nn: nn.Sequential(),
    "an empty list": lambda nn: nn.ModuleList(),
    "lists in lists": lambda nn: nn.ModuleList([nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2)]) for _ in range(2)]),
    "recurrent": lambda nn: nn.Sequential(
        nn.GRU(2, 3, bias=False), nn.RNN(3, 3, 2, "relu"), nn.LSTM(3, 4, proj_size=2)
    ),
    "cells": lambda nn: nn.ModuleList([nn.LSTMCell(2, 3), nn.GRUCell(2, 3), nn.RNNCell(2, 3, nonlinearity="relu")]),
    "convolutions": lambda nn: nn.Sequential(
        nn.Conv1d(1, 4, 3, padding="same"), nn.ConvTranspose1d(4, 1, 3, bias=False)
    ),
    "norms": lambda nn: nn.Sequential(nn.BatchNorm1d(4, affine=False), nn.LayerNorm(4), nn.BatchNorm1d(4)),
    "without statistics": lambda nn: nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False)),
    "no weights": lambda nn: nn.Sequential(nn.ReLU(), nn.Flatten(), nn.GELU(), nn.Tanh()),
}


@pytest.mark.parametrize("name", ZOO)
def test_names_are_torchs(name: str) -> None:
    theirs, ours = ZOO[name](torch.nn), ZOO[name](nn)
    assert plain_repr(ours) == repr(theirs)
    assert [path for path, _ in ours.named_modules()] == [path for path, _ in theirs.named_modules()]
    assert [type(module).__name__ for module in ours.modules()] == [
        type(module).__name__ for module in theirs.modules()
    ]
    for which in ("named_parameters", "named_buffers"):
        found, expected = dict(getattr(ours, which)()), dict(getattr(theirs, which)())
        assert list(found) == list(expected)
        assert [value.shape for value in found.values()] == [tuple(value.shape) for value in expected.values()]
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        assert state[key].dtype == value.numpy().dtype, key
        np.testing.assert_array_equal(state[key], value.numpy(), key)
    for (path, parameter), expected in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(parameter, expected.detach().numpy(), path)


def test_recurrent_layers_are_the_packages_own() -> None:
    for name in ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"):
        assert getattr(nn, name) is getattr(gatecell, name)
        assert issubclass(getattr(nn, name), nn.Module)


def test_calls_of_a_subclass_run_its_forward() -> None:
    def make(nn: Any) -> Any:
        class Summed(nn.LSTM):  # type: ignore[misc]
            def forward(self, x: Any, hx: Any = None) -> Any:
                y, _ = super().forward(x, hx)
                return y.sum(0)

        class Doubled(nn.GRUCell):  # type: ignore[misc]
            def forward(self, x: Any, hx: Any = None) -> Any:
                return 2 * super().forward(x, hx)

        return nn.Sequential(Summed(2, 3), Doubled(3, 4))

    theirs, ours = make(torch.nn), make(nn)
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((5, 1, 2)).astype(np.float32)
    np.testing.assert_allclose(ours(x), theirs(torch.from_numpy(x)).detach().numpy(), atol=1e-6)
    with pytest.raises(ValueError, match=r"^0 \(Summed\): expected input \(T, B, 2\)"):
        ours(x[:, :, :1])


def test_a_model_computes_what_torch_does() -> None:
    with torch.inference_mode():
        expected = torch_tagger()(torch.from_numpy(TOKENS)).numpy()
    y = tagger()(TOKENS)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, atol=1e-6)


def test_a_model_can_become_float64() -> None:
    """The constructor of the model has no dtype. The model becomes float64 before loading or after it."""
    theirs = torch_tagger().double()
    expected = theirs(torch.from_numpy(TOKENS)).detach().numpy()
    before = Tagger().double()
    before.load_state_dict(theirs.state_dict())
    after = tagger().double()
    for model in (before, after):
        y = model(TOKENS)
        assert y.dtype == np.float64
        np.testing.assert_allclose(y, expected, rtol=0, atol=4e-13)
    assert after.state_dict()["encoder.norm.num_batches_tracked"].dtype == np.int64
    np.testing.assert_array_equal(after.float()(TOKENS), tagger()(TOKENS))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_are_independent_models(again: Any) -> None:
    module = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 10), nn.GRU(10, 3))
    unloaded = again(module)
    module.load_state_dict(ZOO_STATE)
    loaded = again(module)
    unloaded.load_state_dict(ZOO_STATE)
    expected, _ = module(TOKENS)
    for other in (unloaded, loaded):
        np.testing.assert_array_equal(other(TOKENS)[0], expected)
    vars(loaded[1])["weight"][...] = 0
    np.testing.assert_array_equal(module(TOKENS)[0], expected)


torch.manual_seed(0)
ZOO_STATE = torch.nn.Sequential(torch.nn.Embedding(10, 4), torch.nn.Linear(4, 10), torch.nn.GRU(10, 3)).state_dict()


class Scaled(nn.Module):
    """Has parameters and buffers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(np.ones(3, np.float32))
        self.register_parameter("shift", None)
        self.register_buffer("table", np.arange(6).reshape(2, 3))
        self.register_buffer("cache", np.zeros(2, np.float32), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x: Any) -> Any:
        return x * self.scale + self.table[0]


def test_own_parameters_and_buffers_are_loaded() -> None:
    model = Scaled()
    assert isinstance(model.scale, np.ndarray)
    assert [name for name, _ in model.named_parameters()] == ["scale"]
    assert [name for name, _ in model.named_buffers()] == ["table", "cache"]
    assert list(model.state_dict()) == ["scale", "table"]
    np.testing.assert_array_equal(model(np.ones(3, np.float32)), [1, 2, 3])
    model.load_state_dict({"scale": torch.full((3,), 2.0), "table": torch.full((2, 3), 5)})
    assert model.table.dtype == np.int64
    np.testing.assert_array_equal(model(np.ones(3, np.float32)), [7, 7, 7])
    assert model.load_state_dict({"scale": np.zeros(3)}, strict=False) == (["table"], [])
    model.table = [[0]]
    assert isinstance(model.table, np.ndarray)
    with pytest.raises(TypeError, match="expected parameter scale to be a Parameter or None, got list"):
        model.scale = [1, 2, 3]
    model.scale = nn.Parameter(np.zeros(4))
    assert model.state_dict()["scale"].shape == (4,)
    del model.scale
    model.shift = nn.Parameter(np.zeros(2))
    assert list(model.state_dict()) == ["shift", "table"]
    with pytest.raises(TypeError, match="a parameter: expected real floating point numbers, got int64"):
        nn.Parameter(np.arange(3))


def test_modules_are_found_by_name() -> None:
    model = Tagger()
    assert model.get_submodule("heads.3.a") is model.heads[3][0]
    assert model.get_submodule("") is model
    with pytest.raises(AttributeError, match=r"Encoder has no submodule 'gru', asked for 'encoder\.gru'"):
        model.get_submodule("encoder.gru")
    assert isinstance(model.heads[1:], nn.ModuleList)
    assert [len(model.heads), len(model.heads[1:]), len(list(model.heads[-1]))] == [4, 3, 2]
    assert model.heads[-1] is model.heads[3]
    model.add_module("extra", nn.Identity())
    assert model.extra is model.get_submodule("extra")
    with pytest.raises(
        TypeError, match=r"expected extra to be a gatecell\.nn\.Module, got torch\.nn\.modules\.linear\.Linear"
    ):
        model.add_module("extra", torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"expected a module's name without dots, got 'a\.b'"):
        model.add_module("a.b", nn.Identity())


def test_a_slice_of_a_sequential_keeps_the_names() -> None:
    for slicing in (lambda nn: nn.Sequential(nn.Tanh(), nn.Linear(1, 2), nn.ReLU())[1:], lambda nn: mixed(nn)[:-1]):
        assert plain_repr(slicing(nn)) == repr(slicing(torch.nn))
    lists = [module.ModuleList([module.Tanh(), module.ReLU()])[1:] for module in (nn, torch.nn)]
    assert repr(lists[0]) == repr(lists[1])


def mixed(nn: Any) -> Any:
    """Has members with a name and one member with a number."""
    return nn.Sequential(OrderedDict(first=nn.Linear(1, 2), second=nn.ReLU())).append(nn.Tanh())


@pytest.mark.parametrize("member", [False, True])
def test_repr_shows_extra_lines(member: bool) -> None:
    def make(nn: Any) -> Any:
        class Described(nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.member = nn.ReLU() if member else None

            def extra_repr(self) -> str:
                return "a=1,\nb=2"

        return nn.Sequential(Described())

    assert repr(make(nn)) == repr(make(torch.nn))


def test_initialisation_is_ignored() -> None:
    """Constructors of published models initialise weights in these ways. That has no effect in gatecell.nn."""

    def begin(module: Any) -> None:
        if hasattr(module, "weight"):
            module.weight.data.normal_(0, 0.02)
            nn.init.xavier_uniform_(module.weight, gain=nn.init.calculate_gain("tanh"))
        if hasattr(module, "bias") and not isinstance(module, nn.LSTM):
            module.bias.data.zero_()

    seen: list[Any] = []
    model = tagger_with_lines(begin)
    assert model.apply(lambda module: seen.append(type(module).__name__)) is model
    assert seen == [type(module).__name__ for module in _applied(torch_tagger())]
    model.load_state_dict(torch_tagger().state_dict())
    np.testing.assert_array_equal(model(TOKENS), tagger()(TOKENS))
    with pytest.raises(RuntimeError, match=r"weight \(2, 1\) has no values yet"):
        np.negative(nn.init.ones_(nn.Linear(1, 2).weight))
    public = {name for name in vars(torch.nn.init) if name.endswith("_") and not name.startswith("_")}
    assert public | {"calculate_gain"} == set(nn.init.__all__)
    for name, slope in [("tanh", None), ("relu", None), ("leaky_relu", 0.2), ("leaky_relu", None), ("selu", None)]:
        assert nn.init.calculate_gain(name, slope) == torch.nn.init.calculate_gain(name, slope)  # type: ignore[arg-type]
    assert nn.init.calculate_gain("conv1d") == torch.nn.init.calculate_gain("conv1d") == 1


def tagger_with_lines(begin: Any) -> Any:
    model = Tagger()
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    return model.apply(begin)


def _applied(model: Any) -> list[Any]:
    seen: list[Any] = []
    model.apply(seen.append)
    return seen


def test_training_is_an_error() -> None:
    model = Tagger()
    assert model.eval() is model.train(False) is model.to("cpu") is model
    assert not model.training
    with pytest.raises(RuntimeError, match="Tagger: gatecell is for inference only"):
        model.train()
    with pytest.raises(ValueError, match="expected device None or 'cpu', got 'cuda'"):
        model.to("cuda")
    with pytest.raises(NotImplementedError, match='Module is missing the required "forward" function'):
        nn.Module()(1)


def test_calls_without_weights_name_the_parameter() -> None:
    with pytest.raises(
        RuntimeError, match=r"^encoder\.embedding \(Embedding\): weight \(10, 4\) has no values yet: call load"
    ):
        Tagger()(TOKENS)
    model = nn.Sequential(nn.Identity(), nn.Sequential(nn.LSTM(3, 4)))
    with pytest.raises(RuntimeError, match=r"^1\.0 \(LSTM\): LSTM has no weights yet: call load_state_dict first"):
        model(np.zeros((2, 1, 3), np.float32))
    for layer, shape in [
        (nn.Conv1d(2, 2, 1), (2, 3)),
        (nn.PReLU(), (2,)),
        (nn.LayerNorm(2), (2,)),
        (nn.Linear(2, 2), (2,)),
    ]:
        with pytest.raises(RuntimeError, match=rf"^{type(layer).__name__}: weight \(.*\) has no values yet"):
            layer(np.zeros(shape))
    with pytest.raises(RuntimeError, match=r"^encoder\.embedding\.weight \(10, 4\) has no values yet"):
        Tagger().state_dict()


def test_errors_name_the_path() -> None:
    model = tagger()
    with pytest.raises(
        ValueError, match=r"^encoder\.embedding \(Embedding\): expected indices from 0 to 9, got 1 to 10$"
    ):
        model(np.array([[1, 10]]))
    broken = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.GRU(5, 2)))
    broken.load_state_dict({name: np.zeros(value.shape) for name, value in broken.named_parameters()})
    with pytest.raises(ValueError, match=r"^1\.1 \(GRU\): .*\(T, 5\)"):
        broken(np.zeros((2, 3)))

    class Own(nn.Module):
        def __init__(self) -> None:
            self.inner = broken

        def forward(self, x: Any) -> Any:
            if x is None:
                raise KeyError("own")
            return self.inner(x) @ x

    with pytest.raises(ValueError, match=r"^inner\.0 \(Linear\): expected input"):
        Own()(np.zeros((2, 2)))
    with pytest.raises(KeyError, match=r"^'own'$"):  # errors of other types that the model raises stay as they are
        Own()(None)


def test_nn_is_imported_when_first_used() -> None:
    run_script("""
        import sys, gatecell
        assert "gatecell.nn" not in sys.modules
        assert gatecell.nn.Linear(2, 3).in_features == 2
        assert gatecell.nn is sys.modules["gatecell.nn"]
        assert "torch" not in sys.modules
        try:
            gatecell.optim
        except AttributeError as error:
            assert str(error) == "module 'gatecell' has no attribute 'optim'"
    """)
