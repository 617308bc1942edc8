"""The methods of Module that `weights` and `errors` use. With this class they need not import Module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from numpy.typing import NDArray


class Tree(Protocol):
    """A module and its submodules. The docstrings of `Module` describe these methods."""

    _optional: frozenset[str]

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Tree]]: ...

    def modules(self) -> Iterator[Tree]: ...

    def _values(self) -> dict[str, Any]: ...

    def _laid_out(self, name: str, array: NDArray[Any]) -> NDArray[Any]: ...

    def _assign(self, values: dict[str, NDArray[Any]]) -> None: ...
