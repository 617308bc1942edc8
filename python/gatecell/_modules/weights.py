"""Loads a state dict into a tree of modules. Every key is checked before any value changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._base.arrays import cast, to_numpy, view
from .._state_dict.layer_keys import IncompatibleKeys, LayerKeys
from .parameter import Unloaded

if TYPE_CHECKING:
    from .tree import Tree


class Slot(NamedTuple):
    """A weight or buffer of a module in the tree, and its key in a state dict."""

    key: str
    module: Tree
    name: str
    value: Any  # an array, or an Unloaded that stands for it

    def array(self) -> NDArray[Any]:
        """A copy of the value. Raises RuntimeError if there is none yet."""
        if isinstance(self.value, Unloaded):
            raise RuntimeError(f"{self.key} {self.value.shape} has no values yet: call load_state_dict first")
        return np.array(self.value, order="C")

    def converted(self, value: Any, key: str) -> NDArray[Any]:
        """A copy of `value` in this slot's dtype and memory layout. `key` is its name in errors."""
        if self.value.dtype.kind == "f":
            array: NDArray[Any] = cast(view(value, key, force=True), self.value.dtype)
        else:
            array = to_numpy(value, key, True)
            if not np.can_cast(array.dtype, self.value.dtype, "same_kind"):
                raise TypeError(f"{key}: expected {self.value.dtype}, got {array.dtype}")
            array = array.astype(self.value.dtype)
        return self.module._laid_out(self.name, array)


def slots(root: Tree) -> Iterator[Slot]:
    """All slots in torch's order. A module that occurs twice gives its slots under both paths."""
    for path, module in root.named_modules(remove_duplicate=False):
        for name, value in module._values().items():
            yield Slot(f"{path}.{name}" if path else name, module, name, value)


Matches = dict[int, dict[str, NDArray[Any]]]  # new values by name, for each module by its id


def matched(root: Tree, state_dict: Mapping[str, Any], strict: bool, prefix: str) -> tuple[Matches, IncompatibleKeys]:
    """The values that `Module.load_state_dict` assigns, and its result. Raises its errors. Changes nothing."""
    places = {slot.key: slot for slot in slots(root)}
    if not places and not state_dict:
        return {}, IncompatibleKeys([], [])
    keys = LayerKeys(type(root).__name__, state_dict, prefix)
    pairs = [(places[name], key) for name, key in keys.full_names.items() if name in places]
    given = {id(slot.value) for slot, _ in pairs}  # one name of a tied weight is enough
    absent = (slot for slot in places.values() if id(slot.value) not in given)
    missing = [slot for slot in absent if slot.name not in slot.module._optional]
    not_given = [slot for slot in missing if strict or isinstance(slot.value, Unloaded)]
    unexpected = _unexpected(root, keys, places)
    misshaped = [
        f"{key}: expected {slot.value.shape}, got {shape}, in {_kind(slot)}"
        for slot, key in pairs
        if (shape := keys.shape(key)) != slot.value.shape
    ]
    if not_given or misshaped or (strict and unexpected):
        absent_keys = [f"{keys.prefix}{slot.key} {slot.value.shape} of {_kind(slot)}" for slot in not_given]
        lines = keys.misfit_lines(absent_keys, unexpected if strict else [], misshaped)
        raise ValueError("\n".join(lines + keys.advice(all_layers=True) + _elsewhere(places, state_dict)))
    # The key is the id of the old value, so that tied weights stay tied.
    values = {id(slot.value): slot.converted(state_dict[key], key) for slot, key in pairs}
    matches: Matches = {}
    for slot in places.values():
        if id(slot.value) in values:
            matches.setdefault(id(slot.module), {})[slot.name] = values[id(slot.value)]
    return matches, IncompatibleKeys([keys.prefix + slot.key for slot in missing], unexpected)


def _unexpected(root: Tree, keys: LayerKeys, places: Mapping[str, Slot]) -> list[str]:
    """The keys under the prefix that no module has, and those that `not_understood` finds for each recurrent layer.

    Second names of a recurrent layer's weights are not among them.
    """
    unexpected = dict.fromkeys(key for name, key in keys.full_names.items() if name not in places)
    known = {keys.prefix + name for name in places}
    for path, module in root.named_modules():
        prefix = keys.prefix + (path + "." if path else "")
        if not hasattr(module, "_shapes") or not any(key.startswith(prefix) for key in keys.full_names.values()):
            continue
        layer_keys = LayerKeys(type(module).__name__, keys.state_dict, prefix)
        weight_keys = layer_keys.weight_keys(module._shapes(), cell_names=False).values()
        not_understood = layer_keys.not_understood(weight_keys)
        for key in set(layer_keys.full_names.values()) - {*weight_keys, *not_understood}:  # second names of weights
            unexpected.pop(key, None)
        unexpected |= dict.fromkeys(key for key in not_understood if key not in known)
    return list(unexpected)


def assign(root: Tree, matches: Matches) -> None:
    """Assigns the values in the whole tree."""
    for module in root.modules():
        if id(module) in matches:
            module._assign(matches[id(module)])


def _kind(slot: Slot) -> str:
    """The class of the module that has the slot."""
    return type(slot.module).__name__


def _elsewhere(places: Mapping[str, Slot], state_dict: Mapping[str, Any]) -> list[str]:
    """Lines for an error: other prefixes under which all keys are, or mappings inside the dict that have all keys."""
    nested = [
        name for name, value in state_dict.items() if isinstance(value, Mapping) and places.keys() <= value.keys()
    ]
    if nested:
        return [f"all keys are in the mapping {name!r}: pass state_dict[{name!r}]" for name in nested]
    first = next(iter(places), "")
    prefixes = [key.removesuffix(first) for key in state_dict if first and key.endswith("." + first)]
    whole = [prefix for prefix in prefixes if all(prefix + name in state_dict for name in places)]
    return [f"all keys are there with prefix={prefix!r}" for prefix in whole]
