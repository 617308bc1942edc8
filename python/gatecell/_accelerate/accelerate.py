"""accelerate: the recurrent modules of a living PyTorch model made to run gatecell, and the report of how they fare.

torch is imported when accelerate is called, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._base.defaults import choose_threads
from .._torch.networks import CLASSES

if TYPE_CHECKING:
    from .report import Report


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
    from .accelerated import Accelerated, release, replace
    from .engine import NOTICE
    from .measure import measure
    from .report import ModuleReport, Report, class_name

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
            if isinstance(module, classes) or class_name(module) in names  # scripted and quantized ones have the name
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
