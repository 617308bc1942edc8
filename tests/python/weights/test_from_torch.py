"""from_torch: a recurrent module of torch.nn becomes the class of the same name, with its options and weights.

Promise 7 (no wrong number without a word): a module that gatecell lacks, or would not run like torch, is an error.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrizations, prune

import gatecell

MODULES: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {}),
    ("LSTM", {"num_layers": 3, "bias": False, "batch_first": True, "bidirectional": True, "proj_size": 2}),
    ("LSTM", {"num_layers": 2, "dropout": 0.5, "dtype": torch.float64}),
    ("GRU", {"num_layers": 2, "batch_first": True, "dropout": 0.25}),
    ("GRU", {"bidirectional": True, "bias": False}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    ("RNN", {"bidirectional": True, "batch_first": True}),
    ("LSTMCell", {"bias": False}),
    ("GRUCell", {"dtype": torch.float64}),
    ("RNNCell", {"nonlinearity": "relu"}),
]


def flat(result: Any) -> list[Any]:
    """The arrays of nested tuples as a list."""
    return [array for part in result for array in flat(part)] if isinstance(result, tuple) else [result]


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize(("name", "options"), MODULES)
def test_options_weights_and_results_are_torchs(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(5, 7, **options).eval()
    ours = gatecell.from_torch(theirs, num_threads=1)
    assert type(ours) is getattr(gatecell, name)
    for option in {"input_size", "hidden_size", *options} - {"dtype"}:
        assert getattr(ours, option) == getattr(theirs, option)
    assert ours.num_threads == 1

    weights = theirs.state_dict()
    assert list(ours.state_dict()) == list(weights)
    for key, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, weights[key].numpy(), strict=True)

    batch = torch.randn(4, 3, 5, dtype=options.get("dtype"))
    for x in (batch[0], batch[0, 0] if name.endswith("Cell") else batch):
        with torch.no_grad():
            expected = flat(theirs(x))
        for result, reference in zip(flat(ours(x)), expected, strict=True):
            assert result.shape == reference.shape
            np.testing.assert_allclose(result, reference, rtol=0, atol=1e-6)


def test_isa_can_be_chosen(isa: str) -> None:
    assert gatecell.from_torch(torch.nn.GRU(2, 3), isa=isa).isa == isa


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_become_float32(dtype: torch.dtype) -> None:
    theirs = torch.nn.GRU(3, 4).to(dtype)
    ours = gatecell.from_torch(theirs)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours.state_dict()["weight_hh_l0"], theirs.weight_hh_l0.detach().float().numpy())


def test_a_subclass_with_torchs_forward_is_accepted() -> None:
    class Named(torch.nn.LSTM):
        pass

    assert type(gatecell.from_torch(Named(3, 4))) is gatecell.LSTM


def own_forward() -> torch.nn.Module:
    class Doubled(torch.nn.LSTM):
        def forward(self, *args: Any) -> Any:
            return super().forward(*args) * 2

    return Doubled(3, 4)


OTHERS = {
    "own forward": own_forward,
    "another module": lambda: torch.nn.Conv2d(3, 4, 1),
    "a module around one": lambda: torch.nn.ModuleDict({"lstm": torch.nn.LSTM(3, 4)}),
    "quantizable": lambda: torch.ao.nn.quantizable.LSTM(3, 4),
    "a class": lambda: torch.nn.LSTM,
    "a state dict": lambda: torch.nn.LSTM(3, 4).state_dict(),
    "nothing": lambda: None,
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_modules_are_errors(name: str) -> None:
    with pytest.raises(TypeError, match=r"expected a torch.nn module out of LSTM, .*RNNCell .*, got \w+\."):
        gatecell.from_torch(OTHERS[name]())


@pytest.mark.filterwarnings("ignore")  # torch warns once in a process that quantisation moves to another package
def test_dynamically_quantised_modules_are_errors() -> None:
    module = torch.ao.nn.quantized.dynamic.LSTM(3, 4)
    with pytest.raises(TypeError, match=r"got torch\.ao\.nn\.quantized\.dynamic\..*LSTM"):
        gatecell.from_torch(module)


@pytest.mark.parametrize(
    "change",
    [
        lambda module: setattr(module, "forward", lambda x: x),
        lambda module: module.register_forward_hook(lambda *_: None),
        lambda module: module.register_forward_pre_hook(lambda *_: None),
    ],
)
def test_hooks_and_an_own_forward_are_errors(change: Any) -> None:
    module = torch.nn.LSTM(3, 4)
    change(module)
    with pytest.raises(TypeError, match="hooks or an own forward, which gatecell would not run: remove them first"):
        gatecell.from_torch(module)


@pytest.mark.parametrize(
    ("wrap", "inner"),
    [
        (functools.partial(torch.compile, backend="eager"), "module._orig_mod"),
        (torch.nn.DataParallel, "module.module"),
    ],
)
def test_wrapped_modules_name_what_to_pass(wrap: Any, inner: str) -> None:
    wrapped = wrap(torch.nn.GRU(3, 4))
    with pytest.raises(TypeError, match=f"got {type(wrapped).__name__} around one: pass {inner}$"):
        gatecell.from_torch(wrapped)
    assert isinstance(gatecell.from_torch(eval(inner, {"module": wrapped})), gatecell.GRU)


def test_pruned_and_normed_modules_name_the_cure() -> None:
    pruned = torch.nn.LSTM(3, 4)
    prune.random_unstructured(pruned, "weight_hh_l0", 0.5)
    with pytest.raises(ValueError, match=r"prune\.remove\(module, 'weight_hh_l0'\)"):
        gatecell.from_torch(pruned)
    prune.remove(pruned, "weight_hh_l0")
    assert np.count_nonzero(gatecell.from_torch(pruned).state_dict()["weight_hh_l0"]) == 32

    normed = parametrizations.weight_norm(torch.nn.LSTM(3, 4), "weight_ih_l0")
    with pytest.raises(ValueError, match=r"parametrize\.remove_parametrizations\(module, 'weight_ih_l0'\)"):
        gatecell.from_torch(normed)
    torch.nn.utils.parametrize.remove_parametrizations(normed, "weight_ih_l0")
    gatecell.from_torch(normed)


@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
@pytest.mark.filterwarnings("ignore:.*(weight|spectral)_norm.* is deprecated:FutureWarning")
def test_old_norms_are_hooks_that_name_their_cure(norm: str) -> None:
    module = getattr(torch.nn.utils, norm)(torch.nn.LSTM(3, 4), "weight_hh_l0")
    assert module._forward_pre_hooks
    with pytest.raises(ValueError, match=rf"remove_{norm}\(module, 'weight_hh_l0'\)"):
        gatecell.from_torch(module)
    getattr(torch.nn.utils, f"remove_{norm}")(module, "weight_hh_l0")
    gatecell.from_torch(module)
