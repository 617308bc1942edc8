"""Weights as textbooks write them, one matrix a gate over the concatenation [h(t-1), x], to PyTorch's state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import Floats, view

_ORDERS = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}  # of PyTorch's rows
_OPTIONAL = {"lstm": "f", "gru": "r", "rnn": ""}  # without it: coupled_gates=True, reset="none"
_ALIASES = {"lstm": {"c": "g"}, "gru": {"h": "n", "c": "n", "u": "z"}, "rnn": {"a": "h"}}


def from_gates(cell: str, gates: Mapping[str, Any], columns: str = "hx") -> dict[str, NDArray[Any]]:
    """The state dict of one layer out of one matrix a gate: gate = activation(W [h(t-1), x] + b).

    cell: "lstm" with the gates f i c o (c, or g, is the candidate), "gru" with r z n (n, h or c is the candidate, u
    means z), or "rnn" with h (or a). Without f the state dict is that of coupled_gates=True, without r of reset="none".
    gates: (W, b), (W, None) or W by the gate's name; W (H, H + I), b (H,) or (H, 1), NumPy arrays or torch tensors.
    columns: "hx" if W's first H columns are those of h(t-1), "xh" if its first I are those of x.
    Gives weight_ih_l0 and weight_hh_l0 and, if any gate has a b, bias_ih_l0 (b) and bias_hh_l0 (zeros), fresh arrays in
    the widest of the gates' dtypes, for LSTM.from_state_dict and the like. Where z weighs the new state pass z="new"
    there. Cells take it too. Raises ValueError and TypeError that name the gate, and the shape expected and found.
    """
    if not isinstance(cell, str) or cell not in _ORDERS:
        raise ValueError(f"expected cell 'lstm', 'gru' or 'rnn', got {cell!r}")
    if columns not in ("hx", "xh"):
        raise ValueError(f"expected columns 'hx' or 'xh', got {columns!r}")
    named = _in_order(cell, gates)
    pairs = {name: _weight_and_bias(name, value) for name, value in named.items()}
    _check_weights({name: weight.shape for name, (weight, _) in pairs.items()})
    hidden_size = next(iter(pairs.values()))[0].shape[0]
    dtype = np.result_type(*(array for pair in pairs.values() for array in pair if array is not None))
    weights = np.concatenate([weight for weight, _ in pairs.values()], dtype=dtype)
    split = hidden_size if columns == "hx" else -hidden_size
    parts = weights[:, :split], weights[:, split:]
    weight_hh, weight_ih = parts if columns == "hx" else parts[::-1]
    state_dict = {"weight_ih_l0": weight_ih.copy(), "weight_hh_l0": weight_hh.copy()}
    if any(bias is not None for _, bias in pairs.values()):
        zeros = np.zeros(hidden_size, dtype)
        biases = [
            zeros if bias is None else _checked_bias(name, bias, hidden_size) for name, (_, bias) in pairs.items()
        ]
        state_dict["bias_ih_l0"] = np.concatenate(biases, dtype=dtype)
        state_dict["bias_hh_l0"] = np.zeros_like(state_dict["bias_ih_l0"])
    return state_dict


def _in_order(cell: str, gates: Mapping[str, Any]) -> dict[str, Any]:
    """The gates by the names their caller gave them, in the order of PyTorch's rows."""
    if not isinstance(gates, Mapping):
        raise TypeError(f"expected gates to map names to weights, got {type(gates).__name__}")
    meant: dict[str, str] = {}
    for name in gates:
        gate = _ALIASES[cell].get(name, name)
        if gate not in tuple(_ORDERS[cell]):
            raise ValueError(f"{cell!r} has no gate {name!r}: expected {_listed(cell, _ORDERS[cell])}")
        if gate in meant:
            raise ValueError(f"gates {meant[gate]!r} and {name!r} are two names of one gate of {cell!r}")
        meant[gate] = name
    missing = "".join(gate for gate in _ORDERS[cell] if gate not in meant and gate != _OPTIONAL[cell])
    if missing:
        what = "gate" if len(missing) == 1 else "gates"
        raise ValueError(f"{cell!r} lacks the {what} {_listed(cell, missing)}, got {', '.join(gates) or 'none'}")
    return {meant[gate]: gates[meant[gate]] for gate in _ORDERS[cell] if gate in meant}


def _listed(cell: str, gates: str) -> str:
    """The gates with their other names, for an error."""
    aliases = _ALIASES[cell].items()
    return ", ".join(" or ".join([gate, *(name for name, of in aliases if of == gate)]) for gate in gates)


def _weight_and_bias(name: str, value: Any) -> tuple[Floats, Floats | None]:
    if not isinstance(value, tuple):
        value = (value, None)
    if len(value) != 2:
        raise ValueError(f"gate {name!r}: expected (W, b) or W, got a tuple of {len(value)}")
    weight, bias = value
    try:
        weight = view(weight, f"gate {name!r}: W", force=True)
    except (TypeError, ValueError) as error:
        hint = "; W and b go in a tuple (W, b)" if isinstance(weight, list) else ""
        raise type(error)(f"{error}{hint}") from None
    return weight, None if bias is None else view(bias, f"gate {name!r}: b", force=True)


def _check_weights(shapes: dict[str, tuple[int, ...]]) -> None:
    (first, expected), *others = shapes.items()
    if len(expected) != 2 or not 0 < expected[0] < expected[1]:
        hint = ": is it transposed?" if len(expected) == 2 and 0 < expected[1] < expected[0] else ""
        raise ValueError(f"gate {first!r}: expected W (H, H + I), more columns than rows, found {expected}{hint}")
    for name, shape in others:
        if shape != expected:
            raise ValueError(f"gate {name!r}: expected W {expected} like that of gate {first!r}, found {shape}")


def _checked_bias(name: str, bias: Floats, hidden_size: int) -> Floats:
    if bias.shape not in ((hidden_size,), (hidden_size, 1)):
        raise ValueError(f"gate {name!r}: expected b ({hidden_size},) or ({hidden_size}, 1), found {bias.shape}")
    return bias.reshape(-1)
