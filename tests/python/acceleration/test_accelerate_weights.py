"""accelerate: a change of weights takes effect at the next call.

Promise 7 (no wrong number without a word). Only two kinds of change need refresh(), as the documentation says.
"""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.utils import parametrizations, parametrize

import gatecell
from helpers.accelerated import (
    MISSING,
    REPARAMETRIZED,
    X,
    accelerated,
    assert_close,
    assert_same,
    double_weights,
    flat,
    run,
    small,
)

# Ways to change weights. In the tests `like` is a module that was never accelerated and has the same change.


def optimizer_step(module: Any, **how: Any) -> None:
    module.train()
    module(X)[0].sum().backward()
    torch.optim.SGD(module.parameters(), 1.0, **how).step()
    module.eval()


def other_weight(module: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """A new parameter at the same address with the same version counter."""
    module.weight_hh_l0 = torch.nn.Parameter(change(module.weight_hh_l0.detach()))


def transposed_data(module: Any) -> None:
    module.weight_hh_l0.data = module.weight_hh_l0.data.t()


def load_state_dict(module: Any, **how: Any) -> None:
    module.load_state_dict({key: 2 * value for key, value in module.state_dict().items()}, **how)


def other_data(module: Any) -> None:
    module.weight_hh_l0.data = 2 * module.weight_hh_l0.data


def other_parameter(module: Any) -> None:
    module.weight_hh_l0 = torch.nn.Parameter(2 * module.weight_hh_l0)


def other_relu(module: Any) -> None:
    module.mode = "RNN_RELU"


def batch_first(module: Any) -> None:
    module.batch_first = True


CHANGES: dict[str, Callable[[Any], object]] = {
    "in place": double_weights,
    "optimizer": optimizer_step,
    # This optimizer does not change the version counter.
    "fused optimizer": functools.partial(optimizer_step, fused=True),
    "transposed": functools.partial(other_weight, change=torch.t),
    "transposed data": transposed_data,
    "negative view": functools.partial(other_weight, change=torch._neg_view),
    "load_state_dict": load_state_dict,
    "assign": functools.partial(load_state_dict, assign=True),
    "data": other_data,
    "parameter": other_parameter,
    "reset": lambda module: (torch.manual_seed(1), module.reset_parameters()),
    "mode": other_relu,
    "batch_first": batch_first,
    "vector": lambda module: torch.nn.utils.vector_to_parameters(torch.ones(40), module.parameters()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_noticed(name: str) -> None:
    module, entry = accelerated(small("RNN"))
    like = small("RNN")
    before = run(module)
    CHANGES[name](module)
    CHANGES[name](like)
    served = entry.served
    assert_close(run(module), run(like))
    assert entry.served == served + 1
    assert any(not torch.allclose(a, b) for a, b in zip(flat(run(module)), flat(before), strict=True))


def test_torch_runs_modules_with_changed_sizes() -> None:
    """torch uses such an attribute, or says that it does not fit. So torch runs these calls."""
    module, entry = accelerated(torch.nn.LSTM(3, 5, 2).eval())
    like = torch.nn.LSTM(3, 5, 2).eval()
    like.load_state_dict(module.state_dict())
    for each in (module, like):
        each.num_layers = 1
    assert_same(run(module), run(like))
    assert entry.fell_back == {"num_layers is another than the weights'": 1}


def test_an_older_report_refreshes_what_the_module_has_now() -> None:
    module, _ = accelerated(small())
    _, older = gatecell.accelerate(module)
    older.restore()
    gatecell.accelerate(module)
    run(module)
    with torch.no_grad():
        module.weight_hh_l0.data.numpy()[:] *= 2
    older.refresh()
    like = small()
    double_weights(like)
    assert_close(run(module), run(like))


def test_the_memory_of_packed_weights_is_not_reused() -> None:
    """New weights there would have the same address and version.

    So the memory of the weights that gatecell packed is kept until gatecell packs other weights.
    """
    module, _ = accelerated(small())
    array = module.weight_hh_l0.detach().numpy().copy()
    module.weight_hh_l0.data = torch.from_numpy(array)
    run(module)
    memory = weakref.ref(array)
    del array
    other_data(module)
    gc.collect()
    assert memory() is not None
    run(module)
    gc.collect()
    assert memory() is None


def test_gatecell_keeps_no_copy_of_the_weights_beside_the_packed_ones() -> None:
    module, _ = accelerated(small())
    run(module)
    assert module._gatecell.packed.network._core.weights() == []


def test_other_dtypes_and_devices_are_served_or_fall_back() -> None:
    module, entry = accelerated(small())
    assert_close(run(module.double(), X.double()), run(small().double(), X.double()))
    assert_close(run(module.float()), run(small()))
    assert entry.served == 2
    assert_same(run(module.bfloat16(), X.bfloat16()), run(small().bfloat16(), X.bfloat16()))
    assert run(module.to("meta"), X.bfloat16().to("meta"))[0].device.type == "meta"
    assert entry.fell_back == {"weights of torch.bfloat16": 1, "weights on another device": 1}
    assert entry.served == 2


def test_functional_call_uses_its_weights() -> None:
    module, entry = accelerated(small())
    others = {name: 2 * value.detach() for name, value in module.named_parameters()}
    with torch.no_grad():
        expected = torch.func.functional_call(small(), others, (X,))
        assert_close(torch.func.functional_call(module, others, (X,)), expected)
        assert_close(module(X), small()(X))
    assert entry.served == 2


def through_data(module: Any) -> None:
    module.weight_hh_l0.data.mul_(2)


def through_numpy(module: Any) -> None:
    module.weight_hh_l0.detach().numpy()[:] *= 2


@pytest.mark.parametrize("change", [through_data, through_numpy])
def test_unseen_changes_need_refresh(change: Callable[[Any], None]) -> None:
    """PyTorch counts no new version for these changes, as the documentation says."""
    module, report = gatecell.accelerate(small())
    like = small()
    before = run(module)
    change(module)
    change(like)
    assert_same(run(module), before)
    report.refresh()
    assert_close(run(module), run(like))


def test_weights_made_in_inference_mode_need_refresh() -> None:
    """Such weights have no version counter at all."""
    with torch.inference_mode():
        module, like = small(), small()
    module, report = gatecell.accelerate(module)
    before = run(module)
    assert_close(before, run(like))
    with torch.inference_mode():
        double_weights(module)
        double_weights(like)
    assert_same(run(module), before)
    report.refresh()
    assert_close(run(module), run(like))
    assert report.modules[""].served == 3


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("name", REPARAMETRIZED)
def test_torch_runs_modules_reparametrised_later(name: str) -> None:
    """The change concerns the last weight, so the other weights keep their positions."""
    module, entry = accelerated(small())
    like = small()
    for one in (module, like):
        REPARAMETRIZED[name](one)
        with torch.no_grad():
            next(p for key, p in one.named_parameters() if "bias_hh_l0" in key).mul_(2)
    assert_same(run(module), run(like))
    assert entry.served == 0
    assert list(entry.fell_back) == [MISSING]


def test_restore_keeps_a_parametrization() -> None:
    module, report = gatecell.accelerate(small())
    parametrizations.weight_norm(module, "weight_hh_l0")
    report.restore()
    assert_same(run(module), run(parametrizations.weight_norm(small(), "weight_hh_l0")))
    parametrize.remove_parametrizations(module, "weight_hh_l0")
    assert type(module) is torch.nn.GRU
