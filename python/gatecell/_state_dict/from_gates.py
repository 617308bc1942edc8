"""from_gates: makes PyTorch's state dict from one matrix for each gate, which multiplies [h(t-1), x]."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._base.arrays import Floats, cast, is_list_of_numbers, view
from .._core import cells, options

# By a cell's name without its activation: the gates in the order of PyTorch's matrix rows, and those of them that an
# option of the cell removes.
_ORDERS = {cell.partition("_")[0]: facts["gates"] for cell, facts in cells().items()}
_OPTIONAL = {
    cell.partition("_")[0]: {gate for name in facts["options"] for gate in options()[name]["removes"].values()}
    for cell, facts in cells().items()
}
_ALIASES = {  # other names of gates
    "lstm": {"c": "g"},
    "gru": {"h": "n", "c": "n", "u": "z"},
    "rnn": {"a": "h"},
}


def from_gates(cell: str, gates: Mapping[str, Any], columns: str = "hx") -> dict[str, NDArray[Any]]:
    """Make the state dict of one layer from one matrix for each gate: gate = activation(W [h(t-1), x] + b).

    cell: "lstm" with the gates f i c o (c or g is the candidate), "gru" with r z n (n, h or c is the candidate, u is
    another name of z), or "rnn" with h (or a). f of an LSTM or r of a GRU may be missing. Then pass the option that
    removes this gate to from_state_dict, too.
    gates: (W, b), (W, None) or W by the gate's name. W is (H, H + I): a NumPy array, a torch tensor or a nested list.
    b: one bias, (H,) or (H, 1), or two biases, the input's and the recurrent one: a tuple (b_ih, b_hh) or an array
    (2, H) in Keras' order. The shape decides: if H is 2, (2, 1) is one bias and (2, 2) are two; if H is 1, (1, 1) is
    one bias and (2, 1) are two. Gates may have different forms. Two biases are added, except in the candidate of
    PyTorch's GRU (Keras' reset_after): n = tanh(W_in x + b_ih + r (W_hn h + b_hh)). A single bias is b_ih there.
    columns: "hx" if the first H columns of W multiply h(t-1), "xh" if the first I columns multiply x.
    Returns weight_ih_l0, weight_hh_l0 and, if any gate has a b, bias_ih_l0 (b or b_ih) and bias_hh_l0 (b_hh or zeros),
    as new arrays with the widest of the gates' dtypes. Lists of numbers have no dtype: lists alone give float32. Pass
    the result to LSTM.from_state_dict or that of another layer or cell, with z="new" there if z weighs the new state.
    Raises ValueError and TypeError that name the gate, and what was expected and what came.
    """
    if not isinstance(cell, str) or cell not in _ORDERS:
        raise ValueError(f"expected cell 'lstm', 'gru' or 'rnn', got {cell!r}")
    if columns not in ("hx", "xh"):
        raise ValueError(f"expected columns 'hx' or 'xh', got {columns!r}")
    named = _in_order(cell, gates)
    matrices = [_Gate.of(name, value) for name, value in named.items()]
    _check_weights({gate.name: gate.weight.shape for gate in matrices})
    hidden_size = matrices[0].weight.shape[0]
    biases = zip(*(gate.two_biases(hidden_size) for gate in matrices), strict=True)
    dtype = np.result_type(*(set().union(*(gate.dtypes for gate in matrices)) or {np.dtype(np.float32)}))
    weights = np.concatenate([cast(gate.weight, dtype) for gate in matrices])
    split = hidden_size if columns == "hx" else -hidden_size
    halves = weights[:, :split], weights[:, split:]
    weight_hh, weight_ih = halves if columns == "hx" else halves[::-1]
    state_dict = {"weight_ih_l0": weight_ih.copy(), "weight_hh_l0": weight_hh.copy()}
    if any(gate.biases for gate in matrices):
        for name, of_gates in zip(("bias_ih_l0", "bias_hh_l0"), biases, strict=True):
            state_dict[name] = np.concatenate([cast(bias, dtype) for bias in of_gates])
    return state_dict


class _Gate(NamedTuple):
    """A gate as the caller passed it: its matrix and its biases."""

    name: str
    weight: Floats
    biases: dict[str, Floats]  # empty, or {"b"}, or {"b_ih", "b_hh"}
    dtypes: set[np.dtype[Any]]  # of weight and biases, without lists, which have no dtype

    @classmethod
    def of(cls, name: str, value: Any) -> _Gate:
        weight, bias = _weight_and_bias(name, value)
        given = {"W": weight} | ({} if bias is None else {"b": bias})
        if isinstance(bias, tuple) and len(bias) == 2 and not all(isinstance(item, Real) for item in bias):
            given = dict(zip(("W", "b_ih", "b_hh"), (weight, *bias), strict=True))
        arrays: dict[str, Floats] = {}
        for what, array in given.items():
            try:
                arrays[what] = view(array, f"gate {name!r}: {what}", force=True)
            except (TypeError, ValueError) as error:
                hint = "; W and b go in a tuple (W, b)" if array is value and isinstance(value, list) else ""
                raise type(error)(f"{error}{hint}") from None
        dtypes = {arrays[what].dtype for what, array in given.items() if not is_list_of_numbers(array)}
        return cls(name, arrays.pop("W"), arrays, dtypes)

    def two_biases(self, hidden_size: int) -> tuple[Floats, Floats]:
        """The input's bias and the recurrent bias, (H,) each. A bias that the caller did not pass is zeros."""
        both = self.biases.get("b")
        if both is not None and both.shape == (2, hidden_size):
            return both[0], both[1]
        for what, bias in self.biases.items():
            if bias.shape not in ((hidden_size,), (hidden_size, 1)):
                forms = f"({hidden_size},) or ({hidden_size}, 1)"
                forms += f", or (2, {hidden_size}) of two biases" if what == "b" else ""
                raise ValueError(f"gate {self.name!r}: expected {what} {forms}, got {bias.shape}")
        zeros = np.zeros(hidden_size, np.float32)
        b_ih, b_hh, *_ = [*(bias.reshape(-1) for bias in self.biases.values()), zeros, zeros]
        return b_ih, b_hh


