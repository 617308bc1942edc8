"""An oracle for promise 7: every tensor that can be reached from an object, whatever holds it.

assert_every_tensor_found compares these tensors with the result of gatecell.load. Each must be in the result, or
`skipped` must name it. Tensors are compared by their values, so all tensors of a test must have different values.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import types
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gatecell

Content = tuple[tuple[int, ...], bytes]
Save = Callable[[Any, Path], None]

_LEAVES = (str, bytes, int, float, complex, type(None), type, types.FunctionType, types.BuiltinFunctionType)
ANY = "*"
GROUPS = ("_parameters", "_buffers", "_modules")  # attributes of a module; paths leave their names out


def saves() -> dict[str, Save]:
    """torch.save in each of its formats."""

    def how(protocol: int, zipped: bool) -> Save:
        return lambda value, path: torch.save(
            value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped
        )

    return {
        f"{'zip' if zipped else 'legacy'}{protocol}": how(protocol, zipped)
        for zipped in (True, False)
        for protocol in (2, 3, 4, 5)
    }


def is_tensor(node: Any) -> bool:
    return isinstance(node, torch.Tensor) or (isinstance(node, np.ndarray) and node.dtype.kind in "biufc")


def is_opaque(node: Any) -> bool:
    """Whether the node is a C++ object that may hold tensors, such as the weights of a quantised layer."""
    return isinstance(node, torch._C.ScriptObject)


def content(tensor: Any) -> Content:
    if isinstance(tensor, torch.Tensor):
        tensor = tensor.detach().cpu()
        tensor = (tensor.dequantize() if tensor.is_quantized else tensor.to_dense()).numpy()
    return tensor.shape, tensor.tobytes()


def children(node: Any) -> Iterator[tuple[str, Any]]:
    """The objects that a node holds, with their names in paths.

    The name "" adds nothing to a path. ANY stands for any name.
    """
    if isinstance(node, _LEAVES):
        return
    if isinstance(node, functools.partial):
        yield from ((ANY, part) for part in (node.func, node.args, node.keywords))
    elif isinstance(node, enum.Enum):
        yield ANY, node.value
    elif isinstance(node, np.ndarray):
        yield from ((ANY, member) for member in node.flat if node.dtype == object)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from [(key, value)] if isinstance(key, str) else [(ANY, value), (ANY, key)]
    elif isinstance(node, Collection) and not isinstance(node, torch.Tensor):
        yield from ((str(i) if type(node) in (list, tuple) else ANY, member) for i, member in enumerate(node))
    if isinstance(node, torch.nn.Module):
        yield from (item for group in GROUPS for item in node.__dict__[group].items())
    nameless = "__getstate__" in vars(type(node)) and not isinstance(node, torch.nn.Module)
    for name, value in attributes(node):
        yield (ANY if nameless else "" if name in GROUPS else name), value


def attributes(node: Any) -> Iterator[tuple[str, Any]]:
    """The attributes in the dict and in the slots of a node."""
    yield from getattr(node, "__dict__", {}).items()
    for name in copyreg._slotnames(type(node)):  # type: ignore[attr-defined]
        if hasattr(node, name):
            yield name, getattr(node, name)


def tensors(root: Any) -> list[Any]:
    """Every tensor, and every node that is_opaque() finds, that can be reached from an object. Each occurs once."""
    seen: dict[int, Any] = {}
    nodes, found = [root], []
    while nodes:
        node = nodes.pop()
        if id(node) in seen or isinstance(node, _LEAVES):
            continue
        seen[id(node)] = node
        found += [node] if is_tensor(node) or is_opaque(node) else []
        nodes += [child for _, child in children(node)]
    return found


def objects_at(root: Any, path: str) -> list[Any]:
    """The objects that a path may mean."""
    found, seen = [], set()
    places = [(root, path)]
    while places:
        node, rest = places.pop()
        if (id(node), rest) in seen:
            continue
        seen.add((id(node), rest))
        found += [] if rest else [node]
        for name, child in children(node):
            if name == ANY:
                places += [(child, rest[i + 1 :]) for i in range(len(rest) + 1) if rest[i : i + 1] in (".", "")]
            elif not name:
                places.append((child, rest))
            elif rest == name or rest.startswith(f"{name}."):
                places.append((child, rest[len(name) + 1 :]))
    return found


def assert_every_tensor_found(root: Any, path: Path) -> gatecell.Weights:
    """Checks that every tensor of the saved object is in the result or named in `skipped`.

    The result must have no other arrays.
    """
    ours = gatecell.load(path)
    found = {(array.shape, array.tobytes()) for array in ours.values()}
    named = {id(node) for name in ours.skipped for node in objects_at(root, name)}
    for tensor in tensors(root):
        there = not is_opaque(tensor) and content(tensor) in found
        assert there or id(tensor) in named, (tensor, list(ours), ours.skipped)
    assert found <= {content(tensor) for tensor in tensors(root) if not is_opaque(tensor)}
    return ours
