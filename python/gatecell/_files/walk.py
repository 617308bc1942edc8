"""Where in a pickle the tensors are: one walk through all that it holds, or through what leads to a prefix.

A path joins keys, attributes and the numbers of members by dots: the names of a state dict, of a saved module too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .numpy_objects import is_array
from .sizes import is_size
from .torch_objects import Tensor, attributes, makes_tensor, tensor, unwrap
from .unpickle import PERSISTENT, Call, Name, OddKey

OUTSIDE = "a tensor outside the state dict"  # what `skipped` says of one
DICTS = {"collections.OrderedDict", "collections.defaultdict"}
_BUILTINS = ("builtins", "__builtin__")
_PLAIN = {PERSISTENT, "_codecs.encode", "numpy.dtype"} | {
    f"{m}.{n}" for m in _BUILTINS for n in ("bytes", "bytearray", "complex")
}
# Objects of C++, such as the packed weights of a quantised layer. What they hold has no names: they are left out whole.
_OPAQUE = "__torch__.torch.classes."
_HOLDERS = (dict, list, tuple, Call, Name)
_MAX_DEPTH = 1_000
_MAX_PATH = 10_000  # characters
# Characters of paths and members of containers that are looked at, some seconds' worth; what a pickle of so many bytes
# can hold without making one object look like many.
_MAX_WALK = 1 << 26
_WALK, _WALK_PER_BYTE = 1 << 20, 64


class Found(NamedTuple):
    """What a walk has found, by path."""

    tensors: dict[str, Call]  # tensors and NumPy arrays under the prefix
    beside: list[str]  # tensors outside it that were seen on the way
    skipped: dict[str, str]  # under the prefix: names of foreign classes, and tensors outside a module's state dict
    modules: dict[str, Call]  # under the prefix: objects with attributes


class _Member(NamedTuple):
    path: str
    node: Any
    hidden: bool  # it is no part of the state dict of the module it is in


def find(root: Any, size: int, prefix: str) -> Found:
    """What a pickle of `size` bytes holds under `prefix`, which is empty or ends with a dot.

    What does not lead to the prefix is not looked into. An object of a foreign class is looked into once, at the first
    of its paths: objects that know each other would have a path for each way between them.
    Raises ValueError for objects so entangled that their paths would fill memory, and for two tensors of one path.
    """
    found = Found({}, [], {}, {})
    hidden: dict[str, Call] = {}
    seen: set[int] = set()
    open_nodes: dict[int, Any] = {}
    branches: list[Iterator[_Member]] = [iter([_Member("", root, False)])]
    spare = min(_MAX_WALK, _WALK + _WALK_PER_BYTE * size)
    while branches:
        member = next(branches[-1], None)
        if member is None:
            branches.pop()
            if open_nodes:
                open_nodes.popitem()
            continue
        path, node, is_hidden = member.path, unwrap(member.node), member.hidden
        is_tensor = type(node) is Call and (makes_tensor(node.name) or is_array(node))
        inside = path.startswith(prefix)
        if not inside and (is_tensor or not _leads(path, prefix)):
            if is_tensor and not is_hidden:
                found.beside.append(path)
            continue
        holders = _holders(node, is_hidden) if not is_tensor else [(attributes(member.node), True)]
        spare -= 64 + len(path) + sum(len(holder) for holder, _ in holders)
        if spare < 0 or len(branches) > _MAX_DEPTH or len(path) > _MAX_PATH:
            raise ValueError("its objects are too many, or nested too deeply")
        if is_tensor:
            there = hidden if is_hidden else found.tensors
            if path in there and not _is_same(there[path], node):
                raise ValueError(f"two tensors have the path {path!r}")
            there[path] = node
            if not holders[0][0]:
                continue
        elif type(node) is Name:
            if inside and not node.name.startswith("torch."):
                found.skipped[path] = node.name
            continue
        elif type(node) not in (dict, list, tuple, Call):
            continue
        if id(node) in open_nodes:  # it contains itself
            continue
        if type(node) is Call and not is_tensor:
            foreign = _foreign_name(node)
            if foreign:
                if id(node) in seen:
                    continue
                seen.add(id(node))
                if inside:
                    found.skipped[path] = foreign
            if foreign.startswith(_OPAQUE):
                continue
            if f"{path}.".startswith(prefix):
                found.modules[path] = node
        open_nodes[id(node)] = node
        branches.append(_named(path, holders))
    visible = {_view(call) for call in found.tensors.values()} if hidden else set()
    found.skipped.update((path, OUTSIDE) for path, call in hidden.items() if _view(call) not in visible)
    return found


def states_of(call: Call) -> list[dict[Any, Any]]:
    """The attributes of an object: its dict, or that and its slots."""
    states = call.state if type(call.state) is tuple and len(call.state) == 2 else (call.state,)
    return [state or {} for state in states] if all(type(state) in (dict, type(None)) for state in states) else []


def pairs_of(call: Call) -> dict[Any, Any]:
    """The items of an OrderedDict that Python 2 passed as a list of pairs."""
    if call.name != "collections.OrderedDict" or not call.args or type(call.args[0]) is not list:
        return {}
    pairs = [pair for pair in call.args[0] if type(pair) in (list, tuple) and len(pair) == 2]
    return {key: child for key, child in pairs if type(key) is str or is_size(key)}


def key_name(key: Any, number: int) -> str:
    """A key as a part of a path; for one that is too large to be shown, the `number` of the item."""
    text = key.name() if type(key) is OddKey else str(key)
    return f"<key {number}>" if text is None else text


def _leads(path: str, prefix: str) -> bool:
    return not path or prefix.startswith(path + ".")


def _is_same(one: Call, other: Call) -> bool:
    """Whether they are one object of the pickle: an item of a dict that is an attribute of it, too."""
    return one is other or (one.name == other.name and one.args is other.args)


def _view(call: Call) -> Tensor | int:
    """What a tensor is a view of; for what is no sound tensor, the object itself."""
    try:
        return tensor(call)
    except ValueError:
        return id(call)


def _named(path: str, holders: list[tuple[Any, bool]]) -> Iterator[_Member]:
    """The members that may hold tensors, with their paths."""
    for holder, hidden in holders:
        for number, (key, child) in enumerate(holder.items() if type(holder) is dict else enumerate(holder)):
            if type(child) in _HOLDERS:
                name = key_name(key, number)
                yield _Member(f"{path}.{name}" if path else name, child, hidden)


def _foreign_name(call: Call) -> str:
    """What `skipped` names an object by; nothing for those that only hold what is found in them."""
    if call.name == "torch.ScriptObject" and type(call.state) is tuple and type(call.state[-1]) is str:
        return call.state[-1]  # its class in C++
    if call.name.startswith(_OPAQUE):
        return call.name
    inert = call.name in DICTS or call.name in _PLAIN or call.name.startswith(("__torch__.", "torch."))
    return "" if inert or _module(call) is not None else call.name


def _holders(node: Any, hidden: bool) -> list[tuple[Any, bool]]:
    """The containers whose members are to be looked at, and whether those are hidden.

    A range holds nothing: it counts what was looked at already.
    """
    if type(node) is not Call:
        return [(node, hidden)] if type(node) in (dict, list, tuple) else []
    states = states_of(node)
    if node.name in DICTS:
        pairs = [pairs_of(node), range(len(node.args[0]) if node.args and type(node.args[0]) is list else 0)]
        return [*((holder, hidden) for holder in (*pairs, node.items)), *((state, True) for state in states)]
    if (groups := _module(node)) is not None:
        return [(group, hidden or is_hidden) for group, is_hidden in groups]
    if node.name.startswith("__torch__.") and states:  # TorchScript: lists hold parameters only once more
        own = states[0]
        objects = {key: child for key, child in own.items() if type(unwrap(child)) is Call}
        others = {key: child for key, child in own.items() if key not in objects}
        return [(objects, hidden), (others, True)]
    if not states and type(node.state) in (list, tuple):
        states = [node.state]
    members = [[None if type(arg) is Name else arg for arg in node.args], *states, node.items, node.entries]
    return [(member, hidden) for member in members]


def _is_empty(node: Any) -> bool:
    """Whether it is an empty container, of which a module has a dozen for its hooks."""
    if type(node) is Call:
        return node.name in DICTS and not node.items and not node.args and not node.state
    return type(node) in (dict, list, tuple) and not node


def _module(call: Call) -> list[tuple[Any, bool]] | None:
    """What a saved torch.nn.Module holds, or None if it is something else.

    Parameters, lasting buffers and modules make up its state dict; other buffers and attributes do not.
    """
    own = states[0] if (states := states_of(call)) else {}
    names = ("_parameters", "_buffers", "_modules")
    groups = [unwrap(own.get(name)) for name in names]
    if any(type(group) is not dict and not (type(group) is Call and group.name in DICTS) for group in groups):
        return None
    parameters, buffers, modules = (group.items if type(group) is Call else group for group in groups)
    transient = unwrap(own.get("_non_persistent_buffers_set"))
    transient = transient if type(transient) is list else []
    short = {name for name in transient if type(name) is str}
    lasting = {name: child for name, child in buffers.items() if name not in short}
    others = {name: child for name, child in own.items() if name not in names and not _is_empty(child)}
    others |= {name: buffers[name] for name in buffers.keys() & short}
    # a set takes its time
    return [(parameters, False), (lasting, False), (modules, False), (others, True), (range(4 * len(transient)), True)]
