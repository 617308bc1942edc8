"""Which recurrent layers a state dict holds, as far as names and shapes tell."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base.spec import Spec
from .cures import frozen, quantised
from .layer_keys import TOLD, Part, cut
from .names import ancestors, is_derived, names_without_values, recurrent_weights, wrapped

_GATES = {4: "LSTM", 3: "GRU", 2: "GRU", 1: "RNN"}  # blocks of rows in weight_hh
_DEFAULTS = {  # of the flags
    "peepholes": None,
    "coupled_gates": False,
    "reset": "after",
    "batch_first": False,
    "nonlinearity": "tanh",
}


@dataclass(frozen=True)
class FoundLayer:
    """A layer, or a stack of them, or a cell, as `from_state_dict` of the class `cell` would read it under `prefix`.

    `flags` are its arguments that shapes, or a saved module, tell beside the sizes; `choose` says what nothing in the
    file tells. `beside` has the names of tensors near it that are not understood: they may change what it computes, so
    `from_state_dict` refuses them unless strict=False.
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
    beside: tuple[str, ...]

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
        beside = f"; not understood beside it: {', '.join(cut(list(self.beside)))}" if self.beside else ""
        return f"<{self.prefix!r}: {self}, {self.dtype}{choose}{beside}>"


class FoundLayers(list[FoundLayer]):
    """What `find_layers` returns: the layers, and in `refused` why others cannot be read, by prefix.

    `hint` says what to do where there are no layers because TorchScript has turned weights into constants. Else it is
    the empty string.
    """

    def __init__(self, layers: Iterable[FoundLayer], refused: dict[str, str], hint: str = "") -> None:
        super().__init__(layers)
        self.refused = refused
        self.hint = hint


def find_layers(state_dict: Mapping[str, Any]) -> FoundLayers:
    """The recurrent layers in a state dict, or in what `load` returns, in the order of its keys.

    A layer counts if its keys and shapes are those of one of gatecell's classes, every one of them there. `beside` of
    it names what `from_state_dict` takes for unexpected. Where recurrent weights are in another form or incomplete,
    `refused` of the result says by prefix what is wrong. A layer whose tensors all stand once more in the layer around
    it is not named again. Values may be NumPy arrays, torch tensors or lists of numbers.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"expected a state dict, names mapped to arrays, got {type(state_dict).__name__}")
    index = _Index(state_dict)
    found: dict[str, FoundLayer] = {}
    refused: dict[str, str] = {}
    copies: set[str] = set()
    weights = recurrent_weights(index.keys)
    for prefix in weights:
        try:
            found[prefix], second = _layer(index.near(prefix), prefix, index.options.get(prefix, {}))
            copies |= {key.rpartition(".")[0] + "." for key in second} - {prefix}
            copies -= {copy for copy in copies if any(key.startswith(copy) for key in found[prefix].beside)}
        except (ValueError, TypeError) as error:
            first, *lines = str(error).splitlines()
            refused[prefix] = "; ".join(line.strip() for line in lines) or first
    beside = {key for layer in found.values() for key in layer.beside}
    refused = {prefix: reason for prefix, reason in refused.items() if not beside.issuperset(weights[prefix])}
    refused |= quantised(index.skipped) | _nested(state_dict)
    layers = [layer for prefix, layer in found.items() if prefix not in copies]
    refused = {prefix: reason for prefix, reason in refused.items() if prefix not in copies}
    return FoundLayers(layers, refused, "" if layers else frozen(index.keys))


def _nested(state_dict: Mapping[Any, Any]) -> dict[str, str]:
    """Why recurrent weights in a mapping inside the dict, as in a checkpoint, are not among the layers."""
    nested = {key: value for key, value in state_dict.items() if isinstance(value, Mapping)}
    return {
        f"{key}.": f"it is in a mapping inside the state dict: pass state_dict[{key!r}]"
        for key, value in nested.items()
        if recurrent_weights(name for name in value if isinstance(name, str))
    }


class _Near(dict[str, Any]):
    """The part of a state dict near a layer, with the names near it of which there are no values."""

    outside: list[str]


class _Index:
    """A state dict's keys by module, so that many layers cost no more than few."""

    def __init__(self, state_dict: Mapping[str, Any]) -> None:
        self.options: Mapping[str, dict[str, Any]] = getattr(state_dict, "options", {})
        self.skipped: Mapping[str, str] = getattr(state_dict, "skipped", {})
        self.keys = [key for key in state_dict if isinstance(key, str)]
        names = [*self.keys, *names_without_values(state_dict)]
        self._state_dict = state_dict
        self._sorted = sorted(names)
        self._derived: dict[str, list[str]] = {}
        for key in names:
            module, dot, name = key.rpartition(".")
            if is_derived(name):
                self._derived.setdefault(module + dot, []).append(key)

    def near(self, prefix: str) -> _Near:
        """What is under a prefix, and what in the modules around is named after recurrent weights, in order."""
        scope = wrapped(prefix)
        places = range(bisect.bisect_left(self._sorted, scope), len(self._sorted))
        keys = (self._sorted[place] for place in places)
        under = itertools.takewhile(lambda key: key.startswith(scope), keys)
        around = (key for module in ancestors(prefix) for key in self._derived.get(module, ()))
        found = [*under, *around]
        near = _Near((key, self._state_dict[key]) for key in found if key in self._state_dict)
        near.outside = [key for key in found if key not in self._state_dict]
        return near


