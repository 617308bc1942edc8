"""inspect.getsource and typing.get_type_hints work for the public classes and functions."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import pytest

import gatecell
from gatecell import nn


def public(module: ModuleType) -> Iterator[Any]:
    """The classes and Python functions among a module's public names."""
    for name in getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]):
        value = getattr(module, name)
        if isinstance(value, (type, FunctionType)) and value.__module__.startswith("gatecell"):
            yield value


@pytest.mark.parametrize(
    "module", [gatecell, nn, nn.functional, nn.init, nn.utils.rnn], ids=lambda module: module.__name__
)
def test_sources_and_type_hints_are_found(module: ModuleType) -> None:
    found = list(public(module))
    assert found
    for value in found:
        assert value.__name__ in inspect.getsource(value)
        typing.get_type_hints(value)


@pytest.mark.parametrize("kind", dict.fromkeys([*public(gatecell), *public(nn)]), ids=lambda value: value.__name__)
def test_type_hints_of_methods_are_found(kind: Any) -> None:
    """Except for Self, which Python 3.10 has only in typing_extensions, for type checkers."""
    for name in dir(kind) if isinstance(kind, type) else ():
        method = inspect.getattr_static(kind, name)
        method = getattr(method, "__func__", getattr(method, "fget", method))
        if isinstance(method, FunctionType) and method.__module__.startswith("gatecell"):
            typing.get_type_hints(method, localns={"Self": Any})
