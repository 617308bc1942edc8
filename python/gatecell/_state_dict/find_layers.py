"""find_layers: lists the recurrent layers in a state dict, as names and shapes show them."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base.spec import CELLS, DEFAULTS, class_name, make_spec
from .cures import frozen, quantised
from .layer_keys import SAVED_OPTIONS, LayerKeys, first_lines
from .names import ancestors, is_named_after_weight, names_without_values, recurrent_weights, scope_of
from .variants import Variant, alike, count_gates, nearest, simplest, values_of, variants

# The values of options in FoundLayer.flags that it does not mention.
_DEFAULTS = {"batch_first": False, "nonlinearity": "tanh"} | DEFAULTS


@dataclass(frozen=True)
class FoundLayer:
    """A recurrent layer, a stack of layers or a cell, as `from_state_dict` of the class `cell` reads it with `prefix`.

    flags: further constructor arguments, which the shapes or a saved module show. choose: the arguments that nothing in
    the file shows, so that the user chooses them. beside: the names of tensors near the layer that are not understood.
    They may change what it computes, so `from_state_dict` raises an error for them unless strict=False.
    """

    prefix: str
    cell: str  # the class in gatecell, such as "LSTM" or "GRUCell"
    input_size: int
    hidden_size: int
    num_layers: int
    bidirectional: bool
    proj_size: int
    bias: bool
    dtype: np.dtype[Any]  # of the stored tensors
    flags: tuple[tuple[str, Any], ...]
    choose: tuple[str, ...]
    beside: tuple[str, ...]

    def __str__(self) -> str:
        """The constructor call, such as LSTM(80, 256, num_layers=2)."""
        sizes = [str(self.input_size), str(self.hidden_size)]
        sizes += [f"num_layers={self.num_layers}"] if self.num_layers > 1 else []
        sizes += ["bidirectional=True"] if self.bidirectional else []
        sizes += [f"proj_size={self.proj_size}"] if self.proj_size else []
        sizes += ["bias=False"] if not self.bias else []
        sizes += [f"{name}={value!r}" for name, value in self.flags]
        return f"{self.cell}({', '.join(sizes)})"

    def __repr__(self) -> str:
        choose = f"; choose {', '.join(self.choose)}" if self.choose else ""
        beside = f"; not understood beside it: {', '.join(first_lines(list(self.beside)))}" if self.beside else ""
        return f"<{self.prefix!r}: {self}, {self.dtype}{choose}{beside}>"


class FoundLayers(list[FoundLayer]):
    """The result of `find_layers`: a list of the layers. `refused` says by prefix why other layers cannot be read.

    `hint` says what to do if there are no layers because TorchScript has turned the weights into constants. Otherwise
    it is the empty string.
    """

    hint = ""  # of a FoundLayers from a pickle of an earlier version, which does not contain it

    def __init__(self, layers: Iterable[FoundLayer], refused: dict[str, str], hint: str = "") -> None:
        super().__init__(layers)
        self.refused = refused
        self.hint = hint


def find_layers(state_dict: Mapping[str, Any]) -> FoundLayers:
    """The recurrent layers in a state dict, or in what `load` returns, in the order of its keys.

    A layer is listed if it has all keys and shapes of one of gatecell's classes. Its `beside` names the keys that
    `from_state_dict` calls unexpected. If recurrent weights have another form or are incomplete, `refused` of the
    result says by prefix what is wrong. If the layer around a layer contains all its tensors once more, only the layer
    around it is listed. Values may be NumPy arrays, torch tensors or lists of numbers.
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
            found[prefix], second = _layer(index.surroundings(prefix), prefix, index.options.get(prefix, {}))
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
    """By key, why the recurrent weights in a mapping inside the dict are not listed. Checkpoints have such mappings."""
    nested = {key: value for key, value in state_dict.items() if isinstance(value, Mapping)}
    return {
        f"{key}.": f"it is in a mapping inside the state dict: pass state_dict[{key!r}]"
        for key, value in nested.items()
        if recurrent_weights(name for name in value if isinstance(name, str))
    }


