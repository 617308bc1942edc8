"""Names in a state dict: the prefixes of modules and the names of recurrent weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._core import weight_names
from .cures import OUTSIDE, RECURRENT

KIND = re.compile(
    "|".join(sorted(weight_names(), key=len, reverse=True))
)  # a weight's name without layer and direction
WEIGHT = re.compile(rf"({KIND.pattern})(?:_l(\d+)(?:_reverse)?)?")  # the full name of a weight of a layer or a cell


def is_named_after_weight(name: str) -> bool:
    """Whether a name contains a recurrent weight's name and more, as weight_hh_l0_raw does."""
    return KIND.search(name) is not None and WEIGHT.fullmatch(name) is None


def scope_of(prefix: str) -> str:
    """The prefix of the adapter that PEFT puts around a layer. Without an adapter, the layer's own prefix."""
    return prefix.removesuffix("base_layer.")


def names_without_values(state_dict: Mapping[Any, Any]) -> list[str]:
    """Names of tensors that a file has and `load` did not read: those outside its prefix, and skipped ones.

    Of the skipped tensors only those count that a saved module has outside its state dict, and that are named after a
    recurrent weight.
    """
    left_out = [path for path, what in getattr(state_dict, "skipped", {}).items() if what == OUTSIDE]
    return [
        *getattr(state_dict, "outside", ()),
        *(path for path in left_out if is_named_after_weight(path.rpartition(".")[2])),
    ]


def recurrent_weights(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of recurrent weights by prefix. Weights in other forms count, such as weight_hh_l0_mask."""
    found: dict[str, list[str]] = {}
    for name in names:
        if ("weight_ih" in name or "weight_hh" in name) and (match := re.fullmatch(RECURRENT, name)):
            found.setdefault(match[1], []).append(name)
    return found


def ancestors(prefix: str) -> list[str]:
    """The prefixes of the modules that contain the module with this prefix. For "a.b." they are "" and "a."."""
    names = prefix.split(".")[:-1]
    return [".".join([*names[:depth], ""]) if depth else "" for depth in range(len(names))]


def with_dot(prefix: str) -> str:
    """The prefix with a dot at its end. The caller may leave the dot out. Raises TypeError if it is no str."""
    if not isinstance(prefix, str):
        raise TypeError(f"expected prefix to be a str, got {type(prefix).__name__}")
    return prefix + "." if prefix and not prefix.endswith(".") else prefix
