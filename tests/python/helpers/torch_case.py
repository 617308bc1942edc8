"""PyTorch as the oracle: a Case is one network and its inputs, made from options and a seed, with the results of torch.

The float32 error of PyTorch is measured on SAMPLE rows and DRAWS draws of random numbers. A case is one of these draws.
With fewer numbers the error is sometimes zero by luck. Then the bound, four times this error or a floor of 1e-6, would
be too strict.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from helpers.parity import Outputs, assert_parity, largest_difference, named_outputs, named_states

# The references are small. OpenMP threads that spin would disturb the tests of gatecell's threads.
torch.set_num_threads(1)

MODES = ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")
SCALES = ("default", "large", "saturated")
SAMPLE, DRAWS = 64, 4
Array = NDArray[np.floating]


@dataclass(frozen=True)
class Case:
    mode: str = "LSTM"
    input_size: int = 5
    hidden_size: int = 7
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    bidirectional: bool = False
    proj_size: int = 0
    dtype: str = "float32"
    steps: int = 5
    rows: int | None = 3  # None: unbatched
    state: bool = True  # whether the call gets h_0 (and c_0)
    scale: str = "default"
    seed: int = 0
    lengths: tuple[int, ...] | None = None  # of the rows, from 1 to steps; for extended cells from 0

    @property
    def class_name(self) -> str:
        return self.mode.partition("_")[0]

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the class in torch.nn and of the class of the same name in gatecell."""
        names = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional"]
        names += ["proj_size"] if self.mode == "LSTM" else []
        options = {name: getattr(self, name) for name in names}
        return options | ({"nonlinearity": self.mode[4:].lower()} if self.class_name == "RNN" else {})

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The number of features of h and, for LSTM, of c."""
        return (self.proj_size or self.hidden_size,) + ((self.hidden_size,) if self.mode == "LSTM" else ())

    @property
    def cell_options(self) -> dict[str, Any]:
        """Keyword arguments of the cell of the same kind."""
        of_layers = ("num_layers", "batch_first", "bidirectional", "proj_size")
        return {name: value for name, value in self.options.items() if name not in of_layers}

    def module(self) -> torch.nn.RNNBase:
        # torch.manual_seed() would keep a stack trace of each call for CUDA.
        torch.default_generator.manual_seed(self.seed)
        module = getattr(torch.nn, self.class_name)(**self.options, dtype=getattr(torch, self.dtype))
        return scaled(module, self.scale, self.mode == "RNN_RELU")

    def state_dict(self) -> dict[str, Array]:
        return {name: tensor.numpy() for name, tensor in self.module().state_dict().items()}

    def inputs(self) -> tuple[Array, Any]:
        """x and hx in the dtype and layout of this case. They are the first rows of sample()."""
        rng = np.random.default_rng(self.seed)
        rows = 0 if self.rows is None else slice(self.rows)
        sample = max(SAMPLE, self.rows or 0)
        x = rng.standard_normal((self.steps, sample, self.input_size))[:, rows].astype(self.dtype)
        if self.batch_first and self.rows is not None:
            x = np.ascontiguousarray(x.swapaxes(0, 1))
        if not self.state:
            return x, None
        blocks = self.num_layers * (2 if self.bidirectional else 1)
        states = (rng.uniform(-1, 1, (blocks, sample, size))[:, rows].astype(self.dtype) for size in self.state_sizes)
        return x, tuple(states) if self.mode == "LSTM" else next(states)

    def network(self, gatecell: Any, **how: Any) -> Any:
        """The same network in gatecell. `how` may hold isa= and num_threads=."""
        network = getattr(gatecell, self.class_name)(**self.options, dtype=self.dtype, **how)
        network.load_state_dict(self.state_dict())
        return network

    def cell(self, gatecell: Any, **how: Any) -> Any:
        """The gatecell cell with the weights of this network, which must have one layer and one direction."""
        cell = getattr(gatecell, f"{self.class_name}Cell")(**self.cell_options, dtype=self.dtype, **how)
        cell.load_state_dict(self.cell_state_dict())
        return cell

    def cell_state_dict(self) -> dict[str, Array]:
        return {name.removesuffix("_l0"): array for name, array in self.state_dict().items()}

    def cell_inputs(self) -> tuple[Array, Any]:
        """x and hx of the first step, as a cell takes them."""
        x, hx = self.inputs()
        return x[0], None if hx is None else tuple(state[0] for state in hx) if isinstance(hx, tuple) else hx[0]

    def draws(self) -> Iterator[Case]:
        """This case and others with the same options and other random numbers.

        own_error() is the largest of their errors.
        """
        first = self.seed // DRAWS * DRAWS
        return (self.with_(seed=seed) for seed in range(first, first + DRAWS))

    def run_oracle(self, x: Array, hx: Any, dtype: str) -> Outputs:
        """The results of the oracle for other inputs than inputs(), with all arithmetic in `dtype`."""
        return run_torch(self.module(), getattr(torch, dtype), x, hx, self.lengths)

    def reference(self) -> Outputs:
        """The results of torch in float64."""
        return _reference(self)

    def cell_reference(self) -> Outputs:
        """The results of one step of torch's cell in float64."""
        module = getattr(torch.nn, f"{self.class_name}Cell")(**self.cell_options, dtype=torch.float64)
        module.load_state_dict({name: torch.from_numpy(array) for name, array in self.cell_state_dict().items()})
        return run_torch(module, torch.float64, *self.cell_inputs())

    def sample(self) -> Case:
        """The same network with enough rows to measure an error. Its first rows are the rows of this case."""
        return self.with_(rows=max(SAMPLE, self.rows or 0), batch_first=False, lengths=None)

    def own_error(self) -> float:
        """The largest error of torch in float32."""
        return max(map(_own_error, self.sample().draws()))

    def check(self, network: Any) -> None:
        """Checks that the outputs of `network` for the inputs of this case are within the bound."""
        x, hx = self.inputs()
        got = network(x, hx) if self.lengths is None else network(x, hx, lengths=self.lengths)
        assert_parity(named_outputs(*got), self.reference(), self.own_error(), self.dtype, self)

    def with_(self, **changes: Any) -> Case:
        return replace(self, **changes)


