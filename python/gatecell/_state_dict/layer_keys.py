"""The weights of one network out of a state dict: found by torch's names, every shape checked, every mistake named.

An error lists all that is wrong at once, and the cure where the keys tell it (pruned, weight-normed, wrapped modules).
Peepholes, which torch has not, are named in its manner. What lies near a layer and is not understood counts as wrong:
`Part.beside` is the one judgement of that, for all who load or list layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .._base.arrays import Floats, cast, is_numbers, view, widest
from .cures import cures, frozen, quantised
from .names import KIND, WEIGHT, ancestors, is_derived, names_without_values, recurrent_weights, with_dot, wrapped

Shape = tuple[int, ...]

TOLD = ("batch_first", "nonlinearity")  # arguments of constructors that no tensor tells, but a saved module
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
_LAYER = re.compile(r"(?:parametrizations\.)?(?:weight|bias)_(?:[ih]h|hr|peephole)_l(\d+)")


class IncompatibleKeys(NamedTuple):
    """What load_state_dict returns, as torch does. A missing key of what has no values yet is an error here."""

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
        self._names = [*state_dict, *names_without_values(state_dict)]
        self._skipped = getattr(state_dict, "skipped", {})
        self.owner = owner
        self.state_dict = state_dict
        self.prefix = with_dot(prefix)
        self.keys = {key[len(self.prefix) :]: key for key in state_dict if key.startswith(self.prefix)}
        if not self._names:
            raise ValueError("\n".join([f"{owner}: the state dict is empty", *self.cures()]))
        if not self.keys:
            lines = [f"{owner}: no key of the state dict starts with {self.prefix!r}: {self._whereabouts()}"]
            raise ValueError("\n".join(lines + self.cures()))

    def sizes(self) -> dict[str, Any]:
        """The constructor arguments that the tensors tell, from a layer's names or a cell's."""
        first = self._first_layer()
        missing = [self.prefix + name + "_l0" for name in ("weight_ih", "weight_hh") if name not in first]
        misshaped = [
            f"{self.prefix}{name}_l0: expected a matrix, got {s}"
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
            "bias": any(name.startswith("bias_") and WEIGHT.fullmatch(name) for name in self.keys),
            "bidirectional": any(name.endswith("_reverse") and WEIGHT.fullmatch(name) for name in self.keys),
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
                f"{self.owner}: the state dict does not fit: expected {expected} layers, got {self._layers()}"
            )

    def arrays(
        self, shapes: Mapping[str, Shape], *, strict: bool = True, cell_names: bool = False
    ) -> tuple[list[Floats], IncompatibleKeys]:
        """The weights in the order of `shapes`, in the types they came in, and the keys that are unexpected.

        Lists of numbers take the type of the arrays beside them; alone they are float32, as in torch.

        With `cell_names` a first layer's weights may have a cell's names, without "_l0", and a cell's those of one.
        """
        found = self.own(shapes, cell_names=cell_names)
        missing = [f"{self.prefix}{name} {shape}" for name, shape in shapes.items() if name not in found]
        unexpected = self.beside(found.values())
        misshaped = [
            f"{key}: expected {shapes[name]}, got {shape}"
            for name, key in found.items()
            if (shape := self.shape(key)) != shapes[name]
        ]
        if missing or misshaped or (strict and unexpected):
            raise self._error(missing, unexpected if strict else [], misshaped, shapes)
        values = {key: self.state_dict[key] for key in found.values()}
        arrays = {key: view(value, key, force=True) for key, value in values.items()}
        lists = [key for key, value in values.items() if is_numbers(value)]
        if lists:
            common = widest(values.values(), arrays.values())
            arrays |= {key: cast(arrays[key], common) for key in lists}
        return list(arrays.values()), IncompatibleKeys([], unexpected)

    def own(self, shapes: Iterable[str], *, cell_names: bool) -> dict[str, str]:
        """The keys of the layer's weights, as far as they are there, by the names in `shapes`."""
        names = {name: _other_name(name) if cell_names and name not in self.keys else name for name in shapes}
        return {name: self.keys[alias] for name, alias in names.items() if alias in self.keys}

    def beside(self, own: Iterable[str]) -> list[str]:
        """The names of tensors near the layer, whose weights have the names `own`, that are not understood.

        Near are all under its prefix, all in the adapter around it (PEFT's base_layer), and in the modules around those
        named after one of its weights, such as weight_hh_l0_raw. Of these a second name of one of its weights is
        understood: it holds an equal tensor.
        """
        weights = {key[len(self.prefix) :]: key for key in own}
        used = set(weights.values())
        around = ancestors(self.prefix)
        scope = wrapped(self.prefix)
        near = [key for key in self._names if key.startswith(scope) and key not in used and key in self.state_dict]
        for key in self._names:
            module, dot, name = key.rpartition(".")
            is_here = module + dot in around or (module + dot == self.prefix and key not in self.state_dict)
            if is_here and is_derived(name) and any(weight in name for weight in weights):
                near.append(key)
        return [key for key in dict.fromkeys(near) if not self._is_second_name(key, weights)]

    def _is_second_name(self, key: str, weights: Mapping[str, str]) -> bool:
        """Whether `key` is another name of one of the weights: of its kind by name, and by content the same.

        In a module below it is the name of a weight (PaddlePaddle's 0.cell_fw.weight_ih), elsewhere a name derived from
        that of the weight (weight_hh_l0_raw after training).
        """
        module, dot, name = key.rpartition(".")
        kind = KIND.match(name)
        if key not in self.state_dict or not kind:
            return False
        if len(module + dot) > len(self.prefix):
            same = [own for weight, own in weights.items() if weight.startswith(kind[0]) and WEIGHT.fullmatch(name)]
        else:
            same = [own for weight, own in weights.items() if name.startswith(weight + "_") and is_derived(name)]
        return any(_are_equal(self.state_dict[key], self.state_dict[own]) for own in same)

    def shape(self, key: str) -> Shape:
        value = self.state_dict[key]
        return tuple(value.shape) if hasattr(value, "shape") else view(value, key, force=True).shape

    def _layers(self) -> int:
        """Numbers of layers that occur, of weights in other forms and of biases too: what is not whole is missing."""
        return len({match[1] for name in self.keys if (match := _LAYER.match(name))})

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
            given = next((name for name in ("bias_ih_l0", "bias_ih") if name in self.keys), "")
            other = given.replace("ih", "hh")
            if given and other not in self.keys:
                lines.append(
                    f"it has one bias: if that is the sum of two (Keras, TensorFlow, NAM), zeros make the other: "
                    f"{other} = np.zeros_like({given})"
                )
            for owner, name, ours in (("layer", "weight_hh_l0", "weight_hh"), ("cell", "weight_hh", "weight_hh_l0")):
                if name in self.keys and f"{self.prefix}{ours} {shapes.get(ours)}" in missing:
                    lines.append(f"it has the names of a {owner}'s weights")
        elif unexpected and not misshaped:
            lines.append("strict=False ignores what is unexpected")
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
        around = {prefix for prefix in meant for prefix in ancestors(prefix)}
        lines = cures(self._names, None if all_layers else {*meant, *around})
        lines += [f"{prefix!r} is {reason}" for prefix, reason in quantised(self._skipped).items()]
        return cut(lines)

    def _meant(self) -> list[str]:
        """The prefixes of recurrent weights that could have been meant: ours, else those under ours, else all."""
        every = list(recurrent_weights(self._names))
        if self.prefix in every:
            return [self.prefix]
        return [prefix for prefix in every if prefix.startswith(self.prefix)] or every

    def _whereabouts(self) -> str:
        """Where recurrent weights are, if not here: under other prefixes, maybe in a mapping inside the dict."""
        if meant := self._meant():
            return "its recurrent weights are under " + ", ".join(cut([f"prefix={prefix!r}" for prefix in meant]))
        if hint := frozen(self._names):
            return hint
        if nested := [key for key, value in self.state_dict.items() if isinstance(value, Mapping)]:
            hints = [f"{key!r} holds a mapping: pass state_dict[{key!r}]" for key in nested]
            return "it has no recurrent weights, but " + ", ".join(cut(hints))
        prefixes = dict.fromkeys(key[: key.rfind(".") + 1] for key in self._names)
        return "it has no recurrent weights, only prefixes " + ", ".join(cut([repr(prefix) for prefix in prefixes]))


def _are_equal(one: Any, other: Any) -> bool:
    """Whether two weights hold the same values; what NumPy cannot view is equal to nothing."""
    if getattr(one, "shape", None) != getattr(other, "shape", None):
        return False
    try:
        return np.array_equal(view(one, "", force=True), view(other, "", force=True), equal_nan=True)
    except (TypeError, ValueError):
        return False


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