def _layer(near: _Near, prefix: str, told: Mapping[str, Any]) -> tuple[FoundLayer, list[str]]:
    """A layer and the second names of its weights. Raises ValueError and TypeError for what is none."""
    part = Part("a layer", near, prefix)
    is_cell = "weight_hh_l0" not in part.keys and "weight_ih_l0" not in part.keys
    sizes, peepholes = part.sizes(), part.peepholes()
    rows = part.shape(part.keys["weight_hh" if is_cell else "weight_hh_l0"])[0]
    gates, rest = divmod(rows, max(1, sizes["hidden_size"]))
    if rest or gates not in _GATES:
        raise ValueError(f"{part.prefix}weight_hh: expected 1 to 4 times {sizes['hidden_size']} rows, got {rows}")
    kind = "LSTM" if peepholes or sizes["proj_size"] else _GATES[gates]
    flags: dict[str, Any] = {
        "peepholes": peepholes,
        "coupled_gates": kind == "LSTM" and gates == 3,
        "reset": "none" if kind == "GRU" and gates == 2 else "after",
    }
    cell = "rnn_tanh" if kind == "RNN" else kind.lower()
    spec = Spec(cell, **sizes, **{**flags, "peepholes": peepholes or "none"})
    arrays, (_, beside) = part.arrays(spec.shapes(), strict=False, cell_names=True)
    own = part.own(spec.shapes(), cell_names=True).values()
    flags |= {name: told[name] for name in TOLD if name in told}
    choose = _choose(kind, gates, is_cell, told)
    layer = FoundLayer(
        prefix,
        kind + ("Cell" if is_cell else ""),
        **sizes,
        dtype=np.result_type(*arrays),
        flags=tuple((name, value) for name, value in flags.items() if value != _DEFAULTS[name]),
        choose=choose,
        beside=tuple(beside),
    )
    return layer, [key for key in part.keys.values() if key not in {*own, *beside}]


def _choose(kind: str, gates: int, is_cell: bool, told: Mapping[str, Any]) -> tuple[str, ...]:
    choose = [] if is_cell else ["batch_first"]
    if kind == "RNN":
        choose.append("nonlinearity")
    choose = [option for option in choose if option not in told]
    if kind == "GRU" and gates == 3 and "reset" not in told:
        choose += ["reset ('after' in PyTorch; 'before')", "or an LSTM with coupled_gates=True"]
    return tuple(choose)
