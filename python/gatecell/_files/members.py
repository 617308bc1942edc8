"""Lists the members of an object in a pickle: its items and attributes, and which of them a state dict has."""

from __future__ import annotations

from typing import Any

from .pickle_objects import Call, Name, OddKey, add_pairs
from .torch_objects import states_of, unwrap

DICTS = {"collections.OrderedDict", "collections.defaultdict"}
SCRIPT = "__torch__."  # names of TorchScript's classes begin with it
_GROUPS = ("_parameters", "_buffers", "_modules")
_MAX_KEY = 1_000  # characters: a longer key does not become part of a path

Container = dict[Any, Any] | list[Any] | tuple[Any, ...] | range
Holder = tuple[Container, bool]  # a container of members, and whether these are outside the state dict of the object


def holders_of(node: Any) -> list[Holder]:
    """The containers that hold the members of an object.

    A range has no members: its length stands for the work that this function has done itself, for the walk's limit.
    """
    if type(node) is not Call:
        return [(node, False)] if type(node) in (dict, list, tuple) else []
    states = states_of(node.state)
    outside: list[Container] = []
    own: list[Container]
    if node.name in DICTS:
        pairs = _pairs(node)
        own = [pairs, node.items, _work_of_pairs(node)]
        outside = [*states, _numbered(node, () if pairs else node.args)]
    elif is_module(node):
        own, outside = _module(states[0])
        outside += [*states[1:], _numbered(node, node.args), node.items]
    elif node.name.startswith(SCRIPT) and states:  # lists hold parameters that have names of their own elsewhere
        objects = {key: child for key, child in states[0].items() if type(unwrap(child)) is Call}
        own = [objects, _numbered(node, node.args), node.items]
        outside = [{key: child for key, child in states[0].items() if key not in objects}]
    else:
        own = [_numbered(node, node.args), *states, node.items]
    return [*((holder, False) for holder in own), *((holder, True) for holder in outside)]


def is_module(call: Call) -> bool:
    """Whether the object is a saved torch.nn.Module."""
    attributes = attributes_of(call)
    if any(name not in attributes for name in _GROUPS):
        return False
    groups = [unwrap(attributes[name]) for name in _GROUPS]
    return all(type(group) is dict or (type(group) is Call and group.name in DICTS) for group in groups)


def attributes_of(call: Call) -> dict[Any, Any]:
    """The __dict__ of an object; empty if its state is of another kind."""
    states = states_of(call.state)
    return states[0] if states else {}


def items_of(mapping: Any) -> dict[Any, Any]:
    """The items of a dict, an OrderedDict or a defaultdict; empty for anything else."""
    if type(mapping) is dict:
        return mapping
    if type(mapping) is not Call or mapping.name not in DICTS:
        return {}
    pairs = _pairs(mapping)
    return pairs | mapping.items if pairs else mapping.items


def key_name(key: Any) -> str | None:
    """The text of a key in a path; None if the key is too long or is an object."""
    text = key.name() if type(key) is OddKey else str(key)
    return text if text is not None and len(text) <= _MAX_KEY else None


def _pairs(call: Call) -> dict[Any, Any]:
    """The items of an OrderedDict that Python 2 saved as a list of pairs; empty for other calls."""
    pairs = call.args[0] if call.name == "collections.OrderedDict" and call.args else None
    if type(pairs) is not list or any(type(pair) not in (list, tuple) or len(pair) != 2 for pair in pairs):
        return {}
    made: dict[Any, Any] = {}
    add_pairs(made, [part for pair in pairs for part in pair])
    return made


def _work_of_pairs(mapping: Any) -> range:
    """A range for the walk's limit, as long as the work of `_pairs`: 8 steps for each pair."""
    pairs = mapping.args[0] if type(mapping) is Call and mapping.args else None
    return range(8 * len(pairs) if type(pairs) is list else 0)


def _numbered(call: Call, args: tuple[Any, ...]) -> list[Any]:
    """The members of an object that have no names: arguments, members of a list, and a state that is no dict."""
    state = [] if states_of(call.state) else call.state
    values = [*args, *(state if type(state) in (list, tuple) else [state])]
    return [*(None if type(value) is Name else value for value in values), *call.entries]


def _is_empty(node: Any) -> bool:
    """Whether `node` is an empty container. A module has a dozen empty dicts for its hooks."""
    if type(node) is Call:
        return node.name in DICTS and not (node.items or node.args or node.state)
    return type(node) in (dict, list, tuple) and not node


def _module(attributes: dict[Any, Any]) -> tuple[list[Container], list[Container]]:
    """The members of a module in its state dict (parameters, persistent buffers, modules), and its other members."""
    groups = [unwrap(attributes[name]) for name in _GROUPS]
    parameters, buffers, modules = map(items_of, groups)
    transient = unwrap(attributes.get("_non_persistent_buffers_set"))
    transient = transient if type(transient) is list else []
    transient_names = {name for name in transient if type(name) is str}
    persistent = {name: child for name, child in buffers.items() if name not in transient_names}
    transient_buffers = {name: buffers[name] for name in buffers.keys() & transient_names}
    others = {name: child for name, child in attributes.items() if name not in _GROUPS and not _is_empty(child)}
    work = [*map(_work_of_pairs, groups), range(4 * (len(attributes) + len(transient)))]  # for the walk's limit
    return [parameters, persistent, modules], [transient_buffers, others, *work]
