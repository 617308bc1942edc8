"""Parameters, buffers and modules that a user registers on a recurrent layer belong to the layer, as in torch."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from gatecell import nn

X = np.random.default_rng(0).standard_normal((5, 2, 4)).astype(np.float32)


def zeros(nn: Any, *shape: int) -> Any:
    return torch.zeros(shape) if nn is torch.nn else np.zeros(shape, np.float32)


def learnt_state(nn: Any) -> Any:
    """A model with a layer that has its initial state in a buffer."""

    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(4, 6)
            self.gru.register_buffer("h0", zeros(nn, 1, 2, 6))
            self.gru.register_buffer("cache", zeros(nn, 3), persistent=False)
            self.gru.register_buffer("nothing", None)

        def forward(self, x: Any) -> Any:
            return self.gru(x, self.gru.h0)[0]

    return Net()


def normed(nn: Any) -> Any:
    """A model with a layer that has another layer and weights of its own."""

    class Normed(nn.LSTM):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(4, 6, bidirectional=True)
            self.scale = nn.Parameter(zeros(nn, 12))
            self.norm = nn.LayerNorm(12)
            self.register_parameter("shift", None)
            self.register_buffer("steps", torch.tensor(3) if nn is torch.nn else np.int64(3))

        def forward(self, x: Any) -> Any:
            y, _ = super().forward(x)
            return self.norm(y) * self.scale + int(self.steps)

    return nn.Sequential(Normed())


def cell(nn: Any) -> Any:
    class Scaled(nn.GRUCell):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(4, 6, bias=False)
            self.scale = nn.Parameter(zeros(nn, 6))
            self.inner = nn.Sequential(nn.Linear(6, 4), nn.RNNCell(4, 6))

        def forward(self, x: Any) -> Any:
            h = super().forward(x[0])
            return self.inner(h) * self.scale

    return nn.Sequential(Scaled())


MODELS: dict[str, Callable[[Any], Any]] = {"state": learnt_state, "normed": normed, "cell": cell}
MODEL = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def pair(model: Callable[[Any], Any], seed: int = 0) -> tuple[Any, Any]:
    """torch's model with values that are all different, and ours before loading."""
    theirs = model(torch.nn).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            tensor.copy_(torch.randint(9, ()) if tensor.dtype == torch.int64 else torch.randn_like(tensor) / 3)
    return theirs, model(nn)


def layer_of(model: Any) -> Any:
    """The layer to which the test registers things, and its path."""
    return next((module, path) for path, module in model.named_modules() if re.fullmatch("0|gru", path))


def assert_same_state(ours: Any, theirs: Any) -> None:
    found, expected = ours.state_dict(), theirs.state_dict()
    assert list(found) == list(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.numpy().dtype, key
        np.testing.assert_array_equal(found[key], value.numpy(), key)


def assert_same_output(ours: Any, theirs: Any, dtype: Any = np.float32) -> None:
    x = X.astype(dtype)
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(x)).numpy()
    got = ours(x)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=0, atol=4e-13 if dtype == np.float64 else 2e-6)


@MODEL
def test_names_values_and_outputs_are_torchs(model: Callable[[Any], Any]) -> None:
    theirs, ours = pair(model)
    for recurse in (True, False):
        for which in ("named_parameters", "named_buffers"):
            for a, b in ((ours, theirs), (layer_of(ours)[0], layer_of(theirs)[0])):
                found, expected = dict(getattr(a, which)(recurse=recurse)), dict(getattr(b, which)(recurse=recurse))
                assert list(found) == list(expected)
                assert [value.shape for value in found.values()] == [tuple(v.shape) for v in expected.values()]
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    assert_same_state(ours, theirs)
    assert_same_output(ours, theirs)
    shown = re.sub(r", isa='\w+', num_threads=\d+", "", repr(ours))
    assert shown == repr(theirs)


