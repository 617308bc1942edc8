"""From a live torch module. torch is never imported here: whoever has a module has imported it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from ._cells import GRUCell, LSTMCell, RNNCell
from ._layers import GRU, LSTM, RNN
from ._module import Module

CLASSES: tuple[type[Any], ...] = (LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell)


def from_torch(
    module: Any, *, num_threads: int | None = None, isa: str | None = None
) -> LSTM | GRU | RNN | LSTMCell | GRUCell | RNNCell | Module:
    """The gatecell counterpart of a torch.nn.LSTM, GRU, RNN, LSTMCell, GRUCell or RNNCell: its options and weights.

    Also of the other layers that gatecell.nn has, and of a torch.nn.Sequential or ModuleList of all these, nested too.
    The dtype is the module's; half types become float32. Raises TypeError for any other module, one with hooks or
    an own forward and a quantized one included, ValueError for pruned and weight-normed weights.
    """
    torch: Any = sys.modules.get("torch")
    for ours in CLASSES if torch else ():
        if is_plain(module, getattr(torch.nn, ours.__name__)):
            net: Module = load(ours, module, module.state_dict(), num_threads=num_threads, isa=isa)
            check_hooks(module)  # after loading: pruning and weight norm are hooks too, and the error names their cure
            return net
    if torch and isinstance(module, torch.nn.Module):
        from .nn._from_torch import convert

        converted = convert(module, lambda child: from_torch(child, num_threads=num_threads, isa=isa))
        if converted:
            return converted
    for inner in ("_orig_mod", "module") if torch else ():
        if isinstance(getattr(module, inner, None), torch.nn.Module):
            raise TypeError(f"expected a torch.nn module, got {type(module).__name__} around one: pass module.{inner}")
    kind = type(module)
    names = ", ".join(ours.__name__ for ours in CLASSES)
    raise TypeError(
        f"expected a torch.nn module out of {names} or gatecell.nn's layers, Sequential and ModuleList, "
        f"with torch's own forward, got {kind.__module__}.{kind.__qualname__}"
    )


def is_plain(module: Any, theirs: Any) -> bool:
    """Whether it is of that class of torch and runs that class's own forward."""
    return isinstance(module, theirs) and getattr(type(module), "forward", None) is getattr(theirs, "forward", None)


def check_hooks(module: Any) -> None:
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        raise TypeError("the module has hooks or an own forward, which would be lost: remove them first")


def load(ours: type[Any], module: Any, weights: Mapping[str, Any], **how: Any) -> Any:
    """A network of the class `ours` with the module's options and these weights; `how` is num_threads= and isa=."""
    options = inspect.signature(ours).parameters.keys() & {"batch_first", "dropout", "nonlinearity"}
    flags = {name: getattr(module, name) for name in options}
    if ours is RNN:
        flags["nonlinearity"] = module.mode.removeprefix("RNN_").lower()  # what torch's own forward goes by
    if ours in (LSTM, LSTMCell):
        flags["peepholes"] = None  # torch's own forward has none, whatever parameters a subclass adds
    return ours.from_state_dict(weights, **flags, **how)
