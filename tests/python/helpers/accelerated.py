"""What the tests of gatecell.accelerate share: small modules, an input, comparisons, and changes of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils import parametrizations, prune

import gatecell

Tree = Any  # tensors in nested tuples
X = torch.linspace(-1, 1, 24).reshape(4, 2, 3)  # an input of small()


def small(kind: str = "GRU", **options: Any) -> torch.nn.Module:
    """A module of torch.nn with 3 input features and 4 hidden units. Its weights are always the same."""
    torch.manual_seed(0)
    return getattr(torch.nn, kind)(3, 4, **options).eval()


class OwnForward(torch.nn.GRU):
    """A GRU with a forward of its own, which doubles the output. So gatecell must not replace it."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        y, h = super().forward(input, hx)
        return 2 * y, h


def accelerated(module: torch.nn.Module, **options: Any) -> tuple[Any, Any]:
    """Accelerates the module in evaluation mode. Returns it and its entry in the report."""
    module, report = gatecell.accelerate(module.eval(), **options)
    return module, report.modules[""]


def run(module: Any, x: torch.Tensor = X) -> Any:
    with torch.inference_mode():
        return module(x)


def flat(value: Tree) -> list[torch.Tensor]:
    """The tensors of nested tuples and packed sequences, as one list."""
    return [tensor for part in value for tensor in flat(part)] if isinstance(value, tuple) else [value]


def assert_close(actual: Tree, expected: Tree) -> None:
    for one, other in zip(flat(actual), flat(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def assert_same(actual: Tree, expected: Tree) -> None:
    for one, other in zip(flat(actual), flat(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def double_weights(module: Any) -> None:
    """Multiplies recurrent weights by 2 in place."""
    with torch.no_grad():
        module.weight_hh_l0.mul_(2)


MISSING = "'bias_hh_l0' is no parameter: parametrized, pruned or weight-normed"  # why gatecell does not run a module
REPARAMETRIZED: dict[str, Callable[[Any], object]] = {  # changes after which bias_hh_l0 is no parameter
    "parametrized": lambda module: parametrizations.weight_norm(module, "bias_hh_l0"),
    "pruned": lambda module: prune.l1_unstructured(module, "bias_hh_l0", 0.5),
    "weight-normed": lambda module: torch.nn.utils.weight_norm(module, "bias_hh_l0", dim=None),
}
