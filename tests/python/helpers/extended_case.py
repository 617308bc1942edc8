"""Extended cells, which PyTorch lacks: a case is one network and its inputs, with the results of equations.py.

Options and a seed fix all its numbers.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.equations import run
from helpers.parity import Outputs, largest_difference
from helpers.torch_case import Array, Case

ORDERS = 4  # orders of summation in which the equations run to measure their rounding error
OWNERS = {  # the class that has each option
    "peepholes": "LSTM",
    "coupled_gates": "LSTM",
    "cell_clip": "LSTM",
    "proj_size": "LSTM",
    "reset": "GRU",
}


@dataclass(frozen=True)
class ExtendedCase(Case):
    """One network and its inputs, made from options and a seed, with the results of the equations."""

    peepholes: str | None = None
    coupled_gates: bool = False
    reset: str = "after"
    gate_clip: float | None = None
    cell_clip: float | None = None

    @property
    def options(self) -> dict[str, Any]:
        names = [name for name, owner in OWNERS.items() if owner == self.class_name]
        return super().options | {name: getattr(self, name) for name in [*names, "gate_clip"]}

    @property
    def gates(self) -> str:
        """One letter for each gate, in the order of the gates in weight_ih, weight_hh and the biases."""
        lstm, gru = "igo" if self.coupled_gates else "ifgo", "zn" if self.reset == "none" else "rzn"
        return {"LSTM": lstm, "GRU": gru, "RNN": "h"}[self.class_name]

    @property
    def directions(self) -> tuple[str, ...]:
        """The endings of the weight names: "" for the forward direction, "_reverse" for the other."""
        return ("", "_reverse") if self.bidirectional else ("",)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every weight, in the order of the state dict."""
        rows, peeps = len(self.gates) * self.hidden_size, len(self.gates.replace("g", "")) * self.hidden_size
        features = self.state_sizes[0]
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, direction in itertools.product(range(self.num_layers), self.directions):
            suffix = f"_l{layer}{direction}"
            shapes["weight_ih" + suffix] = (rows, features * len(self.directions) if layer else self.input_size)
            shapes["weight_hh" + suffix] = (rows, features)
            if self.bias:
                shapes |= {"bias_ih" + suffix: (rows,), "bias_hh" + suffix: (rows,)}
            if self.peepholes:
                shapes["weight_peephole" + suffix] = (peeps, self.hidden_size)[: 1 + (self.peepholes == "full")]
            if self.proj_size:
                shapes["weight_hr" + suffix] = (self.proj_size, self.hidden_size)
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
        of it are used.
        """
        draws = max(1, 8 // self.hidden_size)
        first, case = self.seed // draws * draws, self.sample().with_(dtype="float32")
        return max(_own_error(case.with_(seed=seed)) for seed in range(first, first + draws))


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
