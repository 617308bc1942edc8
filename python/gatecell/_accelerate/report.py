"""The report of `accelerate`: what was done to each module, and how it fares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Measured(NamedTuple):
    """Median seconds of a call on the example, and the largest difference between its outputs."""

    before: float
    after: float
    difference: float


class ModuleReport:
    """How one recurrent module fares.

    path: its name in the model, "" for the model itself. kind: the name of its class.
    replaced: whether it runs gatecell; reason: why not, else None.
    measured: on what the model gives it when called with the example; None without an example, or if it is not called.
    """

    def __init__(self, path: str, module: Any, reason: str | None) -> None:
        self.path = path
        self.kind = class_name(module)
        self.reason = reason
        self.module = module
        self._engine: Any = vars(module).get("_gatecell")
        self.measured: Measured | None = None

    @property
    def replaced(self) -> bool:
        return self.reason is None

    @property
    def engine(self) -> Any:
        """What the module has now, or had until it was restored; None if it was not replaced."""
        self._engine = vars(self.module).get("_gatecell", self._engine)
        return self._engine

    @property
    def served(self) -> int:
        """How many calls gatecell has run so far."""
        return self.engine.served if self.engine else 0

    @property
    def fell_back(self) -> dict[str, int]:
        """How many calls torch's own forward has run instead, by reason."""
        return dict(self.engine.fell_back) if self.engine else {}


class Report:
    """What accelerate did: `modules` by path, and `measured`, of the whole model, if there was an example. Print it."""

    def __init__(self, modules: list[ModuleReport]) -> None:
        self.modules = {module.path: module for module in modules}
        self.measured: Measured | None = None

    def refresh(self) -> None:
        """Have the weights packed again: after changes PyTorch cannot see, such as writes through `.data` or NumPy."""
        for module in self._replaced():
            module.engine.forget()

    def restore(self) -> None:
        """Make every module again what it was."""
        from .accelerated import release

        for module in self._replaced():
            release(module.module)

    def _replaced(self) -> Iterator[ModuleReport]:
        return (module for module in self.modules.values() if module.replaced)

    def __str__(self) -> str:
        rows = [["module", "class", "served", "fell back", "before", "after", "difference"]]
        for module in self.modules.values():
            fell_back = ", ".join(f"{calls} {reason}" for reason, calls in module.fell_back.items()) or "0"
            counts = [str(module.served), fell_back] if module.replaced else ["-", f"not replaced: {module.reason}"]
            rows.append([module.path or "(model)", module.kind, *counts, *_columns(module.measured)])
        if self.measured:
            rows.append(["whole model", "", "", "", *_columns(self.measured)])
        else:
            rows = [row[:4] for row in rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(line.rstrip() for line in lines)


def class_name(module: Any) -> str:
    return str(getattr(module, "original_name", type(module).__name__))


def _columns(measured: Measured | None) -> list[str]:
    if measured is None:
        return ["", "", ""]
    return [f"{measured.before * 1e6:.0f} us", f"{measured.after * 1e6:.0f} us", f"{measured.difference:.1e}"]
