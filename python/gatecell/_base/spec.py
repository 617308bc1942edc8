"""Spec: the cell, the sizes and the options of a network. Its weights are not part of it.

The class is the core's, so that each fact about a cell is in one table. `_core.CELLS` and `_core.OPTIONS` show it.
"""

from __future__ import annotations

from typing import Any

from .._core import Spec
from .checks import check_bool, check_int

__all__ = ["Spec", "make_spec"]


def make_spec(
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    bias: bool = True,
    bidirectional: bool = False,
    proj_size: int = 0,
    **options: Any,
) -> Spec:
    """A Spec from the arguments of a user. Raises ValueError and TypeError that say what was expected.

    cell is "lstm", "gru", "rnn_tanh" or "rnn_relu". Sizes are numbers of features. options are those of the core.
    """
    sizes = {
        "input_size": input_size,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "proj_size": proj_size,
    }
    for name, size in sizes.items():
        sizes[name] = check_int(name, size)
        if abs(sizes[name]) >= 2**63:
            raise ValueError(f"expected {name} to fit in 64 bits, got {sizes[name]}")
    check_bool("bias", bias)
    check_bool("bidirectional", bidirectional)
    return Spec(cell, bias=bias, bidirectional=bidirectional, **sizes, **options)
