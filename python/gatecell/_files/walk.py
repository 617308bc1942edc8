"""Where in a pickle the tensors are: one walk through all that it holds, or through what leads to a prefix.

A path joins keys, attributes and the numbers of members by dots: the names of a state dict, of a saved module too.
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
# Objects of C++, such as the packed weights of a quantised layer. What they hold has no names: they are left out whole.
_OPAQUE = "__torch__.torch.classes."
_HOLDERS = frozenset({dict, list, tuple, Call, Name})
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
    skipped: dict[str, str]  # under the prefix: foreign objects, but for those in others, and tensors that are left out
    modules: dict[str, Call]  # under the prefix: objects with attributes


class _Member(NamedTuple):
    path: str
    node: Any
    hidden: bool  # it is no part of the state dict of the module it is in
    named: bool  # an object around it is in `skipped`


def find(root: Any, size: int, prefix: str) -> Found:
    """What a pickle of `size` bytes holds under `prefix`, which is empty or ends with a dot.

    What does not lead to the prefix is not looked into. A dict, a list or a module is found by each of its paths, as in
    a state dict; any other object, and what is outside the state dict, is looked into once, at the first of them:
    objects that know each other would have a path for each way between them.
    Raises ValueError for objects so entangled that their paths would fill memory, and for two tensors of one path.
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
            raise ValueError("its objects are too many, or nested too deeply")
        if is_tensor and is_hidden:
            hidden.append((path, node))
        elif is_tensor:
            if path in found.tensors and not _is_same(found.tensors[path], node):
                raise ValueError(f"two tensors have the path {path!r}")
            found.tensors[path] = node
        elif type(node) is Name and inside and not member.named and not node.name.startswith("torch."):
            found.skipped[path] = node.name
        if not holders or id(node) in open_nodes:  # or it contains itself
            continue
        is_object = type(node) is Call and not is_tensor
        foreign = _foreign_name(node) if is_object else ""
        is_opaque = foreign.startswith(_OPAQUE) or foreign == _STORAGE
        if foreign and inside and (is_opaque or not member.named):
            found.skipped[path] = foreign
        if is_opaque:
            continue
        if is_hidden or (is_object and not _has_many_paths(node)):
            if (id(node), is_hidden, inside) in seen:
                continue
            seen[id(node), is_hidden, inside] = node
        if is_object and node.state is not None and f"{path}.".startswith(prefix):
            found.modules[path] = node
        open_nodes[id(node)] = node
        branches.append(_members(member._replace(named=member.named or bool(foreign and inside)), holders))
    # As text: nobody can foresee its hashes, and so make a file of tensors that collide.
    visible = {_view(call) for call in found.tensors.values()} if hidden else set()
    found.skipped.update((path, OUTSIDE) for path, call in hidden if _view(call) not in visible)
    return found


def _leads(path: str, prefix: str) -> bool:
    return not path or prefix.startswith(path + ".")


def _is_same(one: Call, other: Call) -> bool:
    """Whether they are one object of the pickle: an item of a dict that is an attribute of it, too."""
    return one is other or (one.name == other.name and one.args is other.args)


def _view(call: Call) -> str | int:
    """What a tensor is a view of; for what is no sound tensor, the object itself."""
    try:
        return str(tensor(call))
    except ValueError:
        return id(call)


def _members(around: _Member, holders: list[Holder]) -> Iterator[_Member]:
    """The members that may hold tensors, with their paths; of keys, too, that are more than a name."""
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


def _has_many_paths(call: Call) -> bool:
    return call.name in DICTS or call.name.startswith(SCRIPT) or is_module(call)


def _foreign_name(call: Call) -> str:
    """What `skipped` names an object by; nothing for those that only hold what is found in them."""
    if call.name == PERSISTENT:
        return _STORAGE
    if call.name == "torch.ScriptObject" and type(call.state) is tuple and call.state and type(call.state[-1]) is str:
        return call.state[-1]  # its class in C++
    if call.name.startswith(_OPAQUE):
        return call.name
    inert = call.name in DICTS or call.name in _PLAIN or call.name.startswith((SCRIPT, "torch."))
    return "" if inert or is_module(call) else call.name
