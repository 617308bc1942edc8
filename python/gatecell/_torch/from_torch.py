"""From a live torch module. torch is never imported here: whoever has a module has imported it."""

from __future__ import annotations

import sys
from typing import Any

from .._modules.module import Module
from .._networks.cells import GRUCell, LSTMCell, RNNCell
from .._networks.layers import GRU, LSTM, RNN
from .networks import CLASSES, check_hooks, is_plain, load


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
        from .layers import convert  # nn takes a third of the time of all the rest

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
