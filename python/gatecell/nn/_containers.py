"""Sequential and ModuleList: torch.nn's containers. By default the name of a member is its number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, overload

from .._modules.module import Module, indent

if TYPE_CHECKING:
    from typing_extensions import Self


class _Members(Module):
    """Base of the containers: the list of members in order."""

    def __len__(self) -> int:
        return len(self._children())

    def __iter__(self) -> Iterator[Module]:
        return iter([module for _, module in self._children()])

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Module | Self:
        members = self._children()
        return type(self)(self._slice(members[index])) if isinstance(index, slice) else members[index][1]

    def append(self, module: Module) -> Self:
        """Adds a member at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        for module in modules:
            self.append(module)
        return self

    def _slice(self, members: list[tuple[str, Module]]) -> Any:
        """The members of a slice as an argument of the constructor."""
        raise NotImplementedError


class Sequential(_Members):
    """torch.nn.Sequential: calls its modules in order, each with the result of the one before.

    The arguments are modules, or one mapping of names to modules.
    """

    def __init__(self, *args: Any) -> None:
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    def forward(self, input: Any) -> Any:
        for module in self._children():
            input = module[1](input)
        return input

    def _slice(self, members: list[tuple[str, Module]]) -> dict[str, Module]:
        return dict(members)  # members keep their names, as in torch


class ModuleList(_Members):
    """torch.nn.ModuleList: a list of modules that are members of the model, with names in its state dict."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        self.extend(modules or ())

    def _slice(self, members: list[tuple[str, Module]]) -> list[Module]:
        return [module for _, module in members]

    def __repr__(self) -> str:
        lines = []
        start = 0
        for text, same in groupby(map(repr, self)):  # equal neighbours are printed once, as in torch
            count = len(list(same))
            place, times = (f"{start}", "") if count == 1 else (f"{start}-{start + count - 1}", f"{count} x ")
            lines.append(indent(f"({place}): {times}{text}"))
            start += count
        return "\n  ".join([f"{type(self).__name__}(", *lines]) + "\n)" if lines else f"{type(self).__name__}()"