@torch.no_grad()
def scaled(module: torch.nn.Module, scale: str, relu: bool = False) -> torch.nn.Module:
    """Multiplies the initial weights of torch: "large" multiplies all by 4, "saturated" biases and weight_ih_l0 by 20.

    Recurrent weights times 20 would make the network chaotic. Nothing limits the growth of relu: times 4 its values
    explode, so relu gets 2.
    """
    for name, weight in module.named_parameters():
        if scale == "large":
            weight.mul_(2 if relu else 4)
        elif scale == "saturated" and ("bias" in name or "weight_ih_l0" in name):
            weight.mul_(20)
    return module


@torch.no_grad()
def run_torch(
    module: torch.nn.Module, dtype: torch.dtype, x: Array, hx: Any, lengths: tuple[int, ...] | None = None
) -> Outputs:
    """Runs the module with weights and inputs converted to `dtype`. With lengths, the input is packed."""

    def tensor(array: Any) -> Any:
        return tuple(map(tensor, array)) if isinstance(array, tuple) else torch.from_numpy(array).to(dtype)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
        module, batch, state = copy.deepcopy(module).to(dtype), tensor(x), None if hx is None else tensor(hx)
        if lengths is None:
            result = module(batch, state)
        else:
            layout = {"batch_first": module.batch_first}
            packed = pack_padded_sequence(batch, torch.tensor(lengths), enforce_sorted=False, **layout)
            y, hidden = module(packed, state)
            steps = x.shape[1 if module.batch_first else 0]
            result = pad_packed_sequence(y, total_length=steps, **layout)[0], hidden
    outputs = named_states(result) if isinstance(module, torch.nn.RNNCellBase) else named_outputs(*result)
    return {name: output.numpy() for name, output in outputs.items()}


@functools.cache
def _reference(case: Case) -> Outputs:
    return run_torch(case.module(), torch.float64, *case.inputs(), case.lengths)


@functools.cache
def _own_error(case: Case) -> float:
    module, (x, hx) = case.module(), case.inputs()
    return largest_difference(run_torch(module, torch.float32, x, hx), run_torch(module, torch.float64, x, hx))
