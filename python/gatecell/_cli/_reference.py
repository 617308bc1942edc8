"""Runs a layer with NumPy or PyTorch, for `gatecell verify`: in float64 as reference, in float32 for its rounding."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import gatecell

from ._networks import SIZES, Floats, Layer

Outputs = dict[str, Floats]  # y (T, B, D*S), h_n (L*D, B, S) and, for an LSTM, c_n (L*D, B, H)
State = tuple[Floats, ...]  # h_0 or h_0, c_0


def run_numpy(net: Layer, weights: Mapping[str, Floats], x: Floats, state: State, dtype: str) -> Outputs:
    """The cells' equations in NumPy, with all arithmetic in `dtype`.

    weights: not read, because the network holds them already. `verify` calls run_numpy and run_torch with the same
    arguments.
    """
    gates = net.gates(x, hx_of(state), dtype=dtype)
    directions = net.spec.num_directions

    def last(values: Floats) -> Floats:
        """The values (L*D, T, B, features) after a run's last step, which for a reverse direction is step 0 of x."""
        return np.stack([run[0 if number % directions else -1] for number, run in enumerate(values)])

    outputs = {"y": np.concatenate(list(gates["h"][-directions:]), axis=2), "h_n": last(gates["h"])}
    return outputs | ({"c_n": last(gates["c"])} if len(state) > 1 else {})


def run_torch(net: Layer, weights: Mapping[str, Floats], x: Floats, state: State, dtype: str) -> Outputs:
    """PyTorch's layer, computed in `dtype`. Raises RuntimeError if torch cannot be imported."""
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError as error:
        raise RuntimeError(f"torch cannot be imported ({error}): install it, or verify --against float64") from error
    module = torch_layer(net, weights, dtype)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns about slow options
        h_0 = [torch.from_numpy(array.astype(dtype)) for array in state]
        return outputs_by_name(*module(torch.from_numpy(x.astype(dtype)), hx_of(h_0)))


def torch_layer(net: Layer, weights: Mapping[str, Floats], dtype: str) -> Any:
    """The torch.nn module with the options and weights of a network. PyTorch must have this cell."""
    torch: Any = importlib.import_module("torch")
    options = {name: getattr(net, name) for name in SIZES if name != "proj_size" or net.proj_size}
    if isinstance(net, gatecell.RNN):
        options["nonlinearity"] = net.nonlinearity
    module = getattr(torch.nn, type(net).__name__)(**options, dtype=getattr(torch, dtype))
    # astype copies the arrays, as torch wants arrays that can be written.
    module.load_state_dict({name: torch.from_numpy(array.astype(dtype)) for name, array in weights.items()})
    return module


def hx_of(state: Sequence[Any]) -> Any:
    """The initial state as a layer takes it: h_0 of a GRU or RNN, the tuple (h_0, c_0) of an LSTM."""
    return state[0] if len(state) == 1 else tuple(state)


def outputs_by_name(y: Any, hidden: Any) -> Outputs:
    """The two results of a layer, of NumPy or torch, as a dict of arrays by name."""
    arrays = map(np.asarray, (y, *(hidden if isinstance(hidden, tuple) else (hidden,))))
    return dict(zip(("y", "h_n", "c_n"), arrays, strict=False))
