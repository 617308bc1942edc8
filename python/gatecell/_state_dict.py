"""The weights of one network out of a state dict: found by torch's names, every shape checked, every mistake named.

An error lists all that is wrong at once, and the cure where the keys tell it (pruned, weight-normed, wrapped modules).
Peepholes, which torch has not, are named in its manner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ._arrays import Floats, view

Shape = tuple[int, ...]

# What the keys of a module with re-parametrised weights look like, and how to get its plain weights back.
_PREFIX = r"(|.*?\.)"
_NAME = r"((?:weight|bias)(?:_[ih][hr]\w*?)?)"
_CURES = {
    rf"{_PREFIX}parametrizations\.{_NAME}\.original[01]?": "parametrize.remove_parametrizations(module, {!r})",
    rf"{_PREFIX}{_NAME}_mask": "prune.remove(module, {!r})",
    rf"{_PREFIX}{_NAME}_g": "remove_weight_norm(module, {!r})",
    rf"{_PREFIX}{_NAME}_u": "remove_spectral_norm(module, {!r})",
}
# A matrix of the first layer, plain or in one of those forms.
_RECURRENT = rf"{_PREFIX}(?:parametrizations\.)?weight_[ih]h(?:_l0)?(?:_orig|_mask|_[guv]|\.original[01]?)?"
_SHOWN = 50  # keys of one kind in an error
_KINDS: dict[float, str] = {  # by blocks of rows
    4: "an LSTM",
    3: "a GRU, or an LSTM with coupled_gates=True",
    2: "a GRU with reset='none'",
    1: "a simple RNN",
}
_PLAIN = {  # what that means to a network of the same class, which was made with other options
    ("LSTM", _KINDS[4]): "an LSTM with coupled_gates=False and peepholes=None",
    ("GRU", _KINDS[3]): f"a GRU with reset='after' or 'before', {_KINDS[3].partition(', ')[2]}",
}
_PEEPHOLES = r"weight_peephole(?:_l\d+(?:_reverse)?)?"


class IncompatibleKeys(NamedTuple):
    """What load_state_dict returns, as torch does. A missing key is an error here, so that list is always empty."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Part:
    """The keys of a state dict under one prefix, read for the class named `owner`."""

    def __init__(self, owner: str, state_dict: Mapping[str, Any], prefix: str) -> None:
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"expected a state dict, names mapped to arrays, got {type(state_dict).__name__}")
        for key in state_dict:
            if not isinstance(key, str):
                raise TypeError(f"expected a state dict whose keys are names, got the key {key!r}")
        if not state_dict:
            raise ValueError(f"{owner}: the state dict is empty")
        self.owner = owner
        self.state_dict = state_dict
        self.prefix = with_dot(prefix)
        self.keys = {key[len(self.prefix) :]: key for key in state_dict if key.startswith(self.prefix)}
        if not self.keys:
            lines = [f"{owner}: no key of the state dict starts with {self.prefix!r}: {self._whereabouts()}"]
            raise ValueError("\n".join(lines + self.cures()))

    def sizes(self) -> dict[str, Any]:
        """The constructor arguments that the tensors tell, from a layer's names or a cell's."""
        first = self._first_layer()
        missing = [self.prefix + name + "_l0" for name in ("weight_ih", "weight_hh") if name not in first]
        misshaped = [
            f"{self.prefix}{name}_l0: expected a matrix, found {s}"
            for name, s in first.items()
            if len(s) != 2 and name != "weight_peephole"
        ]
        if missing or misshaped:
            raise self._error(missing, [], misshaped)
        proj_size, hidden_size = first.get("weight_hr", (0, first["weight_hh"][1]))
        return {
            "input_size": first["weight_ih"][1],
            "hidden_size": hidden_size,
            "num_layers": max(1, self._layers()),
            "bias": any(name.startswith("bias_") for name in self.keys),
            "bidirectional": any(name.endswith("_reverse") for name in self.keys),
            "proj_size": proj_size,
        }

    def peepholes(self) -> str | None:
        """The peepholes that the tensors tell, as an LSTM's constructor takes them."""
        shape = self._first_layer().get("weight_peephole")
        return None if shape is None else _peepholes(shape)

    def check_layers(self, expected: int) -> None:
        """A short error for a network so much deeper than the dict that a list of what is missing could fill memory."""
        if expected > max(len(self.keys), 100):
            raise ValueError(
                f"{self.owner}: the state dict does not fit: expected {expected} layers, found {self._layers()}"
            )

    def arrays(
        self, shapes: Mapping[str, Shape], *, strict: bool = True, cell_names: bool = False
    ) -> tuple[list[Floats], IncompatibleKeys]:
        """The weights in the order of `shapes`, in the types they came in, and the keys left over.

        With `cell_names` a first layer's weights may have a cell's names, without "_l0", and a cell's those of one.
        """
        names = {name: _other_name(name) if cell_names and name not in self.keys else name for name in shapes}
        found = {name: self.keys[alias] for name, alias in names.items() if alias in self.keys}
        missing = [f"{self.prefix}{name} {shape}" for name, shape in shapes.items() if name not in found]
        used = set(found.values())
        unexpected = [key for key in self.keys.values() if key not in used]
        misshaped = [
            f"{key}: expected {shapes[name]}, found {shape}"
            for name, key in found.items()
            if (shape := self.shape(key)) != shapes[name]
        ]
        if missing or misshaped or (strict and unexpected):
            raise self._error(missing, unexpected if strict else [], misshaped, shapes)
        return [view(self.state_dict[key], key, force=True) for key in found.values()], IncompatibleKeys([], unexpected)

    def shape(self, key: str) -> Shape:
        value = self.state_dict[key]
        return tuple(value.shape) if hasattr(value, "shape") else view(value, key, force=True).shape

    def _layers(self) -> int:
        return len({match[1] for name in self.keys if (match := re.match(r"weight_[ih]h_l(\d+)", name))})

    def _first_layer(self) -> dict[str, Shape]:
        """Shapes of the first layer's matrices and of any peepholes, by a cell's names."""
        names = {name: key for key in ("weight_ih", "weight_hh", "weight_hr") for name in (key + "_l0", key)}
        names |= {name: "weight_peephole" for name in self.keys if re.fullmatch(_PEEPHOLES, name)}
        return {key: self.shape(self.keys[name]) for name, key in names.items() if name in self.keys}

    def _error(
        self, missing: list[str], unexpected: list[str], misshaped: list[str], shapes: Mapping[str, Shape] | None = None
    ) -> ValueError:
        lines = self.misfit(missing, unexpected, misshaped) + self.cures()
        kind = _kind(self._first_layer())
        if shapes and kind and kind != _kind({name.removesuffix("_l0"): shape for name, shape in shapes.items()}):
            lines.append(f"it looks like {_PLAIN.get((self.owner.removesuffix('Cell'), kind), kind)}")
        elif shapes and missing:
            for owner, name, ours in (("layer", "weight_hh_l0", "weight_hh"), ("cell", "weight_hh", "weight_hh_l0")):
                if name in self.keys and f"{self.prefix}{ours} {shapes.get(ours)}" in missing:
                    lines.append(f"it has the names of a {owner}'s weights")
        if missing and self.prefix not in self._meant():
            lines.append(self._whereabouts())
        return ValueError("\n".join(lines))

    def misfit(self, missing: list[str], unexpected: list[str], misshaped: list[str]) -> list[str]:
        """The error's lines about what does not fit."""
        lines = [f"{self.owner}: the state dict does not fit" + (f" under {self.prefix!r}:" if self.prefix else ":")]
        lines += cut([f"  missing: {key}" for key in missing])
        lines += cut([f"  unexpected: {key}" for key in unexpected])
        return lines + cut([f"  wrong shape: {problem}" for problem in misshaped])

    def cures(self, all_layers: bool = False) -> list[str]:
        """How to get plain weights back, of the recurrent layers or of all."""
        meant = self._meant()
        found = {
            cure.format(match[2]): None
            for key in self.state_dict
            for pattern, cure in _CURES.items()
            if (match := re.fullmatch(pattern, key)) and (all_layers or match[1] in meant)
        }
        return cut([f"to get the plain weight back before saving: torch.nn.utils.{cure}" for cure in found])

    def _meant(self) -> list[str]:
        """The prefixes of recurrent weights that could have been meant: ours, else those under ours, else all."""
        matches = (re.fullmatch(_RECURRENT, key) for key in self.state_dict)
        every = list(dict.fromkeys(match[1] for match in matches if match))
        if self.prefix in every:
            return [self.prefix]
        return [prefix for prefix in every if prefix.startswith(self.prefix)] or every

    def _whereabouts(self) -> str:
        """Where recurrent weights are, if not here: under other prefixes, maybe in a mapping inside the dict."""
        if meant := self._meant():
            return "its recurrent weights are under " + ", ".join(cut([f"prefix={prefix!r}" for prefix in meant]))
        if nested := [key for key, value in self.state_dict.items() if isinstance(value, Mapping)]:
            hints = [f"{key!r} holds a mapping: pass state_dict[{key!r}]" for key in nested]
            return "it has no recurrent weights, but " + ", ".join(cut(hints))
        prefixes = dict.fromkeys(key[: key.rfind(".") + 1] for key in self.state_dict)
        return "it has no recurrent weights, only prefixes " + ", ".join(cut([repr(prefix) for prefix in prefixes]))


