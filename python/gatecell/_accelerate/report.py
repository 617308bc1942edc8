"""The report of `accelerate`: for each module whether it runs gatecell, and its calls and times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Measured(NamedTuple):
    """Median seconds of a call with the example, before and after, and the largest difference of the outputs."""

    before: float
    after: float
    difference: float


class ModuleReport:
    """The report about one recurrent module.

    path: its name in the model, "" for the model itself. kind: the name of its class.
    replaced: whether it runs gatecell. reason: why it does not, or None.
    measured: times and difference of a call with the arguments that the module gets when the model is called with the
    example. None without an example, if the module is not replaced, or if the model does not call it.
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
        """The module's engine. After `restore`, the engine that it had. None if the module was not replaced."""
        self._engine = vars(self.module).get("_gatecell", self._engine)
        return self._engine

    @property
    def served(self) -> int:
        """The number of calls that gatecell has run."""
        return self.engine.served if self.engine else 0

    @property
    def fell_back(self) -> dict[str, int]:
        """The number of calls that torch's own forward has run instead, by reason."""
        return dict(self.engine.fell_back) if self.engine else {}


class Report:
    """The result of accelerate. Print it.

    modules: a ModuleReport for each path. measured: times and difference of the whole model; None without an example.
    """

    def __init__(self, modules: list[ModuleReport]) -> None:
        self.modules = {module.path: module for module in modules}
        self.measured: Measured | None = None

    def refresh(self) -> None:
        """Let the next calls pack the weights again.

        This is needed after changes that PyTorch does not notice, such as writes through `.data` or NumPy.
        """
        for module in self._replaced():
            module.engine.discard_weights()

    def restore(self) -> None:
        """Turn all modules back into the torch modules that they were."""
        from .accelerated import restore_module

        for module in self._replaced():
            restore_module(module.module)

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
    """The name of a module's class; of a scripted module, that of the class before scripting."""
    return str(getattr(module, "original_name", type(module).__name__))


def _columns(measured: Measured | None) -> list[str]:
    """The last three columns of a line of the printed report."""
    if measured is None:
        return ["", "", ""]
    return [f"{measured.before * 1e6:.0f} us", f"{measured.after * 1e6:.0f} us", f"{measured.difference:.1e}"]
