"""Extended cells, which PyTorch lacks: a case is one network and its inputs, with the results of equations.py.

Options and a seed fix all its numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, make_dataclass
from typing import Any

import numpy as np

from gatecell import _core
from helpers.equations import run
from helpers.option_table import DEFAULTS, OPTIONS_OF, in_core
from helpers.parity import Outputs, largest_difference, magnitude
from helpers.torch_case import Array, Case

ORDERS = 4  # orders of summation in which the equations run to measure their rounding error
# A Case with a field for each option.
_Fields = make_dataclass(
    "_Fields", [(name, Any, default) for name, default in DEFAULTS.items()], bases=(Case,), frozen=True
)


@dataclass(frozen=True)
class ExtendedCase(_Fields):
    """One network and its inputs, made from options and a seed, with the results of the equations."""

    @property
    def extensions(self) -> dict[str, Any]:
        """The options that PyTorch lacks."""
        return {name: getattr(self, name) for name in OPTIONS_OF[self.mode]}

    @property
    def options(self) -> dict[str, Any]:
        return super().options | self.extensions

    @property
    def spec(self) -> Any:
        sizes = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size")
        fields = {name: getattr(self, name) for name in sizes}
        return _core.Spec(cell=self.mode.lower(), **fields, **in_core(self.extensions))

    @property
    def gates(self) -> str:
        """One letter for each gate, in the order of the gates in weight_ih, weight_hh and the biases."""
        gates: str = self.spec.gates
        return gates

    @property
    def directions(self) -> tuple[str, ...]:
        """The endings of the weight names: "" for the forward direction, "_reverse" for the other."""
        return ("", "_reverse") if self.bidirectional else ("",)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every weight, in the order of the state dict."""
        shapes: dict[str, tuple[int, ...]] = self.spec.shapes()
        return shapes

    def state_dict(self) -> dict[str, Array]:
        """Random weights, as large as torch's weights, and multiplied for each `scale` as in torch_case.scaled."""
        rng = np.random.default_rng([self.seed, 1])  # another sequence of numbers than that of inputs()
        factor_of_all = {"large": 2 if self.mode == "RNN_RELU" else 4}.get(self.scale, 1)
        factor_of_some = 20 if self.scale == "saturated" else 1

        def draw(name: str, shape: tuple[int, ...]) -> Array:
            factor = factor_of_some if "bias" in name or "weight_ih_l0" in name else 1
            return (rng.uniform(-1, 1, shape) * factor_of_all * factor / np.sqrt(self.hidden_size)).astype(self.dtype)

        return {name: draw(name, shape) for name, shape in self.shapes().items()}

    def draws(self) -> Iterator[Case]:
        """Only this case: its own_error() already uses several orders of summation, and several draws if H is small."""
        return iter([self])

    def run_oracle(self, x: Array, hx: Any, dtype: str) -> Outputs:
        return run(self, self.state_dict(), x, hx, dtype)

    def reference(self) -> Outputs:
        """The results of the equations in float64."""
        return _reference(self)

    def cell_reference(self) -> Outputs:
        """The results of one step of the cell, taken from the layer with one step."""
        return {name[0]: array[0] for name, array in self.reference().items() if name != "y"}

    def own_error(self) -> float:
        """The largest error of the equations in float32.

        A network with few hidden units can have only saturated or clipped gates, which show no error. So several draws
        of it are used. An error of a draw with larger outputs counts in proportion.
        """
        draws = max(1, 8 // self.hidden_size)
        first, case = self.seed // draws * draws, self.sample().with_(dtype="float32")
        others = [case.with_(seed=seed) for seed in range(first, first + draws)]
        size = magnitude(self.reference())
        return max(_own_error(other) * min(1.0, size / magnitude(other.reference())) for other in others)


@functools.cache
def _reference(case: ExtendedCase) -> Outputs:
    return run(case, case.state_dict(), *case.inputs(), "float64")


@functools.cache
def _own_error(case: ExtendedCase) -> float:
    """The largest error of several orders of summation, because one order alone can be nearly right by luck."""
    state_dict, (x, hx) = case.state_dict(), case.inputs()
    exact, rng = run(case, state_dict, x, hx, "float64"), np.random.default_rng(case.seed)
    errors = []
    for _ in range(ORDERS):
        order = rng.permutation(case.input_size)
        permuted = {name: w[:, order] if name.startswith("weight_ih_l0") else w for name, w in state_dict.items()}
        errors.append(largest_difference(run(case, permuted, x[..., order], hx, "float32"), exact))
    return max(errors)
