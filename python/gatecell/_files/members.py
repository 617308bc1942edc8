"""What an object of a pickle holds: its items and attributes, and which of them are the state dict of a module."""

from __future__ import annotations

from typing import Any

from .pickle_objects import Call, Name, OddKey, add_pairs
from .torch_objects import states_of, unwrap

DICTS = {"collections.OrderedDict", "collections.defaultdict"}
SCRIPT = "__torch__."  # where the classes of TorchScript are
_GROUPS = ("_parameters", "_buffers", "_modules")
_MAX_KEY = 1_000  # characters of a key that is part of a path

Holdings = dict[Any, Any] | list[Any] | tuple[Any, ...] | range
Holder = tuple[Holdings, bool]  # a container, and whether what it holds is outside the state dict of the object


def holders_of(node: Any) -> list[Holder]:
    """The containers whose members are to be looked at. A range holds nothing: it counts what was looked at already."""
    if type(node) is not Call:
        return [(node, False)] if type(node) in (dict, list, tuple) else []
    states = states_of(node.state)
    outside: list[Holdings] = []
    own: list[Holdings]
    if node.name in DICTS:
        pairs = _pairs(node)
        own = [pairs, node.items, _looked_at(node)]
        outside = [*states, _numbered(node, () if pairs else node.args)]
    elif is_module(node):
        own, outside = _module(states[0])
        outside += [*states[1:], _numbered(node, node.args), node.items]
    elif node.name.startswith(SCRIPT) and states:  # lists hold parameters only once more
        objects = {key: child for key, child in states[0].items() if type(unwrap(child)) is Call}
        own = [objects, _numbered(node, node.args), node.items]
        outside = [{key: child for key, child in states[0].items() if key not in objects}]
    else:
        own = [_numbered(node, node.args), *states, node.items]
    return [*((holder, False) for holder in own), *((holder, True) for holder in outside)]


def is_module(call: Call) -> bool:
    """Whether it is a saved torch.nn.Module."""
    attributes = attributes_of(call)
    if any(name not in attributes for name in _GROUPS):
        return False
    groups = [unwrap(attributes[name]) for name in _GROUPS]
    return all(type(group) is dict or (type(group) is Call and group.name in DICTS) for group in groups)


def attributes_of(call: Call) -> dict[Any, Any]:
    """The __dict__ of an object."""
    states = states_of(call.state)
    return states[0] if states else {}


def items_of(mapping: Any) -> dict[Any, Any]:
    """What a dict, an OrderedDict or a defaultdict holds; nothing for anything else."""
    if type(mapping) is dict:
        return mapping
    if type(mapping) is not Call or mapping.name not in DICTS:
        return {}
    pairs = _pairs(mapping)
    return pairs | mapping.items if pairs else mapping.items


def key_name(key: Any) -> str | None:
    """A key as a part of a path; None if it is too large to be shown, or an object."""
    text = key.name() if type(key) is OddKey else str(key)
    return text if text is not None and len(text) <= _MAX_KEY else None


def _pairs(call: Call) -> dict[Any, Any]:
    """The items of an OrderedDict that Python 2 passed as a list of pairs."""
    pairs = call.args[0] if call.name == "collections.OrderedDict" and call.args else None
    if type(pairs) is not list or any(type(pair) not in (list, tuple) or len(pair) != 2 for pair in pairs):
        return {}
    made: dict[Any, Any] = {}
    add_pairs(made, [part for pair in pairs for part in pair])
    return made


def _looked_at(mapping: Any) -> range:
    """What `_pairs` takes its time for."""
    pairs = mapping.args[0] if type(mapping) is Call and mapping.args else None
    return range(8 * len(pairs) if type(pairs) is list else 0)


def _numbered(call: Call, args: tuple[Any, ...]) -> list[Any]:
    """What an object holds without names: arguments, members of a list, and a state that is no dict."""
    state = [] if states_of(call.state) else call.state
    values = [*args, *(state if type(state) in (list, tuple) else [state])]
    return [*(None if type(value) is Name else value for value in values), *call.entries]


def _is_empty(node: Any) -> bool:
    """Whether it is an empty container: a module has a dozen for its hooks."""
    if type(node) is Call:
        return node.name in DICTS and not (node.items or node.args or node.state)
    return type(node) in (dict, list, tuple) and not node


def _module(attributes: dict[Any, Any]) -> tuple[list[Holdings], list[Holdings]]:
    """What is in the state dict of a module: parameters, lasting buffers and modules; and what is not."""
    groups = [unwrap(attributes[name]) for name in _GROUPS]
    parameters, buffers, modules = map(items_of, groups)
    transient = unwrap(attributes.get("_non_persistent_buffers_set"))
    transient = transient if type(transient) is list else []
    short = {name for name in transient if type(name) is str}
    lasting = {name: child for name, child in buffers.items() if name not in short}
    fleeting = {name: buffers[name] for name in buffers.keys() & short}
    others = {name: child for name, child in attributes.items() if name not in _GROUPS and not _is_empty(child)}
    work = [*map(_looked_at, groups), range(4 * (len(attributes) + len(transient)))]  # these take their time
    return [parameters, lasting, modules], [fleeting, others, *work]
