"""from_torch: gatecell's counterpart of a torch module. It never imports torch: if there is a module, it is loaded."""

from __future__ import annotations

import sys
from typing import Any

from .._modules.module import Module
from .._networks.cells import GRUCell, LSTMCell, RNNCell
from .._networks.layers import GRU, LSTM, RNN
from .recurrent import CLASSES, check_hooks, is_plain, network_of


def from_torch(
    module: Any, *, num_threads: int | None = None, isa: str | None = None
) -> LSTM | GRU | RNN | LSTMCell | GRUCell | RNNCell | Module:
    """The gatecell counterpart of a torch.nn.LSTM, GRU, RNN, LSTMCell, GRUCell or RNNCell: its options and weights.

    module may also be another layer that gatecell.nn has, or a torch.nn.Sequential or ModuleList of all these, also
    nested. The dtype is that of the module; half precision becomes float32.
    Raises TypeError for any other module, also for one that has hooks, has a forward of its own or is quantized, and
    ValueError for pruned and weight-normed weights.
    """
    torch: Any = sys.modules.get("torch")
    for ours in CLASSES if torch else ():
        if is_plain(module, getattr(torch.nn, ours.__name__)):
            net: Module = network_of(ours, module, module.state_dict(), num_threads=num_threads, isa=isa)
            # After loading, which has the better errors for pruning and weight norm. These are hooks, too.
            check_hooks(module)
            return net
    if torch and isinstance(module, torch.nn.Module):
        from .nn_modules import convert  # here and not above, so that `import gatecell` stays fast

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
