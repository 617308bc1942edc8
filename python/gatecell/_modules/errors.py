"""Adds to errors from inside a model the path of the module that raised them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tree import Tree


def locate(error: Exception, root: Tree) -> None:
    """Puts the path and the class of the innermost module that raised the error before the error's message.

    The path starts at `root`. Each module that the error leaves calls this, and the path from the outermost module
    remains. The modules are found in the traceback, so that calls without an error take no extra time. Only an error of
    a built-in class with one text as its argument changes.
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
