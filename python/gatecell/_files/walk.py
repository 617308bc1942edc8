"""Finds the tensors in a pickle: one walk through all its objects, or only through objects on the way to a prefix.

A path joins keys, attributes and the numbers of list members by dots. For a state dict and for a saved module the paths
are the names of the state dict.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .._state_dict.cures import OUTSIDE
from .members import DICTS, SCRIPT, Holder, holders_of, is_module, key_name
from .numpy_objects import is_array
from .pickle_objects import PERSISTENT, Call, Name, OddKey
from .torch_objects import attributes, makes_tensor, tensor, unwrap

_STORAGE = "a storage without a tensor"
_PLAIN = {"_codecs.encode", "numpy.dtype"} | {
    f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("bytes", "bytearray", "complex")
}
# Classes of C++ objects, such as the packed weights of a quantised layer. Their members have no names, so the walk does
# not enter them.
_OPAQUE = "__torch__.torch.classes."
_HOLDERS = frozenset({dict, list, tuple, Call, Name})
_MAX_DEPTH = 1_000
_MAX_PATH = 10_000  # characters
# The limit of a walk, in characters of paths and members of containers. The maximum takes some seconds. A pickle stays
# below _WALK + _WALK_PER_BYTE * its bytes, unless one object is a member of a great number of others.
_MAX_WALK = 1 << 26
_WALK, _WALK_PER_BYTE = 1 << 20, 64


class Found(NamedTuple):
    """The result of a walk, by path."""

    tensors: dict[str, Call]  # tensors and NumPy arrays under the prefix
    beside: list[str]  # tensors outside the prefix that the walk met
    skipped: dict[str, str]  # under the prefix: outermost objects of unknown classes, and tensors that are left out
    modules: dict[str, Call]  # under the prefix: objects with attributes


class _Member(NamedTuple):
    path: str
    node: Any
    hidden: bool  # outside the state dict of the module around it
    named: bool  # an object around it is in `skipped`


def find(root: Any, size: int, prefix: str) -> Found:
    """Walks through the object `root` of a pickle of `size` bytes. `prefix` is empty or ends with a dot.

    The walk enters only objects on the way to the prefix or under it. It enters a dict, a list or a module on each of
    its paths, as a state dict does. It enters any other object, and members outside a state dict, only on the first
    path: objects that refer to each other would have a path for each way between them.
    Raises ValueError for objects with so much text in their paths that it would fill memory, and for two tensors with
    one path.
    """
    found = Found({}, [], {}, {})
    hidden: list[tuple[str, Call]] = []
    seen: dict[tuple[int, bool, bool], Any] = {}
    open_nodes: dict[int, Any] = {}
    branches: list[Iterator[_Member]] = [iter([_Member("", root, False, False)])]
    spare = room = min(_MAX_WALK, _WALK + _WALK_PER_BYTE * size)
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
            room -= 64 + len(path)
            if is_tensor and not is_hidden and room >= 0:
                found.beside.append(path)
            continue
        holders: list[Holder] = (
            [(holder, True) for holder in attributes(member.node)] if is_tensor else holders_of(node)
        )
        spare -= 64 + len(path) + sum(len(holder) for holder, _ in holders)
        if spare < 0 or len(branches) > _MAX_DEPTH or len(path) > _MAX_PATH:
            raise ValueError("it has more objects than files of its size should have, or they are nested too deeply")
        if is_tensor and is_hidden:
            hidden.append((path, node))
        elif is_tensor:
            if path in found.tensors and not _is_same(found.tensors[path], node):
                raise ValueError(f"two tensors have the path {path!r}")
            found.tensors[path] = node
        elif type(node) is Name and inside and not member.named and not node.name.startswith("torch."):
            found.skipped[path] = node.name
        if not holders or id(node) in open_nodes:  # nothing to enter, or the object contains itself
            continue
        is_object = type(node) is Call and not is_tensor
        foreign = _foreign_name(node) if is_object else ""
        is_opaque = foreign.startswith(_OPAQUE) or foreign == _STORAGE
        if foreign and inside and (is_opaque or not member.named):
            found.skipped[path] = foreign
        if is_opaque:
            continue
        if is_hidden or (is_object and not _is_entered_on_each_path(node)):
            if (id(node), is_hidden, inside) in seen:
                continue
            seen[id(node), is_hidden, inside] = node
        if is_object and node.state is not None and f"{path}.".startswith(prefix):
            found.modules[path] = node
        open_nodes[id(node)] = node
        branches.append(_members(member._replace(named=member.named or bool(foreign and inside)), holders))
    # Views are compared as text: hashes of text are random, so no file can hold views that all have one hash.
    visible = {_view(call) for call in found.tensors.values()} if hidden else set()
    found.skipped.update((path, OUTSIDE) for path, call in hidden if _view(call) not in visible)
    return found


def _leads(path: str, prefix: str) -> bool:
    """Whether names that start with the prefix can be below the path: the path is a beginning of the prefix."""
    return not path or prefix.startswith(path + ".")


def _is_same(one: Call, other: Call) -> bool:
    """Whether two calls are one object of the pickle, for example an item of a dict that is also its attribute."""
    return one is other or (one.name == other.name and one.args is other.args)


def _view(call: Call) -> str | int:
    """A key that is equal for equal views of a storage. For a damaged tensor it is the object's identity."""
    try:
        return str(tensor(call))
    except ValueError:
        return id(call)


def _members(around: _Member, holders: list[Holder]) -> Iterator[_Member]:
    """The members that may hold tensors, with their paths. Keys that are objects count as members."""
    path = f"{around.path}." if around.path else ""
    for holder, is_outside in holders:
        hidden, named = around.hidden or is_outside, around.named
        if type(holder) is dict:
            for number, (key, child) in enumerate(holder.items()):
                if type(key) is not OddKey and type(child) not in _HOLDERS:
                    continue
                name = key_name(key)
                if name is None and type(key) is OddKey:
                    yield _Member(f"{path}<key {number}>", key.key, hidden, named)
                if type(child) in _HOLDERS:
                    yield _Member(path + (f"<item {number}>" if name is None else name), child, hidden, named)
        elif type(holder) is not range:
            for number, child in enumerate(holder):
                if type(child) in _HOLDERS:
                    yield _Member(f"{path}{number}", child, hidden, named)


def _is_entered_on_each_path(call: Call) -> bool:
    """Whether the walk enters the object on each of its paths."""
    return call.name in DICTS or call.name.startswith(SCRIPT) or is_module(call)


def _foreign_name(call: Call) -> str:
    """The name of an object in `skipped`; "" for an object of a known class, which is only a container of members."""
    if call.name == PERSISTENT:
        return _STORAGE
    if call.name == "torch.ScriptObject" and type(call.state) is tuple and call.state and type(call.state[-1]) is str:
        return call.state[-1]  # the name of its class in C++
    if call.name.startswith(_OPAQUE):
        return call.name
    inert = call.name in DICTS or call.name in _PLAIN or call.name.startswith((SCRIPT, "torch."))
    return "" if inert or is_module(call) else call.name