@MODEL
@pytest.mark.parametrize("dot", ["", "."])
def test_the_layer_itself_can_be_loaded(model: Callable[[Any], Any], dot: str) -> None:
    theirs, ours = pair(model)
    (layer, path), torch_layer = layer_of(ours), layer_of(theirs)[0]
    state = torch_layer.state_dict()
    assert layer.load_state_dict(state) == ([], [])
    assert_same_state(layer, torch_layer)
    assert_same_output(ours, theirs)
    layer.load_state_dict({key: torch.zeros_like(value) for key, value in state.items()})
    assert layer.load_state_dict({**theirs.state_dict(), "other": np.zeros(1)}, prefix=path + dot) == ([], [])
    assert_same_state(layer, torch_layer)
    assert list(layer.state_dict(prefix="a.")) == ["a." + key for key in state]


@MODEL
def test_missing_and_wrong_weights_are_errors(model: Callable[[Any], Any]) -> None:
    theirs, ours = pair(model)
    ours.load_state_dict(theirs.state_dict())
    (layer, path), torch_layer = layer_of(ours), layer_of(theirs)[0]
    others = pair(model, 1)[0]
    for root, torch_root, prefix in ((ours, theirs, path + "."), (layer, torch_layer, "")):
        state = others.state_dict() if prefix else layer_of(others)[0].state_dict()
        removed = [key for key in state if "weight_hh" not in key][-1]
        partial = {**state, prefix + "more": torch.zeros(1)}
        del partial[removed]
        kind = re.escape(type(next(m for p, m in root.named_modules() if p == removed.rpartition(".")[0])).__name__)
        for wrong, message in (
            (partial, rf"missing: {removed} \(.*\) of {kind}\n  unexpected: {prefix}more$"),
            (state | {removed: torch.zeros(77)}, rf"wrong shape: {removed}: expected \(.*\), got \(77,\), in {kind}$"),
        ):
            with pytest.raises(ValueError, match=message):
                root.load_state_dict(wrong)
            assert_same_state(ours, theirs)
        expected = torch_root.load_state_dict(partial, strict=False)
        assert root.load_state_dict(partial, strict=False) == (expected.missing_keys, expected.unexpected_keys)
        assert_same_state(ours, theirs)
        assert_same_output(ours, theirs)


@MODEL
def test_registered_values_become_float64(model: Callable[[Any], Any]) -> None:
    theirs, before = pair(model)
    theirs.double()
    before.double().load_state_dict(theirs.state_dict())
    after = pair(model)[1]
    after.load_state_dict(theirs.state_dict())
    after.double().load_state_dict(theirs.state_dict())
    for ours in (before, after):
        assert_same_state(ours, theirs)
        assert_same_output(ours, theirs, np.float64)
    assert_same_state(after.float(), theirs.float())
    assert_same_output(after, theirs)
    assert {str(value.dtype) for value in after.buffers()} <= {"float32", "int64"}