class _Surroundings(dict[str, Any]):
    """The entries of a state dict near one layer. `outside` has the names near it that have no values."""

    outside: list[str]


class _Index:
    """The keys of a state dict by module, so that the search near one layer does not read all keys."""

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
            if is_named_after_weight(name):
                self._derived.setdefault(module + dot, []).append(key)

    def surroundings(self, prefix: str) -> _Surroundings:
        """The entries near the layer with this prefix.

        All entries under the prefix (or under that of an adapter around the layer) come first, sorted by name. The
        entries that continue the name of a recurrent weight (weight_hh_l0_raw) follow, from each module that
        contains the layer.
        """
        scope = scope_of(prefix)
        places = range(bisect.bisect_left(self._sorted, scope), len(self._sorted))
        keys = (self._sorted[place] for place in places)
        under = itertools.takewhile(lambda key: key.startswith(scope), keys)
        around = (key for module in ancestors(prefix) for key in self._derived.get(module, ()))
        found = [*under, *around]
        surroundings = _Surroundings((key, self._state_dict[key]) for key in found if key in self._state_dict)
        surroundings.outside = [key for key in found if key not in self._state_dict]
        return surroundings


def _layer(surroundings: _Surroundings, prefix: str, saved_options: Mapping[str, Any]) -> tuple[FoundLayer, list[str]]:
    """The layer with this prefix, and the keys that are second names of its weights.

    Raises ValueError and TypeError if there is no complete layer.
    """
    keys = LayerKeys("a layer", surroundings, prefix)
    is_cell = "weight_hh_l0" not in keys.full_names and "weight_ih_l0" not in keys.full_names
    sizes, first_layer = keys.sizes(), keys.first_layer()
    known = sorted({variant.gates for variant in variants()})
    if count_gates(first_layer) not in known:
        expected = f"{known[0]} to {known[-1]} times {sizes['hidden_size']} rows"
        raise ValueError(f"{keys.prefix}weight_hh: expected {expected}, got {first_layer['weight_hh'][0]}")
    found = alike(first_layer) or [nearest(first_layer)]
    cell, flags = found[0].cell, dict(found[0].options)
    spec = make_spec(cell, **sizes, **flags)
    arrays, (_, beside) = keys.arrays(spec.shapes(), strict=False, cell_names=True)
    weight_keys = keys.weight_keys(spec.shapes(), cell_names=True).values()
    flags |= {name: saved_options[name] for name in SAVED_OPTIONS if name in saved_options}
    layer = FoundLayer(
        prefix,
        class_name(cell) + ("Cell" if is_cell else ""),
        **sizes,
        dtype=np.result_type(*arrays),
        flags=tuple((name, value) for name, value in flags.items() if value != _DEFAULTS[name]),
        choose=_undetermined(found, is_cell, saved_options),
        beside=tuple(beside),
    )
    return layer, [key for key in keys.full_names.values() if key not in {*weight_keys, *beside}]


def _undetermined(found: list[Variant], is_cell: bool, saved_options: Mapping[str, Any]) -> tuple[str, ...]:
    """The options of a found layer that neither shapes nor a saved module show."""
    cell = found[0].cell
    choose = [] if is_cell else ["batch_first"]
    if sum(class_name(other) == class_name(cell) for other in CELLS) > 1:
        choose.append("nonlinearity")
    choose = [option for option in choose if option not in saved_options]
    own = [variant for variant in found if variant.cell == cell]
    options = {name: values for name, values in values_of(own).items() if len(values) > 1}
    if not options or options.keys() - saved_options.keys():
        choose += [
            f"{name} ({values[0]!r} in PyTorch; {', '.join(map(repr, values[1:]))})" for name, values in options.items()
        ]
        choose += [f"or {other}" for other in simplest([variant for variant in found if variant not in own])]
    return tuple(choose)
