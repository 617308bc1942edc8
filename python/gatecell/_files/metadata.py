"""Reads the plain data of a checkpoint beside its tensors: vocabularies, hyper-parameters, the epoch, ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .members import DICTS, items_of, key_name
from .numpy_objects import encoded_bytes
from .pickle_objects import Call, OddKey
from .torch_objects import unwrap

_SCALARS = (str, bytes, int, float, bool, type(None))
_COMPLEX = {"builtins.complex", "__builtin__.complex"}
_NOTHING: Any = object()  # stands for an object that is no plain data, such as a tensor


def plain(root: Any) -> dict[str, Any]:
    """The entries of a checkpoint's dict that are scalars, or dicts, lists and tuples of scalars, by name.

    Other values are left out of a dict; in a list or a tuple None stands for them. A container that has only such
    values is left out, too. Each container is read once, even if several containers share it. A container inside itself
    is left out.
    """
    entries = _pruned(root)
    if type(entries) in (list, tuple):
        entries = {number: entry for number, entry in enumerate(entries) if entry is not None}
    return {str(name): entry for name, entry in entries.items()} if type(entries) is dict else {}


def _pruned(root: Any) -> Any:
    """A copy of a tree of containers with the plain data only. The depth of the tree is not limited."""
    results: dict[int, Any] = {}  # by id(container), of finished containers
    texts: dict[int, bytes] = {}
    tasks: list[tuple[Any, Any]] = [(root, None)]
    while tasks:
        node, held = tasks.pop()
        node = unwrap(node)
        if held is not None:
            results[id(node)] = _joined(held, lambda child: _result(unwrap(child), results, texts))
        elif id(node) not in results and (held := _held(node, results)) is not None:
            results[id(node)] = _NOTHING  # a container inside itself finds this
            tasks.append((node, held))
            members = held.values() if type(held) is dict else held
            tasks += [(child, None) for child in members if type(child) not in _SCALARS]
    return _result(unwrap(root), results, texts)


def _held(node: Any, results: dict[int, Any]) -> dict[Any, Any] | list[Any] | tuple[Any, ...] | None:
    """The container itself, or the items of an OrderedDict or defaultdict; None for anything else."""
    if type(node) is Call and node.name in DICTS:
        pairs = node.args[0] if node.args else None
        if type(pairs) is list:
            if id(pairs) in results:  # another dict has the same list, which is read only once
                return None
            results[id(pairs)] = _NOTHING
        return items_of(node)
    return node if type(node) in (dict, list, tuple) else None


def _joined(held: Any, result: Callable[[Any], Any]) -> Any:
    """A container with the plain data of its members. A list or tuple is the same object if no member differs."""
    if type(held) is dict:
        items = {
            key if type(key) is not OddKey else key_name(key) or f"<item {number}>": plain
            for number, (key, child) in enumerate(held.items())
            if (plain := result(child)) is not _NOTHING
        }
        return items if items or not held else _NOTHING
    members = [result(child) for child in held]
    if all(old is new for old, new in zip(held, members, strict=True)):
        return held
    if all(member is _NOTHING for member in members):
        return _NOTHING
    return type(held)(None if member is _NOTHING else member for member in members)


def _result(node: Any, results: dict[int, Any], texts: dict[int, bytes]) -> Any:
    """The plain data of an object, _NOTHING if it has none; of containers as found in `results`."""
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
