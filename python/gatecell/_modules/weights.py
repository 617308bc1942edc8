"""A state dict laid over a tree of modules: every key checked before any value changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._base.arrays import cast, to_numpy, view
from .._state_dict.layer_keys import IncompatibleKeys, Part
from .parameter import Unloaded

if TYPE_CHECKING:
    from .tree import Tree


class Slot(NamedTuple):
    """A place of a weight or buffer in the tree."""

    key: str
    module: Tree
    name: str
    value: Any  # an array, or Unloaded

    def array(self) -> NDArray[Any]:
        if isinstance(self.value, Unloaded):
            raise RuntimeError(f"{self.key} {self.value.shape} has no values yet: call load_state_dict first")
        return np.array(self.value, order="C")

    def converted(self, value: Any, key: str) -> NDArray[Any]:
        """A copy of what a state dict has under `key`, in this slot's dtype."""
        if self.value.dtype.kind == "f":
            array: NDArray[Any] = cast(view(value, key, force=True), self.value.dtype)
        else:
            array = to_numpy(value, key, True)
            if not np.can_cast(array.dtype, self.value.dtype, "same_kind"):
                raise TypeError(f"{key}: expected {self.value.dtype}, got {array.dtype}")
            array = array.astype(self.value.dtype)
        return self.module._laid_out(self.name, array)


def slots(root: Tree) -> Iterator[Slot]:
    """All of them in torch's order; a module used twice has its weights under both paths."""
    for path, module in root.named_modules(remove_duplicate=False):
        for name, value in module._values().items():
            yield Slot(f"{path}.{name}" if path else name, module, name, value)


Taken = dict[int, dict[str, NDArray[Any]]]  # by a module's id, the values for its names


def fitted(root: Tree, state_dict: Mapping[str, Any], strict: bool, prefix: str) -> tuple[Taken, IncompatibleKeys]:
    """What `Module.load_state_dict` is to change, and what it returns; raises as it does."""
    places = {slot.key: slot for slot in slots(root)}
    if not places and not state_dict:
        return {}, IncompatibleKeys([], [])
    part = Part(type(root).__name__, state_dict, prefix)
    pairs = [(places[name], key) for name, key in part.keys.items() if name in places]
    given = {id(slot.value) for slot, _ in pairs}  # a tied weight comes under any of its names
    absent = (slot for slot in places.values() if id(slot.value) not in given)
    missing = [slot for slot in absent if slot.name not in slot.module._optional]
    lost = [slot for slot in missing if strict or isinstance(slot.value, Unloaded)]
    unexpected = _unexpected(root, part, places)
    misshaped = [
        f"{key}: expected {slot.value.shape}, got {shape}, in {_kind(slot)}"
        for slot, key in pairs
        if (shape := part.shape(key)) != slot.value.shape
    ]
    if lost or misshaped or (strict and unexpected):
        absent_keys = [f"{part.prefix}{slot.key} {slot.value.shape} of {_kind(slot)}" for slot in lost]
        lines = part.misfit(absent_keys, unexpected if strict else [], misshaped)
        raise ValueError("\n".join(lines + part.cures(all_layers=True) + _elsewhere(places, state_dict)))
    # By what they replace, so that tied weights stay tied.
    values = {id(slot.value): slot.converted(state_dict[key], key) for slot, key in pairs}
    taken: Taken = {}
    for slot in places.values():
        if id(slot.value) in values:
            taken.setdefault(id(slot.module), {})[slot.name] = values[id(slot.value)]
    return taken, IncompatibleKeys([part.prefix + slot.key for slot in missing], unexpected)


def _unexpected(root: Tree, part: Part, places: Mapping[str, Slot]) -> list[str]:
    """Keys under the prefix that have no place, and what else is near a recurrent layer, as `Part.beside` judges it."""
    unexpected = dict.fromkeys(key for name, key in part.keys.items() if name not in places)
    known = {part.prefix + name for name in places}
    for path, module in root.named_modules():
        prefix = part.prefix + (path + "." if path else "")
        if not hasattr(module, "_shapes") or not any(key.startswith(prefix) for key in part.keys.values()):
            continue
        layer = Part(type(module).__name__, part.state_dict, prefix)
        own = layer.own(module._shapes(), cell_names=False).values()
        beside = layer.beside(own)
        for key in set(layer.keys.values()) - {*own, *beside}:  # second names
            unexpected.pop(key, None)
        unexpected |= dict.fromkeys(key for key in beside if key not in known)
    return list(unexpected)


def take(root: Tree, taken: Taken) -> None:
    """Change the values in the whole tree."""
    for module in root.modules():
        if id(module) in taken:
            module._take(taken[id(module)])


def _kind(slot: Slot) -> str:
    return type(slot.module).__name__


def _elsewhere(places: Mapping[str, Slot], state_dict: Mapping[str, Any]) -> list[str]:
    """Where all keys are, if not here: under other prefixes, or in a mapping inside the dict, as in a checkpoint."""
    nested = [
        name for name, value in state_dict.items() if isinstance(value, Mapping) and places.keys() <= value.keys()
    ]
    if nested:
        return [f"all keys are in the mapping {name!r}: pass state_dict[{name!r}]" for name in nested]
    first = next(iter(places), "")
    prefixes = [key.removesuffix(first) for key in state_dict if first and key.endswith("." + first)]
    whole = [prefix for prefix in prefixes if all(prefix + name in state_dict for name in places)]
    return [f"all keys are there with prefix={prefix!r}" for prefix in whole]