def _weight_and_bias(name: str, value: Any) -> tuple[Any, Any]:
    """(W, b) from the value of a gate; b may be None."""
    if not isinstance(value, tuple):
        return value, None
    if len(value) != 2:
        hint = "; two biases go in a tuple of their own, (W, (b_ih, b_hh))" if len(value) == 3 else ""
        raise ValueError(f"gate {name!r}: expected (W, b) or W, got a tuple of {len(value)}{hint}")
    return value


def _in_order(cell: str, gates: Mapping[str, Any]) -> dict[str, Any]:
    """The gates by the names that the caller uses, in the order of PyTorch's matrix rows.

    Raises TypeError and ValueError for wrong, double and missing names.
    """
    if not isinstance(gates, Mapping):
        raise TypeError(f"expected gates to map names to weights, got {type(gates).__name__}")
    names: dict[str, str] = {}
    for name in gates:
        gate = _ALIASES[cell].get(name, name)
        if gate not in tuple(_ORDERS[cell]):
            raise ValueError(f"expected gates of {cell!r} ({_listed(cell, _ORDERS[cell])}), got {name!r}")
        if gate in names:
            raise ValueError(f"expected each gate of {cell!r} once, got {names[gate]!r} and {name!r}, two names of one")
        names[gate] = name
    missing = "".join(gate for gate in _ORDERS[cell] if gate not in names and gate not in _OPTIONAL[cell])
    if missing:
        raise ValueError(f"expected gates {_listed(cell, missing)} of {cell!r} too, got {', '.join(gates) or 'none'}")
    return {names[gate]: gates[names[gate]] for gate in _ORDERS[cell] if gate in names}


def _listed(cell: str, gates: str) -> str:
    """The names of the gates, with their other names, for an error."""
    aliases = _ALIASES[cell].items()
    return ", ".join(" or ".join([gate, *(name for name, of in aliases if of == gate)]) for gate in gates)


def _check_weights(shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises ValueError unless all gates have one shape (H, H + I)."""
    (first, expected), *others = shapes.items()
    if len(expected) != 2 or not 0 < expected[0] < expected[1]:
        hint = ": is it transposed?" if len(expected) == 2 and 0 < expected[1] < expected[0] else ""
        raise ValueError(f"gate {first!r}: expected W (H, H + I), more columns than rows, got {expected}{hint}")
    for name, shape in others:
        if shape != expected:
            raise ValueError(f"gate {name!r}: expected W {expected} like that of gate {first!r}, got {shape}")
