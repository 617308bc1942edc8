"""What a checkpoint tells beside its tensors: vocabularies, hyper-parameters, the epoch; only what is plainly data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .numpy_objects import encoded_bytes
from .torch_objects import unwrap
from .unpickle import Call, OddKey
from .walk import DICTS, key_name, pairs_of

_SCALARS = (str, bytes, int, float, bool, type(None))
_COMPLEX = {"builtins.complex", "__builtin__.complex"}
_NOTHING: Any = object()  # what is left of an object, or of a tensor


def plain(root: Any) -> dict[str, Any]:
    """The scalars in a checkpoint's dict, and the dicts, lists and tuples of them, by the names of its entries.

    What is no plain data is left out of a dict; in a list or a tuple None stands for it. What then is empty is left
    out, too. Each container is looked at once, however often it is shared, and one in itself is left out.
    """
    entries = _pruned(root)
    if type(entries) in (list, tuple):
        entries = {number: entry for number, entry in enumerate(entries) if entry is not None}
    return {str(name): entry for name, entry in entries.items()} if type(entries) is dict else {}


def _pruned(root: Any) -> Any:
    """What is plain in a tree of containers, whose depth has no limit here."""
    results: dict[int, Any] = {}  # by the identity of containers, whose work is done
    texts: dict[int, bytes] = {}
    tasks = [(root, False)]
    while tasks:
        node, has_members = tasks.pop()
        if has_members:
            results[id(node)] = _joined(node, [_result(child, results, texts) for child in _members(node) or ()])
        elif id(node) not in results and (members := _members(node)) is not None:
            results[id(node)] = _NOTHING  # while it is open
            tasks.append((node, True))
            tasks += [(child, False) for child in members if type(child) not in _SCALARS]
    return _result(root, results, texts)


def _members(node: Any) -> Sequence[Any] | None:
    """The members of a container, or None for anything else."""
    node = unwrap(node)
    if type(node) is dict:
        return list(node.values())
    if type(node) is Call and node.name in DICTS:
        return [*pairs_of(node).values(), *node.items.values()]
    return node if type(node) in (list, tuple) else None


def _joined(node: Any, members: list[Any]) -> Any:
    """A container with these members in place of its own; itself if they are its own."""
    held = unwrap(node)
    if type(held) is Call:
        keys = [*pairs_of(held), *held.items]
    elif type(held) is dict:
        keys = list(held)
    elif all(old is new for old, new in zip(held, members, strict=True)):
        return held
    elif all(member is _NOTHING for member in members):
        return _NOTHING
    else:
        return type(held)(None if member is _NOTHING else member for member in members)
    items = {
        key if type(key) is not OddKey else key_name(key, number): member
        for number, (key, member) in enumerate(zip(keys, members, strict=True))
        if member is not _NOTHING
    }
    return items if items or not members else _NOTHING


def _result(node: Any, results: dict[int, Any], texts: dict[int, bytes]) -> Any:
    if type(node) in _SCALARS:
        return node
    if id(node) in results:
        return results[id(node)]
    if type(node) is not Call:
        return _NOTHING
    if node.name in _COMPLEX and [type(arg) for arg in node.args] == [float, float]:
        return complex(*node.args)
    if node.name == "_codecs.encode":  # bytes before protocol 3
        try:
            return encoded_bytes(node, texts)
        except ValueError:
            return _NOTHING
    return _NOTHING
