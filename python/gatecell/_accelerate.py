"""accelerate: the recurrent modules of a living PyTorch model made to run gatecell, and the report of how they fare.

torch is imported when accelerate is called, not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ._defaults import choose_threads
from ._torch import CLASSES


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
        self.kind = _class_name(module)
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
        from ._accelerated import release

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


def accelerate(model: Any, example: Any = None, num_threads: int | None = None) -> tuple[Any, Report]:
    """Make every nn.LSTM, GRU, RNN and cell in a PyTorch model, itself included, run gatecell: (the model, a Report).

    They stay where they are, with their parameters; their class becomes one derived from it, which runs gatecell for
    inference on float32 and float64 CPU tensors, and torch's own forward wherever the result could be another.
    example: what to measure the model with, before and after: a tensor, a tuple of arguments or a dict of named ones.
    The model is called with it many times.
    num_threads: for gatecell's part; torch.get_num_threads(), asked at each call, if not given.
    Raises ImportError without torch, TypeError for a model that is no torch.nn.Module, ValueError for an example with a
    model in training mode.
    """
    try:
        import torch
    except ImportError:
        raise ImportError("gatecell.accelerate needs PyTorch: pip install torch") from None
    from ._accelerated import NOTICE, Accelerated, release, replace
    from ._measure import measure

    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")
    if example is not None and model.training:
        raise ValueError("the example shows inference, but the model is in training mode: call model.eval() first")
    if num_threads is not None:
        num_threads = choose_threads(num_threads)
    names = [ours.__name__ for ours in CLASSES]
    classes = tuple(getattr(torch.nn, name) for name in names)
    earlier = {module for module in model.modules() if isinstance(module, Accelerated)}
    notices = iter([NOTICE])
    report = Report(
        [
            ModuleReport(path, module, replace(module, num_threads, notices))
            for path, module in model.named_modules()
            if isinstance(module, classes) or _class_name(module) in names  # scripted and quantized ones have the name
        ]
    )
    if example is not None:
        try:
            measure(report, model, example)
        except BaseException:
            for module in set(model.modules()) - earlier:
                release(module)
            raise
    return model, report


def _class_name(module: Any) -> str:
    return str(getattr(module, "original_name", type(module).__name__))


def _columns(measured: Measured | None) -> list[str]:
    if measured is None:
        return ["", "", ""]
    return [f"{measured.before * 1e6:.0f} us", f"{measured.after * 1e6:.0f} us", f"{measured.difference:.1e}"]
