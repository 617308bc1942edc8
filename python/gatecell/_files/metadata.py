"""What a checkpoint tells beside its tensors: vocabularies, hyper-parameters, the epoch; only what is plainly data."""

from __future__ import annotations

from typing import Any

_SCALARS = (str, bytes, int, float, bool, type(None))


def plain(root: Any) -> dict[str, Any]:
    """The entries of a checkpoint's dict that are scalars, or dicts, lists and tuples of them, as they are.

    Containers that share members stand for more values than the file has bytes: `torch_objects.find`, which walks
    through the same ones, has refused those that stand for far more.
    """
    entries = root.items() if type(root) is dict else ()
    return {name: entry for name, entry in entries if type(name) is str and _is_plain(entry)}


def _is_plain(entry: Any) -> bool:
    nodes = [entry]
    while nodes:
        node = nodes.pop()
        if type(node) is dict:
            nodes += [*node, *node.values()]
        elif type(node) in (list, tuple):
            nodes += node
        elif type(node) not in _SCALARS:
            return False
    return True
