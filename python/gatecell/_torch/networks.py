"""Layers and cells out of torch modules."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from .._networks.cells import GRUCell, LSTMCell, RNNCell
from .._networks.layers import GRU, LSTM, RNN

CLASSES: tuple[type[Any], ...] = (LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell)


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
