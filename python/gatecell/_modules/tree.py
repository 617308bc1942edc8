"""What loading of weights and errors need of a Module, so that they do not import it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from numpy.typing import NDArray


class Tree(Protocol):
    """A module with its submodules. `Module` has these methods and says what they do."""

    _optional: frozenset[str]

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Tree]]: ...

    def modules(self) -> Iterator[Tree]: ...

    def _values(self) -> dict[str, Any]: ...

    def _laid_out(self, name: str, array: NDArray[Any]) -> NDArray[Any]: ...

    def _take(self, values: dict[str, NDArray[Any]]) -> None: ...
