"""LayerKeys: finds the weights of one network in a state dict by torch's names, and checks every shape.

An error lists all mistakes at once. Where the keys show that a module was pruned, weight-normed or wrapped, the error
says how to get plain weights. The names of weights that torch lacks follow its pattern. A tensor near a layer that is
not understood is a mistake, too: it may change the layer. Only `LayerKeys.not_understood` decides this, for loading and
for `find_layers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .._base.arrays import Floats, cast, is_list_of_numbers, view, widest_dtype
from .cures import cures, frozen, quantised
from .names import (
    KIND,
    WEIGHT,
    ancestors,
    is_named_after_weight,
    names_without_values,
    recurrent_weights,
    scope_of,
    with_dot,
)
from .variants import Shape, Variant, alike, in_words, options_of_weights, usual_weights, weights_of_options

# Constructor arguments that tensors do not show, but a saved module has.
SAVED_OPTIONS = ("batch_first", "nonlinearity")
_MOST_LINES = 50  # how long a list of keys in an error may be
_LAYER = re.compile(rf"(?:parametrizations\.)?(?:{KIND.pattern})_l(\d+)")


class IncompatibleKeys(NamedTuple):
    """The result of load_state_dict, as in torch. A missing key is here only if its weight has values already."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class LayerKeys:
    """The keys of a state dict under one prefix. `owner`, the class that is to load them, is named in errors.

    full_names: the full key in the state dict by the name without the prefix.
    """

    def __init__(self, owner: str, state_dict: Mapping[str, Any], prefix: str) -> None:
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"expected a state dict, names mapped to arrays, got {type(state_dict).__name__}")
        for key in state_dict:
            if not isinstance(key, str):
                raise TypeError(f"expected a state dict with names as keys, got the key {key!r}")
        self._names = [*state_dict, *names_without_values(state_dict)]
        self._skipped = getattr(state_dict, "skipped", {})
        self.owner = owner
        self.state_dict = state_dict
        self.prefix = with_dot(prefix)
        self.full_names = {key[len(self.prefix) :]: key for key in state_dict if key.startswith(self.prefix)}
        if not self._names:
            raise ValueError("\n".join([f"{owner}: the state dict is empty", *self.advice()]))
        if not self.full_names:
            lines = [f"{owner}: no key of the state dict starts with {self.prefix!r}: {self._where_weights_are()}"]
            raise ValueError("\n".join(lines + self.advice()))

    def sizes(self) -> dict[str, Any]:
        """The constructor arguments that names and shapes of the tensors show, for a layer as well as for a cell."""
        first = self.first_layer()
        missing = [self.prefix + name + "_l0" for name in ("weight_ih", "weight_hh") if name not in first]
        misshaped = [
            f"{self.prefix}{name}_l0: expected a matrix, got {s}"
            for name, s in first.items()
            if len(s) != 2 and name in usual_weights()
        ]
        if missing or misshaped:
            raise self._error(missing, [], misshaped)
        proj_size, hidden_size = first.get("weight_hr", (0, first["weight_hh"][1]))
        return {
            "input_size": first["weight_ih"][1],
            "hidden_size": hidden_size,
            "num_layers": max(1, self._count_layers()),
            "bias": any(name.startswith("bias_") and WEIGHT.fullmatch(name) for name in self.full_names),
            "bidirectional": any(name.endswith("_reverse") and WEIGHT.fullmatch(name) for name in self.full_names),
            "proj_size": proj_size,
        }

    def options(self, cell: str) -> dict[str, Any]:
        """The constructor arguments that weights show which the cell has only with an option."""
        return options_of_weights(cell, self.first_layer())

    def check_depth(self, expected: int) -> None:
        """Raises a short ValueError if the network has far more layers than the state dict has keys.

        Without it, the list of missing keys could fill the memory.
        """
        if expected > max(len(self.full_names), 100):
            raise ValueError(
                f"{self.owner}: the state dict does not fit: expected {expected} layers, got {self._count_layers()}"
            )

    def arrays(
        self, shapes: Mapping[str, Shape], *, strict: bool = True, cell_names: bool = False
    ) -> tuple[list[Floats], IncompatibleKeys]:
        """The weights in the order of `shapes`, each with the dtype that it has, and the unexpected keys.

        Lists of numbers get the widest dtype of the other weights. If all are lists, they become float32, as in torch.
        cell_names: the weights of a first layer may have the names that a cell uses (without "_l0"), and those of a
        cell may have the names of a layer.
        Raises ValueError that lists all mistakes, TypeError for weights that are not real floating point numbers.
        """
        found = self.weight_keys(shapes, cell_names=cell_names)
        missing = [f"{self.prefix}{name} {shape}" for name, shape in shapes.items() if name not in found]
        unexpected = self.not_understood(found.values())
        misshaped = [
            f"{key}: expected {shapes[name]}, got {shape}"
            for name, key in found.items()
            if (shape := self.shape(key)) != shapes[name]
        ]
        if missing or misshaped or (strict and unexpected):
            raise self._error(missing, unexpected if strict else [], misshaped, shapes)
        values = {key: self.state_dict[key] for key in found.values()}
        arrays = {key: view(value, key, force=True) for key, value in values.items()}
        lists = [key for key, value in values.items() if is_list_of_numbers(value)]
        if lists:
            common = widest_dtype(values.values(), arrays.values())
            arrays |= {key: cast(arrays[key], common) for key in lists}
        return list(arrays.values()), IncompatibleKeys([], unexpected)

    def weight_keys(self, shapes: Iterable[str], *, cell_names: bool) -> dict[str, str]:
        """The full keys of the layer's weights by the names in `shapes`, without those that are missing."""
        names = {name: _other_name(name) if cell_names and name not in self.full_names else name for name in shapes}
        return {name: self.full_names[alias] for name, alias in names.items() if alias in self.full_names}

    def not_understood(self, weight_keys: Iterable[str]) -> list[str]:
        """The keys of tensors near the layer that are not understood. weight_keys: the full keys of its weights.

        These tensors are near: all under the layer's prefix; all in an adapter around the layer (PEFT's base_layer);
        and in the modules around it all that are named after one of its weights, such as weight_hh_l0_raw.
        A second name of a weight is understood: it holds a tensor equal to the weight.
        """
        weights = {key[len(self.prefix) :]: key for key in weight_keys}
        used = set(weights.values())
        around = ancestors(self.prefix)
        scope = scope_of(self.prefix)
        near = [key for key in self._names if key.startswith(scope) and key not in used and key in self.state_dict]
        for key in self._names:
            module, dot, name = key.rpartition(".")
            is_here = module + dot in around or (module + dot == self.prefix and key not in self.state_dict)
            if is_here and is_named_after_weight(name) and any(weight in name for weight in weights):
                near.append(key)
        return [key for key in dict.fromkeys(near) if not self._is_second_name(key, weights)]

    def _is_second_name(self, key: str, weights: Mapping[str, str]) -> bool:
        """Whether `key` is another name of one of the weights: its name is similar, and its tensor is equal.

        In a module below the layer, a similar name is that of a weight of the same kind (PaddlePaddle's
        0.cell_fw.weight_ih). Elsewhere it is a name that continues the weight's name (weight_hh_l0_raw).
        """
        module, dot, name = key.rpartition(".")
        kind = KIND.match(name)
        if key not in self.state_dict or not kind:
            return False
        if len(module + dot) > len(self.prefix):
            alike = [weight for weight in weights if weight.startswith(kind[0]) and WEIGHT.fullmatch(name)]
        else:
            alike = [weight for weight in weights if name.startswith(weight + "_") and is_named_after_weight(name)]
        return any(_are_equal(self.state_dict[key], self.state_dict[weights[weight]]) for weight in alike)

    def shape(self, key: str) -> Shape:
        """The shape of the tensor or the list under a full key."""
        value = self.state_dict[key]
        return tuple(value.shape) if hasattr(value, "shape") else view(value, key, force=True).shape

    def _count_layers(self) -> int:
        """The number of layers that the names mention. A layer counts even if some of its weights are missing."""
        return len({match[1] for name in self.full_names if (match := _LAYER.match(name))})

    def first_layer(self) -> dict[str, Shape]:
        """The shapes of the first layer's matrices, and of any layer's weights of options, by their names in a cell."""
        names = {name: kind for kind in usual_weights() for name in (kind + "_l0", kind)}
        for name in self.full_names:
            if (match := WEIGHT.fullmatch(name)) and match[1] in weights_of_options():
                names[name] = match[1]
        return {kind: self.shape(self.full_names[name]) for name, kind in names.items() if name in self.full_names}

    def _error(
        self, missing: list[str], unexpected: list[str], misshaped: list[str], shapes: Mapping[str, Shape] | None = None
    ) -> ValueError:
        """The error that lists the mistakes, with what the keys suggest as their cause."""
        lines = self.misfit_lines(missing, unexpected, misshaped) + self.advice()
        found = alike(self.first_layer())
        if shapes and found and not _are_same(found, alike(_first_layer(shapes))):
            lines.append(f"it looks like {in_words(found, self.owner.removesuffix('Cell'))}")
        elif shapes and missing:
            given = next((name for name in ("bias_ih_l0", "bias_ih") if name in self.full_names), "")
            other = given.replace("ih", "hh")
            if given and other not in self.full_names:
                lines.append(
                    f"it has one bias: if that is the sum of two (Keras, TensorFlow, NAM), zeros make the other: "
                    f"{other} = np.zeros_like({given})"
                )
            for owner, name, ours in (("layer", "weight_hh_l0", "weight_hh"), ("cell", "weight_hh", "weight_hh_l0")):
                if name in self.full_names and f"{self.prefix}{ours} {shapes.get(ours)}" in missing:
                    lines.append(f"it has the names of a {owner}'s weights")
        elif unexpected and not misshaped:
            lines.append("strict=False ignores what is unexpected")
        if missing and self.prefix not in self._likely_prefixes():
            lines.append(self._where_weights_are())
        return ValueError("\n".join(lines))

    def misfit_lines(self, missing: list[str], unexpected: list[str], misshaped: list[str]) -> list[str]:
        """The lines of an error that list what does not fit."""
        lines = [f"{self.owner}: the state dict does not fit" + (f" under {self.prefix!r}:" if self.prefix else ":")]
        lines += first_lines([f"  missing: {key}" for key in missing])
        lines += first_lines([f"  unexpected: {key}" for key in unexpected])
        return lines + first_lines([f"  wrong shape: {problem}" for problem in misshaped])

    def advice(self, all_layers: bool = False) -> list[str]:
        """Lines that say how to get plain weights: of the recurrent layers that may be meant, or of all layers."""
        likely = self._likely_prefixes()
        around = {module for prefix in likely for module in ancestors(prefix)}
        lines = cures(self._names, None if all_layers else {*likely, *around})
        lines += [f"{prefix!r} is {reason}" for prefix, reason in quantised(self._skipped).items()]
        return first_lines(lines)

    def _likely_prefixes(self) -> list[str]:
        """Prefixes of weights that the caller may mean: the given one; or else those under it; or else all."""
        every = list(recurrent_weights(self._names))
        if self.prefix in every:
            return [self.prefix]
        return [prefix for prefix in every if prefix.startswith(self.prefix)] or every

    def _where_weights_are(self) -> str:
        """For an error: under which other prefixes, or in which mapping inside the dict, recurrent weights are."""
        if prefixes := self._likely_prefixes():
            return "its recurrent weights are under " + ", ".join(
                first_lines([f"prefix={prefix!r}" for prefix in prefixes])
            )
        if hint := frozen(self._names):
            return hint
        if nested := [key for key, value in self.state_dict.items() if isinstance(value, Mapping)]:
            hints = [f"{key!r} holds a mapping: pass state_dict[{key!r}]" for key in nested]
            return "it has no recurrent weights, but " + ", ".join(first_lines(hints))
        found = dict.fromkeys(key[: key.rfind(".") + 1] for key in self._names)
        return "it has no recurrent weights, only prefixes " + ", ".join(
            first_lines([repr(prefix) for prefix in found])
        )


