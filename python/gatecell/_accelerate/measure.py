"""Measures a model with the example of `accelerate`: times before and after, and differences. Imports torch."""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from .accelerated import install
from .report import Measured, ModuleReport, Report

_SECONDS, _CALLS = 0.2, 100  # a call is repeated until one of these is reached

Call = Callable[[], Any]


def measure(report: Report, model: Any, example: Any) -> None:
    """Measure the whole model and each replaced module, and store the results in the report.

    Afterwards the counters of the report show one call of the model.
    """
    replaced = {path: module for path, module in report.modules.items() if module.replaced}
    if isinstance(example, Mapping):
        whole = functools.partial(model, **example)
    else:  # a packed sequence is a tuple, too, but it is one argument
        whole = functools.partial(model, *(example if type(example) is tuple else (example,)))
    with torch.no_grad():  # not inference_mode, because a model may keep tensors of the calls
        calls = _calls_of(replaced, whole)
        after = _run([whole, *calls.values()])
        report.restore()
        try:
            before = _run([whole, *calls.values()])
        finally:
            for module in replaced.values():
                install(module.module, module.engine)
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
    """For each module the first call that it gets when the model is called."""
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
    """The median seconds and the output of each call."""
    return [(_seconds(call), call()) for call in calls]


def _seconds(call: Call) -> float:
    """The median seconds of repeated calls."""
    seconds: list[float] = []
    end = time.perf_counter() + _SECONDS
    while len(seconds) < _CALLS and (not seconds or time.perf_counter() < end):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _difference(expected: Any, got: Any) -> float:
    """The largest absolute difference of two outputs. NaN if they have no numbers, or if a number is NaN."""
    pairs = zip(_tensors(expected), _tensors(got), strict=True)
    differences = [(a.double() - b.double()).abs().max() for a, b in pairs if a.numel()]
    return float(torch.stack(differences).max()) if differences else math.nan


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """All tensors in an output, also those inside tuples, lists and mappings."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list, Mapping)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(item)
