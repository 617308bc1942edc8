"""accelerate: makes the recurrent modules of a PyTorch model run gatecell.

torch is imported when accelerate is called, not before.
"""

from __future__ import annotations

from typing import Any

from .._base.defaults import choose_threads
from .._torch.recurrent import CLASSES
from .report import ModuleReport, Report, class_name


def accelerate(model: Any, example: Any = None, num_threads: int | None = None) -> tuple[Any, Report]:
    """Make all nn.LSTM, GRU, RNN and their cells in a PyTorch model run gatecell. Returns the model and a Report.

    The model itself may be such a module. The modules stay in the model and keep their parameters. Their class becomes
    a subclass of their class. It runs gatecell for inference on float32 and float64 CPU tensors, and torch's own
    forward in all cases where the result could differ.
    example: arguments with which the model is measured before and after: a tensor, a tuple of arguments or a dict of
    named arguments. The model is called with them up to some hundred times.
    num_threads: the number of threads of gatecell. None means torch.get_num_threads() at each call.
    Raises ImportError without torch, TypeError for a model that is no torch.nn.Module, ValueError for an example with a
    model in training mode.
    """
    try:
        import torch
    except ImportError:
        raise ImportError("gatecell.accelerate needs PyTorch: pip install torch") from None
    from .accelerated import Accelerated, accelerate_module, restore_module
    from .engine import NOTICE
    from .measure import measure

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
            ModuleReport(path, module, accelerate_module(module, num_threads, notices))
            for path, module in model.named_modules()
            # Scripted and quantized modules have such a class name, too. The report says why they are not replaced.
            if isinstance(module, classes) or class_name(module) in names
        ]
    )
    if example is not None:
        try:
            measure(report, model, example)
        except BaseException:
            for module in set(model.modules()) - earlier:
                restore_module(module)
            raise
    return model, report
