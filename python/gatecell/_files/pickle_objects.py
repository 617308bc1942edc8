"""What the objects of a pickle become here: names, calls, plain containers, and keys that are safe to hash."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple


class Name:
    """The full name of a class or function in the file, such as "collections.OrderedDict"."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Call:
    """The object that the file asks for by a call of `name` with `args`. Nothing is called.

    `state`, `items` and `entries` hold what the file puts into the object afterwards: the argument of __setstate__ or
    the attributes, the items of a dict, and the members of a list or set.
    """

    __slots__ = ("args", "entries", "items", "name", "state")

    def __init__(self, name: str, args: tuple[Any, ...]) -> None:
        self.name = name
        self.args = args
        self.state: Any = None
        self.items: dict[Any, Any] = {}
        self.entries: list[Any] = []

    def set_state(self, state: Any) -> None:
        if self.state is None:
            self.state = state
        else:
            self.entries.append(state)


class Pickle(NamedTuple):
    """A pickle that has been read."""

    value: Any  # the pickled object
    persistent: list[Any]  # the persistent ids in order; in `value` a `Call` of PERSISTENT stands for each
    end: int  # the position of the first byte after the pickle


# Names of calls that are not names in the file.
PERSISTENT = "a persistent id"  # the argument is the id
RESULT = "the result of a call"  # the file calls the result of a `Call`, which is the first argument
_FROZENSETS = ("builtins.frozenset", "__builtin__.frozenset")
_MAX_KEY_PARTS, _MAX_KEY = 16, 250  # parts and characters of a key that is shown


class OddKey:
    """Stands for a key that is no str, float, None or integer of 32 bits.

    Such a key could take long to hash: a number with the hash of other numbers, or a deep tuple.
    """

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def name(self) -> str | None:
        """The key's text in a path; None for an object that holds more than a few plain values."""
        return _shown(self.key, iter(range(_MAX_KEY_PARTS)))


def _shown(key: Any, left: Iterator[int]) -> str | None:
    """A key as repr shows it; None if it has more parts than `left` has items, or is no plain value."""
    if next(left, None) is None:
        return None
    if type(key) is Name:
        return key.name
    if _is_short(key):
        return repr(key)
    if type(key) is Call:
        if key.name in (PERSISTENT, RESULT) or key.state is not None or key.items or key.entries:
            return None
        if key.name in _FROZENSETS and len(key.args) == 1:  # before protocol 4
            key = key.args[0]
    texts = []
    for part in key.args if type(key) is Call else key if type(key) in (list, tuple) else [object()]:
        text = _shown(part, left)
        if text is None:
            return None
        texts.append(text)
    text = ", ".join(texts)
    if len(text) > _MAX_KEY:
        return None
    if type(key) is Call:  # for example a member of an enum
        return f"{key.name}({text})"
    if type(key) is list:
        return f"frozenset({{{text}}})" if texts else "frozenset()"
    return f"({text},)" if len(texts) == 1 else f"({text})"


def add_pairs(made: dict[Any, Any], pairs: list[Any]) -> None:
    """Adds items to a dict. `pairs` is a flat list: key, value, key, value, ..."""
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        made[key if _is_plain(key) else OddKey(key)] = value


def _is_plain(key: Any) -> bool:
    return type(key) in (str, float) or key is None or (isinstance(key, int) and -(2**31) <= key < 2**31)


def _is_short(part: Any) -> bool:
    return part is None or (type(part) in (bool, int, float, str, bytes) and sys.getsizeof(part) < _MAX_KEY)
