"""From a live torch module. torch is never imported here: whoever has a module has imported it."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from ._cells import GRUCell, LSTMCell, RNNCell
from ._layers import GRU, LSTM, RNN

_CLASSES = (LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell)


def from_torch(
    module: Any, *, num_threads: int | None = None, isa: str | None = None
) -> LSTM | GRU | RNN | LSTMCell | GRUCell | RNNCell:
    """The gatecell counterpart of a torch.nn.LSTM, GRU, RNN, LSTMCell, GRUCell or RNNCell: its options and weights.

    The dtype is the module's; half types become float32. Raises TypeError for any other module, a subclass with its own
    forward and a quantized module included, ValueError for pruned and weight-normed weights.
    """
    torch: Any = sys.modules.get("torch")
    for ours in _CLASSES if torch else ():
        theirs = getattr(torch.nn, ours.__name__)
        if isinstance(module, theirs) and type(module).forward is theirs.forward:
            options = inspect.signature(ours).parameters.keys() & {"batch_first", "dropout", "nonlinearity"}
            flags = {name: getattr(module, name) for name in options}
            return ours.from_state_dict(module.state_dict(), num_threads=num_threads, isa=isa, **flags)
    kind = type(module)
    names = ", ".join(ours.__name__ for ours in _CLASSES)
    raise TypeError(
        f"expected a torch.nn module out of {names} with torch's own forward, got {kind.__module__}.{kind.__qualname__}"
    )
