"""The names in a state dict: prefixes of modules, and names of recurrent weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .cures import OUTSIDE, RECURRENT

KIND = re.compile(r"(?:weight|bias)_(?:[ih]h|hr|peephole)")  # what the names of all weights of a kind begin with
WEIGHT = re.compile(KIND.pattern + r"(?:_l\d+(?:_reverse)?)?")  # the name of a weight of some layer


def is_derived(name: str) -> bool:
    """Whether a tensor is named after a recurrent weight, without being one: weight_hh_l0_raw."""
    return KIND.search(name) is not None and WEIGHT.fullmatch(name) is None


def wrapped(prefix: str) -> str:
    """The prefix of the adapter around a layer that PEFT has wrapped, else the layer's own."""
    return prefix.removesuffix("base_layer.")


def names_without_values(state_dict: Mapping[Any, Any]) -> list[str]:
    """Names that `load` tells beside the arrays: outside its prefix, and of tensors it left out that may matter."""
    left_out = [path for path, what in getattr(state_dict, "skipped", {}).items() if what == OUTSIDE]
    return [*getattr(state_dict, "outside", ()), *(path for path in left_out if is_derived(path.rpartition(".")[2]))]


def recurrent_weights(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of recurrent weights, plain or in another form, by prefix."""
    found: dict[str, list[str]] = {}
    for name in names:
        if ("weight_ih" in name or "weight_hh" in name) and (match := re.fullmatch(RECURRENT, name)):
            found.setdefault(match[1], []).append(name)
    return found


def ancestors(prefix: str) -> set[str]:
    """The prefixes of the modules around one: of "a.b." these are "a." and ""."""
    parts = prefix.split(".")[:-1]
    return {".".join([*parts[:depth], ""]) if depth else "" for depth in range(len(parts))}


def with_dot(prefix: str) -> str:
    """The prefix with its final dot, which the caller may leave out."""
    if not isinstance(prefix, str):
        raise TypeError(f"expected prefix to be a str, got {type(prefix).__name__}")
    return prefix + "." if prefix and not prefix.endswith(".") else prefix
