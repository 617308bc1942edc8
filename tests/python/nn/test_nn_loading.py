"""load_state_dict of a tree of modules: it is strict, names every mistake, and changes nothing if there is an error.

Promise 7 (no wrong number without a word).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from gatecell import nn
from helpers.nn_models import TOKENS, Tagger, tagger, torch_tagger


def test_loading_lists_every_mistake() -> None:
    state = torch_tagger().state_dict()
    del state["encoder.lstm.bias_hh_l1_reverse"], state["heads.1.weight"], state["encoder.norm.running_mean"]
    state["heads.3.a.weight"] = torch.zeros(4, 10)
    state["encoder.lstm.weight_ih_l0"] = torch.zeros(16, 4)
    state["decoder.weight"] = torch.zeros(2)
    model = tagger(1)
    before = model(TOKENS)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        model.load_state_dict(state)
    assert str(caught.value).split("\n") == [
        "Tagger: the state dict does not fit:",
        "  missing: encoder.lstm.bias_hh_l1_reverse (20,) of LSTM",
        "  missing: encoder.norm.running_mean (10,) of BatchNorm1d",
        "  missing: heads.1.weight (3, 10) of Linear",
        "  unexpected: decoder.weight",
        "  wrong shape: encoder.lstm.weight_ih_l0: expected (20, 4), got (16, 4), in LSTM",
        "  wrong shape: heads.3.a.weight: expected (3, 10), got (4, 10), in Linear",
    ]
    np.testing.assert_array_equal(model(TOKENS), before)


def test_a_value_that_is_no_number_changes_nothing() -> None:
    state = torch_tagger().state_dict() | {"heads.2.bias": np.array(["a", "b", "c"])}
    model = tagger(1)
    before = model(TOKENS)
    with pytest.raises(TypeError, match=r"heads\.2\.bias: expected real floating point numbers, got <U1"):
        model.load_state_dict(state)
    np.testing.assert_array_equal(model(TOKENS), before)


def test_a_prefix_selects_weights_and_hints_name_it() -> None:
    state = {f"module.{key}": value for key, value in torch_tagger().state_dict().items()}
    state["optimizer.lr"] = torch.zeros(1)
    with pytest.raises(
        ValueError, match=r"missing: encoder\.embedding\.weight (?s:.*)all keys are there with prefix='module\.'$"
    ):
        Tagger().load_state_dict(state)
    for prefix in ("module", "module."):
        model = Tagger()
        model.load_state_dict(state, prefix=prefix)
        np.testing.assert_array_equal(model(TOKENS), tagger()(TOKENS))
    assert next(iter(model.state_dict(prefix="module."))) == "module.encoder.embedding.weight"


def test_errors_hint_at_the_cure() -> None:
    """The hints say where the weights are in a checkpoint.

    They also say how to get plain weights of layers with weight norm or pruning.
    """
    checkpoint = {"epoch": 3, "optimizer": {}, "model": torch_tagger().state_dict()}
    with pytest.raises(
        ValueError, match=r"unexpected: epoch(?s:.*)all keys are in the mapping 'model': pass state_dict\['model'\]$"
    ):
        Tagger().load_state_dict(checkpoint)
    normed = torch.nn.Sequential(torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(1, 2, 3)))
    with pytest.raises(ValueError, match=r"remove_parametrizations\(module, 'weight'\)$"):
        nn.Sequential(nn.Conv1d(1, 2, 3)).load_state_dict(normed.state_dict())
    pruned = {"0.bias": torch.zeros(3), "0.weight_orig": torch.zeros(3, 2), "0.weight_mask": torch.ones(3, 2)}
    with pytest.raises(ValueError, match=r"missing: 0\.weight (?s:.*)prune\.remove\(module, 'weight'\)$"):
        nn.Sequential(nn.Linear(2, 3)).load_state_dict(pruned)


def test_not_strict_loads_what_fits() -> None:
    state = torch_tagger().state_dict()
    partial = {key: value for key, value in state.items() if not key.startswith("encoder.")} | {"more": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"missing: encoder\.lstm\.weight_ih_l0 \(20, 4\) of LSTM") as caught:
        Tagger().load_state_dict(partial, strict=False)
    assert "unexpected" not in str(caught.value)
    model = tagger(1)
    theirs = torch_tagger(1)
    expected = theirs.load_state_dict(partial, strict=False)
    found = model.load_state_dict(partial, strict=False)
    missing = [key for key in expected.missing_keys if not key.endswith("num_batches_tracked")]
    assert found == (missing, expected.unexpected_keys)
    with torch.inference_mode():
        np.testing.assert_allclose(model(TOKENS), theirs(torch.from_numpy(TOKENS)).numpy(), atol=1e-6)


def test_a_buffer_of_another_kind_is_refused() -> None:
    state = torch_tagger().state_dict() | {"encoder.norm.num_batches_tracked": np.float64(1.5)}
    with pytest.raises(TypeError, match=r"encoder\.norm\.num_batches_tracked: expected int64, got float64"):
        Tagger().load_state_dict(state)


def test_old_files_lack_num_batches_tracked() -> None:
    state = torch_tagger().state_dict()
    del state["encoder.norm.num_batches_tracked"]
    assert Tagger().load_state_dict(state) == ([], [])


def test_loaded_weights_are_copies() -> None:
    state = {key: value.numpy().copy() for key, value in torch_tagger().state_dict().items()}
    model = Tagger()
    model.load_state_dict(state)
    expected = model(TOKENS)
    for array in (*state.values(), *model.state_dict().values()):
        array[...] = 0
    np.testing.assert_array_equal(model(TOKENS), expected)


def test_half_types_are_widened() -> None:
    theirs = torch_tagger().bfloat16()
    model = Tagger()
    model.load_state_dict(theirs.state_dict())
    np.testing.assert_array_equal(model.heads[0].weight, theirs.heads[0].weight.detach().float().numpy())


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.out = nn.Linear(4, 7, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, x: Any) -> Any:
        return self.out(self.embedding(x))


@pytest.mark.parametrize("keys", [("embedding.weight",), ("out.weight",), ("embedding.weight", "out.weight")])
def test_tied_weights_stay_tied_after_loading(keys: tuple[str, ...]) -> None:
    table = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    model = Tied()
    for _ in range(2):  # the weights are tied before the first loading, and still after it
        assert [name for name, _ in model.named_parameters()] == ["embedding.weight"]
        model.load_state_dict(dict.fromkeys(keys, table))
        assert model.out.weight is model.embedding.weight
        assert list(model.state_dict()) == ["embedding.weight", "out.weight"]
    x = np.array([3, 6])
    np.testing.assert_array_equal(model(x), table[x] @ table.T)
    assert copy.deepcopy(model).double().out.weight.dtype == np.float64
    both = copy.deepcopy(model).double()
    assert both.out.weight is both.embedding.weight


def test_a_module_used_twice_can_be_loaded() -> None:
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, shared)
    assert [path for path, _ in model.named_modules()] == ["", "0"]
    assert [path for path, _ in model.named_modules(remove_duplicate=False)] == ["", "0", "1"]
    theirs = torch.nn.Linear(2, 2)
    model.load_state_dict(torch.nn.Sequential(theirs, theirs).state_dict())
    assert len(list(model.children())) == 1
    assert len(list(model.parameters())) == 2
