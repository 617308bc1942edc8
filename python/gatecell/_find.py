"""Which recurrent layers a state dict holds, as far as names and shapes tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays
from ._spec import Spec
from ._state_dict import Part, Shape

_FIRST = ("weight_hh_l0", "weight_hh")  # a layer's and a cell's
_GATES = {4: "LSTM", 3: "GRU", 2: "GRU", 1: "RNN"}  # blocks of rows in weight_hh


@dataclass(frozen=True)
class FoundLayer:
    """A layer, or a stack of them, or a cell, as `from_state_dict` of the class `cell` would read it under `prefix`.

    `flags` are its arguments that shapes tell beside the sizes; `choose` says what nothing in the file tells.
    """

    prefix: str
    cell: str  # the class in gatecell, such as "LSTM" or "GRUCell"
    input_size: int
    hidden_size: int
    num_layers: int
    bidirectional: bool
    proj_size: int
    bias: bool
    dtype: np.dtype[Any]  # of the tensors as they are stored
    flags: tuple[tuple[str, Any], ...]
    choose: tuple[str, ...]

    def __str__(self) -> str:
        """How it is made: LSTM(80, 256, num_layers=2)."""
        sizes = [str(self.input_size), str(self.hidden_size)]
        sizes += [f"num_layers={self.num_layers}"] if self.num_layers > 1 else []
        sizes += ["bidirectional=True"] if self.bidirectional else []
        sizes += [f"proj_size={self.proj_size}"] if self.proj_size else []
        sizes += ["bias=False"] if not self.bias else []
        sizes += [f"{name}={value!r}" for name, value in self.flags]
        return f"{self.cell}({', '.join(sizes)})"

    def __repr__(self) -> str:
        choose = f"; choose {', '.join(self.choose)}" if self.choose else ""
        return f"<{self.prefix!r}: {self}, {self.dtype}{choose}>"


def find_layers(state_dict: Mapping[str, Any]) -> list[FoundLayer]:
    """The recurrent layers in a state dict, or in what `load` returns, in the order of its keys.

    A layer counts if its keys and shapes are those of one of gatecell's classes, every one of them there;
    `from_state_dict` says what is wrong with others. Values may be NumPy arrays or torch tensors.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"expected a state dict, names mapped to arrays, got {type(state_dict).__name__}")
    groups: dict[str, dict[str, Any]] = {}
    for key, value in state_dict.items():
        if isinstance(key, str):
            prefix, dot, _ = key.rpartition(".")
            groups.setdefault(prefix + dot, {})[key] = value
    found = (
        _layer(prefix, group) for prefix, group in groups.items() if any(prefix + name in group for name in _FIRST)
    )
    return [layer for layer in found if layer is not None]


def _layer(prefix: str, group: dict[str, Any]) -> FoundLayer | None:
    shapes = {key[len(prefix) :]: _shape(value) for key, value in group.items()}
    is_cell = "weight_hh_l0" not in shapes
    try:
        part = Part("a layer", group, prefix)
        sizes, peepholes = part.sizes(), part.peepholes()
        rows = (shapes["weight_hh" if is_cell else "weight_hh_l0"] or (0,))[0]
        gates = rows // max(1, sizes["hidden_size"])
        kind = "LSTM" if peepholes or sizes["proj_size"] else _GATES[gates]
        flags: dict[str, Any] = {
            "peepholes": peepholes,
            "coupled_gates": kind == "LSTM" and gates == 3,
            "reset": "none" if kind == "GRU" and gates == 2 else "after",
        }
        cell = "rnn_tanh" if kind == "RNN" else kind.lower()
        spec = Spec(cell, **sizes, **{**flags, "peepholes": peepholes or "none"})
        # A cell's names are a layer's without the number.
        expected = {name.removesuffix("_l0") if is_cell else name: shape for name, shape in spec.shapes().items()}
        if any(shapes.get(name) != shape for name, shape in expected.items()):
            return None
        dtype = _dtype([group[prefix + name] for name in expected])
    except (ValueError, TypeError, KeyError):
        return None
    told = {"peepholes": None, "coupled_gates": False, "reset": "after"}
    return FoundLayer(
        prefix,
        kind + ("Cell" if is_cell else ""),
        **sizes,
        dtype=dtype,
        flags=tuple((name, value) for name, value in flags.items() if value != told[name]),
        choose=_choose(kind, gates, is_cell),
    )


def _choose(kind: str, gates: int, is_cell: bool) -> tuple[str, ...]:
    choose = [] if is_cell else ["batch_first"]
    if kind == "RNN":
        choose.append("nonlinearity")
    if kind == "GRU" and gates == 3:
        choose += ["reset ('after' in PyTorch; 'before')", "or an LSTM with coupled_gates=True"]
    return tuple(choose)


def _shape(value: Any) -> Shape | None:
    return tuple(value.shape) if hasattr(value, "shape") else None


def _dtype(values: list[Any]) -> np.dtype[Any]:
    """The type all have, or the widest; torch's bfloat16 counts as the float32 it becomes."""
    arrays: list[NDArray[Any]] = [_arrays.view(value, "a weight", force=True) for value in values]
    return np.result_type(*(array.dtype for array in arrays))
