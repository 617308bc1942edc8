"""Errors raised inside a model say where: at which path of the module that was called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tree import Tree


def locate(error: Exception, root: Tree) -> None:
    """Begin the error's message with path and class of the innermost module it came out of, seen from `root`.

    Each module that the error passes through calls this; the outermost has the last word. The traceback tells who was
    at work, which costs nothing while all goes well.
    """
    if type(error).__module__ != "builtins" or len(error.args) != 1 or not isinstance(error.args[0], str):
        return
    message = vars(error).setdefault("_message", error.args[0])
    paths = {id(module): (path, module) for path, module in root.named_modules()}
    path, module = "", root
    frames = error.__traceback__
    while frames:
        path, module = paths.get(id(frames.tb_frame.f_locals.get("self")), (path, module))
        frames = frames.tb_next
    name = type(module).__name__
    error.args = (f"{path} ({name}): {message}" if path else f"{name}: {message}",)
