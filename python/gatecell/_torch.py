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

    The dtype is the module's; half types become float32. Raises TypeError for any other module, one with hooks or
    an own forward and a quantized one included, ValueError for pruned and weight-normed weights.
    """
    torch: Any = sys.modules.get("torch")
    for ours in _CLASSES if torch else ():
        theirs = getattr(torch.nn, ours.__name__)
        if isinstance(module, theirs) and type(module).forward is theirs.forward:
            options = inspect.signature(ours).parameters.keys() & {"batch_first", "dropout", "nonlinearity"}
            flags = {name: getattr(module, name) for name in options}
            net = ours.from_state_dict(module.state_dict(), num_threads=num_threads, isa=isa, **flags)
            # After loading: pruning and weight norm are pre-hooks too, and the error of load names their cure.
            if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
                raise TypeError("the module has hooks or an own forward, which would be lost: remove them first")
            return net
    for inner in ("_orig_mod", "module") if torch else ():
        if isinstance(getattr(module, inner, None), torch.nn.Module):
            raise TypeError(f"expected a torch.nn module, got {type(module).__name__} around one: pass module.{inner}")
    kind = type(module)
    names = ", ".join(ours.__name__ for ours in _CLASSES)
    raise TypeError(
        f"expected a torch.nn module out of {names} with torch's own forward, got {kind.__module__}.{kind.__qualname__}"
    )