def _are_equal(one: Any, other: Any) -> bool:
    """Whether two weights hold the same values. False if NumPy cannot view one of them."""
    if getattr(one, "shape", None) != getattr(other, "shape", None):
        return False
    try:
        return np.array_equal(view(one, "", force=True), view(other, "", force=True), equal_nan=True)
    except (TypeError, ValueError):
        return False


def first_lines(lines: list[str]) -> list[str]:
    """The lines, but of a long list only the first 50 and the number of the others."""
    return lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES} more"]


def _first_layer(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The first layer's weights without biases, by their names in a cell."""
    own = {name.removesuffix("_l0"): shape for name, shape in shapes.items()}
    return {name: own[name] for name in (*usual_weights(), *weights_of_options()) if name in own}


def _are_same(found: list[Variant], expected: list[Variant]) -> bool:
    """Whether both are the same cells with the same options. A projection does not matter."""
    first, second = ([(variant.cell, variant.options) for variant in several] for several in (found, expected))
    return first == second


def _other_name(name: str) -> str:
    """weight_ih for weight_ih_l0, and weight_ih_l0 for weight_ih. Names of other layers stay as they are."""
    if name.endswith("_l0"):
        return name.removesuffix("_l0")
    return name if re.search(r"_l\d", name) else name + "_l0"


def negate_z(arrays: list[Floats], gates: str) -> list[Floats]:
    """Copies of weights with which the gate z becomes 1 - z: its matrix rows are negated.

    gates: the gates in the order of the matrix rows.
    """
    negated = [array.copy() for array in arrays]
    for array in negated:
        z = np.split(array, len(gates))[gates.index("z")]
        np.negative(z, out=z)
    return negated
