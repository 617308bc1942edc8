"""Layers and cells made from torch modules, and checks that a torch module does only what its class says."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from .._base.spec import CELLS, DEFAULTS
from .._networks.cells import GRUCell, LSTMCell, RNNCell
from .._networks.layers import GRU, LSTM, RNN

# The classes that torch.nn has under the same names.
CLASSES: tuple[type[Any], ...] = (LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell)


def is_plain(module: Any, theirs: Any) -> bool:
    """Whether the module is of the torch class `theirs`, or of a subclass that has no forward of its own."""
    return isinstance(module, theirs) and getattr(type(module), "forward", None) is getattr(theirs, "forward", None)


def check_hooks(module: Any) -> None:
    """Raises TypeError if the module itself has hooks or a forward."""
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        raise TypeError("the module has hooks or an own forward, which gatecell would not run: remove them first")


def network_of(ours: type[Any], module: Any, weights: Mapping[str, Any], **how: Any) -> Any:
    """A network of gatecell's class `ours` with the module's options and these weights. how: num_threads and isa."""
    options = inspect.signature(ours).parameters.keys() & {"batch_first", "dropout", "nonlinearity"}
    flags = {name: getattr(module, name) for name in options}
    if ours is RNN:
        flags["nonlinearity"] = module.mode.removeprefix("RNN_").lower()  # torch's forward reads mode, not nonlinearity
    # torch's forward has none of the other options. A subclass may have parameters with the names of their weights.
    flags |= {name: DEFAULTS[name] for name in CELLS[ours._cell]["options"]}
    return ours.from_state_dict(weights, **flags, **how)
