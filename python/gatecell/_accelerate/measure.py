"""accelerate's example: times before and after, of each replaced module and of the whole model. Imports torch."""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from .accelerated import adopt
from .report import Measured, ModuleReport, Report

_SECONDS, _CALLS = 0.2, 100  # for the time of one call: whichever comes first

Call = Callable[[], Any]


def measure(report: Report, model: Any, example: Any) -> None:
    """Fill in what is measured. Afterwards the counters show one call of the model."""
    replaced = {path: module for path, module in report.modules.items() if module.replaced}
    if isinstance(example, Mapping):
        whole = functools.partial(model, **example)
    else:  # a packed sequence is a tuple too, but one argument
        whole = functools.partial(model, *(example if type(example) is tuple else (example,)))
    with torch.no_grad():  # not inference_mode: what the model keeps of the calls shall be ordinary tensors
        calls = _calls_of(replaced, whole)
        after = _run([whole, *calls.values()])
        report.restore()
        try:
            before = _run([whole, *calls.values()])
        finally:
            for module in replaced.values():
                adopt(module.module, module.engine)
                module.engine.reset()
        whole()
    results = [
        Measured(seconds, faster, _difference(expected, got))
        for (seconds, expected), (faster, got) in zip(before, after, strict=True)
    ]
    report.measured, *rest = results
    for path, measured in zip(calls, rest, strict=True):
        replaced[path].measured = measured


def _calls_of(modules: Mapping[str, ModuleReport], whole: Call) -> dict[str, Call]:
    """The first call of each module, when the model is called."""
    calls: dict[str, Call] = {}

    def keep(path: str, module: Any, args: Any, kwargs: Any) -> None:
        calls.setdefault(path, functools.partial(module, *args, **kwargs))

    hooks = [
        entry.module.register_forward_pre_hook(functools.partial(keep, path), prepend=True, with_kwargs=True)
        for path, entry in modules.items()
    ]
    try:
        whole()
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _run(calls: list[Call]) -> list[tuple[float, Any]]:
    """Median seconds and the output of each."""
    return [(_seconds(call), call()) for call in calls]


def _seconds(call: Call) -> float:
    seconds: list[float] = []
    end = time.perf_counter() + _SECONDS
    while len(seconds) < _CALLS and (not seconds or time.perf_counter() < end):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _difference(expected: Any, got: Any) -> float:
    pairs = zip(_tensors(expected), _tensors(got), strict=True)
    differences = [(a.double() - b.double()).abs().max() for a, b in pairs if a.numel()]
    return float(torch.stack(differences).max()) if differences else math.nan  # NaN if any is


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """All that are in an output, whatever it is made of."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list, Mapping)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(part)
