"""Checks of the constructor options that only networks have: nonlinearity, peepholes, reset and clips.

Most functions return the value that a Spec has for the option.
"""

from __future__ import annotations

import math
import numbers


def rnn_cell(nonlinearity: str) -> str:
    """The cell of a Spec for this nonlinearity. Raises ValueError."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
    return f"rnn_{nonlinearity}"


def spec_peepholes(peepholes: str | None) -> str:
    """The value of peepholes in a Spec: "none" for None. Raises ValueError."""
    if peepholes is not None and not (isinstance(peepholes, str) and peepholes in ("diagonal", "full")):
        raise ValueError(f"expected peepholes None, 'diagonal' or 'full', got {peepholes!r}")
    return peepholes or "none"


def check_reset(reset: str) -> None:
    """Raises ValueError for a value that a GRU's option `reset` cannot have."""
    if not (isinstance(reset, str) and reset in ("after", "before", "none")):
        raise ValueError(f"expected reset 'after', 'before' or 'none', got {reset!r}")


def spec_clip(name: str, bound: float | None) -> float:
    """The value of gate_clip or cell_clip in a Spec: 0 for None. Raises ValueError and TypeError."""
    if bound is None:
        return 0.0
    if not isinstance(bound, numbers.Real) or isinstance(bound, bool):
        raise TypeError(f"expected {name} to be None or a number, got {type(bound).__name__}")
    try:
        value = float(bound)
    except OverflowError:
        value = math.inf
    if not 0 < value < math.inf:
        raise ValueError(f"expected {name} finite and positive, got {bound!r}")
    return value