def with_dot(prefix: str) -> str:
    """The prefix with its final dot, which the caller may leave out."""
    if not isinstance(prefix, str):
        raise TypeError(f"expected prefix to be a str, got {type(prefix).__name__}")
    return prefix + "." if prefix and not prefix.endswith(".") else prefix


def cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _SHOWN else [*lines[:_SHOWN], f"... and {len(lines) - _SHOWN} more"]


def _kind(first_layer: Mapping[str, Shape]) -> str | None:
    """What the weights of a first layer belong to: weight_hh has one block of hidden_size rows per gate."""
    rows_columns = first_layer.get("weight_hh", ())
    hidden = first_layer.get("weight_hr", rows_columns)[-1:]
    if len(rows_columns) != 2 or not hidden or not hidden[0]:
        return None
    gates = rows_columns[0] / hidden[0]
    if "weight_peephole" in first_layer and gates in (3, 4):
        peepholes = f"peepholes={_peepholes(first_layer['weight_peephole'])!r}"
        return f"an LSTM with {'coupled_gates=True and ' if gates == 3 else ''}{peepholes}"
    return _KINDS.get(gates)


def _other_name(name: str) -> str:
    """A cell's name of a first layer's weight, and a layer's of a cell's."""
    if name.endswith("_l0"):
        return name.removesuffix("_l0")
    return name if re.search(r"_l\d", name) else name + "_l0"


def _peepholes(shape: Shape) -> str:
    """What an LSTM's constructor calls peepholes of that shape: matrices are full, vectors diagonal."""
    return "full" if len(shape) == 2 else "diagonal"


def negate_z(arrays: list[Floats], hidden_size: int) -> list[Floats]:
    """The weights of a GRU whose gate z is to become 1 - z: copies with z's rows, the last but one block, negated."""
    negated = [array.copy() for array in arrays]
    for array in negated:
        z = array[-2 * hidden_size : -hidden_size]
        np.negative(z, out=z)
    return negated