@MODEL
@pytest.mark.parametrize("again", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_keep_registered_values(
    model: Callable[[Any], Any], again: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = pair(model)
    ours.load_state_dict(theirs.state_dict())
    for module in ours.modules():
        kind = type(module)
        if kind.__module__ == __name__:  # pickle finds a class by its name
            kind.__qualname__ = kind.__name__
            monkeypatch.setitem(globals(), kind.__name__, kind)
    twin = again(ours)
    ours.load_state_dict({key: torch.zeros_like(value) for key, value in theirs.state_dict().items()})
    assert_same_state(twin, theirs)
    assert_same_output(twin, theirs)
    assert repr(twin) == repr(ours)


def test_z_of_texts_negates_weights_alone() -> None:
    state = torch.nn.GRU(4, 6).state_dict()
    plain, extended = nn.GRU(4, 6), nn.GRU(4, 6)
    extended.register_buffer("bias_h0", np.zeros(18, np.float32))
    plain.load_state_dict(state, z="new")
    extended.load_state_dict(state | {"bias_h0": torch.ones(18)}, z="new")
    for key, value in plain.state_dict().items():
        np.testing.assert_array_equal(extended.state_dict()[key], value)
    np.testing.assert_array_equal(extended.bias_h0, np.ones(18))
    before = extended.state_dict()
    with pytest.raises(ValueError, match="expected z 'old' or 'new', got 'other'"):
        extended.load_state_dict(state | {"bias_h0": torch.zeros(18)}, z="other")
    np.testing.assert_equal(extended.state_dict(), before)


def test_weights_survive_what_is_loaded_beside_them() -> None:
    gru = gatecell.from_torch(torch.nn.GRU(4, 6))
    y = gru(X)[0]
    gru.register_buffer("h0", np.zeros(6, np.float32))
    packed = gatecell._core.pack_count()
    assert gru.load_state_dict({"h0": np.ones(6)}, strict=False).missing_keys == list(gru.state_dict())[:4]
    assert gatecell._core.pack_count() == packed
    np.testing.assert_array_equal(gru.h0, np.ones(6))
    np.testing.assert_array_equal(gru(X)[0], y)
    assert gru.double().h0.dtype == np.float64
    unloaded = nn.GRU(4, 6)
    unloaded.register_buffer("h0", np.zeros(6, np.float32))
    with pytest.raises(ValueError, match=r"missing: weight_ih_l0 \(18, 4\) of GRU(?s:.*)bias_hh_l0 \(18,\) of GRU$"):
        unloaded.load_state_dict({"h0": np.ones(6)}, strict=False)
    with pytest.raises(RuntimeError, match=r"^weight_ih_l0 \(18, 4\) has no values yet"):
        unloaded.state_dict()


def test_a_plain_class_stays_strict() -> None:
    module = torch.nn.GRU(4, 6)
    module.register_buffer("h0", torch.zeros(6))
    for make in (lambda: gatecell.GRU.from_state_dict(module.state_dict()), lambda: gatecell.from_torch(module)):
        with pytest.raises(ValueError, match="unexpected: h0"):
            make()


def test_names_of_weights_cannot_be_set() -> None:
    """In torch the weights are attributes. Here they are packed, and a value set under such a name would be ignored."""
    gru = gatecell.from_torch(torch.nn.GRU(4, 6))
    for use in (
        lambda: setattr(gru, "weight_hh_l0", np.zeros((18, 6))),
        lambda: setattr(gru, "bias_ih_l0", nn.Parameter(np.zeros(18))),
        lambda: gru.register_parameter("weight_ih_l0", nn.Parameter(np.zeros((18, 4)))),
        lambda: gru.register_buffer("bias_hh_l0", np.zeros(18)),
        lambda: gru.add_module("weight_ih_l0", nn.Identity()),
    ):
        with pytest.raises(
            AttributeError, match=r"expected load_state_dict to set (weight|bias)_.h_l0, which is packed"
        ):
            use()
    for name in ("bias", "forward", "hidden_size"):
        for module in (gru, torch.nn.GRU(4, 6)):
            for register in (module.register_buffer, module.register_parameter):
                with pytest.raises(KeyError):
                    register(name, None)
    gru.weight_hh_l1 = gru.weight_hh_l0_raw = 1  # these are not names of its weights
    assert not gru._is_extended()


def extended(nn: Any) -> Any:
    class Extended(nn.GRU):  # type: ignore[misc, name-defined]
        def __init__(self, input_size: int, hidden_size: int, **options: Any) -> None:
            super().__init__(input_size, hidden_size, **options)
            self.register_buffer("h0", zeros(nn, 1, 2, 6))

        def forward(self, x: Any) -> Any:
            return super().forward(x, self.h0)

    return Extended


@pytest.mark.parametrize("strict", [True, False])
def test_sizes_are_read_off_the_tensors_beside_registered_values(strict: bool) -> None:
    theirs = extended(torch.nn)(4, 6)
    theirs.h0 = torch.rand(1, 2, 6)
    state_dict = {f"model.{name}": value for name, value in theirs.state_dict().items()}
    ours = extended(gatecell.nn).from_state_dict(state_dict, prefix="model", strict=strict)
    np.testing.assert_array_equal(ours.h0, theirs.h0.numpy())
    np.testing.assert_allclose(ours(X)[0], theirs(torch.from_numpy(X))[0].detach().numpy(), atol=1e-6)
    other = state_dict | {"model.other": torch.ones(1)}
    if strict:
        with pytest.raises(ValueError, match=r"unexpected: model\.other"):
            extended(gatecell.nn).from_state_dict(other, prefix="model")
    else:
        extended(gatecell.nn).from_state_dict(other, prefix="model", strict=False)


def test_tensors_around_a_layer_are_errors_in_trees_of_modules_too() -> None:
    """A raw matrix in a module around the layer is an error, whatever is registered on the layer or loaded with it."""
    state_dict = {f"model.rnn.{name}": value.numpy() for name, value in torch.nn.LSTM(4, 6).state_dict().items()}
    raw = {"model.weight_hh_l0_raw": np.ones((24, 6), np.float32)}
    layer = nn.LSTM(4, 6)
    layer.register_buffer("h0", np.zeros(3, np.float32))
    tree = nn.Sequential(nn.LSTM(4, 6))
    for module, prefix, own in (
        (layer, "model.rnn", state_dict | {"model.rnn.h0": np.ones(3, np.float32)}),
        (tree, "model", {name.replace("rnn.", "0."): value for name, value in state_dict.items()}),
    ):
        module.load_state_dict(own, prefix=prefix)
        outer = {name.replace("model.", "top.model."): value for name, value in own.items()}
        with pytest.raises(ValueError, match=r"unexpected: model\.weight_hh_l0_raw(.|\n)*weight drop"):
            module.load_state_dict(own | raw, prefix=prefix)
        with pytest.raises(ValueError, match=r"unexpected: weight_hh_l0_raw"):
            module.load_state_dict(outer | {"weight_hh_l0_raw": raw["model.weight_hh_l0_raw"]}, prefix=f"top.{prefix}")
        assert module.load_state_dict(own | raw, strict=False, prefix=prefix).unexpected_keys == list(raw)


def test_second_names_are_understood_in_trees_of_modules_too() -> None:
    own = {f"0.{name}": value.numpy() for name, value in torch.nn.LSTM(4, 6).state_dict().items()}
    second = {f"0.0.cell.{name.removesuffix('_l0')[2:]}": value.copy() for name, value in own.items()}
    assert nn.Sequential(nn.LSTM(4, 6)).load_state_dict(own | second) == ([], [])
    with pytest.raises(ValueError, match=r"unexpected: 0\.0\.cell\.weight_hh"):
        nn.Sequential(nn.LSTM(4, 6)).load_state_dict(own | second | {"0.0.cell.weight_hh": own["0.weight_hh_l0"] + 1})


@pytest.mark.parametrize("name", ["hidden_size", "h0"])
def test_add_module_takes_no_other_attributes_place(name: str) -> None:
    ours, theirs = nn.GRU(4, 6), torch.nn.GRU(4, 6)
    ours.register_buffer("h0", np.zeros(3))
    theirs.register_buffer("h0", torch.zeros(3))
    for module, linear in ((ours, nn.Linear(1, 1)), (theirs, torch.nn.Linear(1, 1))):
        with pytest.raises(KeyError):
            module.add_module(name, linear)
    theirs.h0, ours.h0 = torch.nn.Linear(1, 1), nn.Linear(1, 1)
    assert "h0" not in dict(theirs.named_buffers())
    assert "h0" not in dict(ours.named_buffers())
    assert [key for key in ours._values() if "h0" in key] == []
