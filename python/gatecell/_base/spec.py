"""Spec: the cell, the sizes and the options of a network. Its weights are not part of it.

The class is the core's, so that each fact about a cell is in one table. `_core.cells()` and `_core.options()` show it.
Two values of options have another form for users: None stands for "none" where that is the default, and for the bound
0.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

from .._core import Spec, cells, options
from .checks import check_bool, check_int

__all__ = ["CELLS", "DEFAULTS", "VALUES", "Spec", "class_name", "listed", "make_spec", "options_of"]

CELLS = cells()
_OPTIONS = options()


def _for_users(name: str, value: Any) -> Any:
    """The form for users of a value that the core has."""
    facts = _OPTIONS[name]
    is_absent = value == facts["default"] and (value == "none" or not facts["values"])
    return None if is_absent else value


# The values of each option, none for a bound, and its default, both in the form for users.
VALUES = {name: tuple(_for_users(name, value) for value in facts["values"]) for name, facts in _OPTIONS.items()}
DEFAULTS = {name: _for_users(name, facts["default"]) for name, facts in _OPTIONS.items()}


def class_name(cell: str) -> str:
    """The class of layers that have this cell: LSTM, GRU or RNN."""
    name: str = CELLS[cell]["with_article"].partition(" ")[2]
    return name


def options_of(spec: Spec) -> dict[str, Any]:
    """The options of the spec's cell, in the form for users."""
    values = spec.options
    return {name: _for_users(name, values[name]) for name in CELLS[spec.cell]["options"]}


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

    cell is "lstm", "gru", "rnn_tanh" or "rnn_relu". Sizes are numbers of features. options are those in VALUES.
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
    values = {name: _for_core(name, value) for name, value in options.items()}
    return Spec(cell, bias=bias, bidirectional=bidirectional, **sizes, **values)


def _for_core(name: str, value: Any) -> Any:
    """The form in the core of a user's value. Raises ValueError and TypeError for a value that the option lacks."""
    values = VALUES[name]
    if not values:
        return _bound(name, value)
    if values == (False, True):
        check_bool(name, value)
        return value
    if not isinstance(value, (str, type(None))) or value not in values:
        raise ValueError(f"expected {name} {listed(values)}, got {value!r}")
    return "none" if value is None else value


def _bound(name: str, bound: Any) -> float:
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


def listed(values: tuple[Any, ...]) -> str:
    """The values as messages list them: "None, 'diagonal' or 'full'"."""
    shown = [repr(value) for value in values]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
