"""The options of extended cells, as gatecell's table has them and as its classes take them.

So a new option is in all grids without a change here. test_option_values.py compares the table with literal values.
"""

from __future__ import annotations

from typing import Any

from gatecell import _core

CELLS, OPTIONS = _core.cells(), _core.options()
LIMITS = {"cell_clip": 0.375}  # the value of a bound; with the default weights it limits some values
LIMIT = 0.5  # of every other bound


def _values(name: str) -> tuple[Any, ...]:
    """The values that the classes take, the default first. None stands for no bound, and for a default "none"."""
    default, values = OPTIONS[name]["default"], OPTIONS[name]["values"]
    if not values:
        return None, LIMITS.get(name, LIMIT)
    return (None if default == "none" else default, *(value for value in values if value != default))


VALUES = {name: _values(name) for name in OPTIONS}
DEFAULTS = {name: values[0] for name, values in VALUES.items()}
BOUNDS = tuple(name for name, option in OPTIONS.items() if not option["values"])
OPTIONS_OF: dict[str, tuple[str, ...]] = {cell.upper(): row["options"] for cell, row in CELLS.items()}


def in_core(options: dict[str, Any]) -> dict[str, Any]:
    """The options as the core takes them."""
    return {name: OPTIONS[name]["default"] if value is None else value for name, value in options.items()}
