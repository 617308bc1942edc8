"""Reads a pickle without executing anything: whatever the file would import, call or make is only written down.

A call becomes a `Call`, which holds the name and the arguments; who asks for tensors knows the few names that make
them. Opcodes and their meaning: CPython's Lib/pickletools.py; those of protocols 2 to 5 without the text forms, which
torch.save never writes. Every step reads at least a byte, adds at most one object and never recurses, so memory and
time are bounded by the length of the stream and by the limits below. Whatever is wrong is a ValueError.
"""

from __future__ import annotations

import mmap
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_MAX_STEPS = 10_000_000  # some seconds and about a GB at worst; a checkpoint takes some 50 a tensor
_MAX_STACK = 1_000_000
_MAX_MARKS = 10_000  # as deep as containers may be nested
_MAX_NAME = 1_000
_STOP = ord(".")


class Name:
    """A class or function that the file names."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Call:
    """What the file would have made by calling `name` with `args`; then its state, items and entries, if it got any."""

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
    """The object, the persistent ids in it in order (each is also a `Call` of PERSISTENT), and where it all ends."""

    value: Any
    persistent: list[Any]
    end: int


PERSISTENT = "a persistent id"
RESULT = "the result of a call"
_GETATTR = ("builtins.getattr", "__builtin__.getattr")
_FROZENSETS = ("builtins.frozenset", "__builtin__.frozenset")
_MAX_KEY_PARTS, _MAX_KEY = 16, 250  # parts and characters of a key that is shown


class OddKey:
    """Stands for a key that could take long to hash: a number that collides with others, a tuple that is deep."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def name(self) -> str | None:
        """What stands for the key in a path; None for an object that holds more than a few plain values."""
        return _shown(self.key, iter(range(_MAX_KEY_PARTS)))


def _shown(key: Any, left: Iterator[int]) -> str | None:
    """A key as repr shows it, if it has no more parts than are left."""
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
    if type(key) is Call:  # a member of an enum, say
        return f"{key.name}({text})"
    if type(key) is list:
        return f"frozenset({{{text}}})" if texts else "frozenset()"
    return f"({text},)" if len(texts) == 1 else f"({text})"


def unpickle(data: bytes | mmap.mmap, begin: int = 0) -> Pickle:
    """The pickle in `data` at `begin`. Raises ValueError that names the byte where it is damaged or breaks a limit."""
    machine = _Machine(data, begin)
    try:
        return machine.run()
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is damaged or cut off"
        raise ValueError(f"the pickle cannot be read at byte {machine.position}: {reason}") from error


class _Machine:
    def __init__(self, data: bytes | mmap.mmap, begin: int) -> None:
        self.data = data
        self.position = begin
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.names: dict[str, Name] = {}
        self.persistent: list[Any] = []

    def run(self) -> Pickle:
        data, stack = self.data, self.stack
        for _ in range(_MAX_STEPS):
            code = data[self.position]
            self.position += 1
            if code == _STOP:
                if len(stack) != 1:
                    raise ValueError(f"expected one object at its end, got {len(stack)}")
                return Pickle(stack[0], self.persistent, self.position)
            step = _STEPS.get(code)
            if step is None:
                raise ValueError(f"opcode {code:#04x} does not occur in files of weights")
            step(self)
            if len(stack) > _MAX_STACK:
                raise ValueError(f"it holds more than {_MAX_STACK} objects at a time")
        raise ValueError(f"it takes more than {_MAX_STEPS} steps")

    # Reading

    def take(self, size: int) -> bytes:
        begin, self.position = self.position, self.position + size
        if self.position > len(self.data):
            raise ValueError(f"it ends within {size} bytes of data")
        return self.data[begin : self.position]

    def number(self, form: struct.Struct) -> Any:
        (value,) = form.unpack_from(self.data, self.position)
        self.position += form.size
        return value

    def line(self) -> str:
        end = self.data.find(b"\n", self.position, self.position + _MAX_NAME)
        if end < 0:
            raise ValueError(f"a name has no end within {_MAX_NAME} bytes")
        text = self.data[self.position : end].decode()
        self.position = end + 1
        return text

    # The stack

    def items_to_mark(self) -> list[Any]:
        begin = self.marks.pop()
        items = self.stack[begin:]
        del self.stack[begin:]
        return items

    def mark(self) -> None:
        if len(self.marks) >= _MAX_MARKS:
            raise ValueError(f"it is nested deeper than {_MAX_MARKS}")
        self.marks.append(len(self.stack))

    def pop(self) -> None:
        # A mark is an object of the stack to POP.
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
            return
        made = self.stack.pop()
        if type(made) is Call and len(made.args) == 2 and type(made.args[0]) is Call:
            made.args[0].set_state(made.args[1])  # what a class has to set the state of its objects was called

    def pack(self, size: int) -> None:
        if len(self.stack) < size:
            raise IndexError
        items = tuple(self.stack[-size:])
        self.stack[-size:] = [items]

    # Names, calls and what is put into their results

    def name(self, module: Any, attribute: Any) -> None:
        if type(module) is not str or type(attribute) is not str or len(module) + len(attribute) > _MAX_NAME:
            raise ValueError("expected the name of a class or function")
        full = f"{module}.{attribute}"
        self.stack.append(self.names.setdefault(full, Name(full)))

    def stack_global(self) -> None:
        attribute, module = self.stack.pop(), self.stack.pop()
        self.name(module, attribute)

    def call(self) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        if type(function) not in (Name, Call) or type(args) is not tuple:
            raise ValueError("expected a name and its arguments")
        if type(function) is Call:
            self.stack.append(Call(RESULT, (function, *args)))
        elif function.name in _GETATTR and [type(arg) for arg in args] == [Name, str]:
            self.name(args[0].name, args[1])  # a class inside another, before protocol 4
        else:
            self.stack.append(Call(function.name, args))

    def newobj_ex(self) -> None:
        keywords, args = self.stack.pop(), self.stack.pop()
        self.stack.append((*args, keywords) if type(args) is tuple and keywords else args)
        self.call()

    def persist(self) -> None:
        pid = self.stack[-1]
        if type(pid) is tuple and len(pid) == 4 and pid[0] == "module" and type(pid[1]) is Name:
            self.stack[-1] = pid[1]  # torch's older format: a module's class, with its source
        else:
            self.persistent.append(pid)
            self.stack[-1] = Call(PERSISTENT, (pid,))

    def build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if type(made) is not Call:
            raise ValueError(f"expected an object, got {type(made).__name__}")
        made.set_state(state)

    def append(self, entries: list[Any]) -> None:
        made = self.stack[-1]
        target = made.entries if type(made) is Call else made
        if type(target) is not list:
            raise ValueError(f"expected a list, got {type(made).__name__}")
        target.extend(entries)

    def update(self, pairs: list[Any]) -> None:
        made = self.stack[-1]
        target = made.items if type(made) is Call else made
        if type(target) is not dict or len(pairs) % 2:
            raise ValueError(f"expected a dict and pairs, got {type(made).__name__}")
        fill(target, pairs)

    def mapping(self) -> None:
        pairs = self.items_to_mark()
        made: dict[Any, Any] = {}
        if len(pairs) % 2:
            raise ValueError("expected pairs")
        fill(made, pairs)
        self.stack.append(made)


def fill(made: dict[Any, Any], pairs: list[Any]) -> None:
    """Put into a dict the keys and values, one after the other, in `pairs`."""
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        made[key if _is_plain(key) else OddKey(key)] = value


def _is_plain(key: Any) -> bool:
    return type(key) in (str, float) or key is None or (isinstance(key, int) and -(2**31) <= key < 2**31)


def _is_short(part: Any) -> bool:
    return part is None or (type(part) in (bool, int, float, str, bytes) and sys.getsizeof(part) < _MAX_KEY)


_Step = Callable[[_Machine], None]
_U1, _U2, _U4, _I4, _U8, _F8 = (struct.Struct(form) for form in ("<B", "<H", "<I", "<i", "<Q", ">d"))


def _push(make: Callable[[_Machine], Any]) -> _Step:
    return lambda machine: machine.stack.append(make(machine))


def _text(size: struct.Struct) -> _Step:
    return _push(lambda machine: machine.take(machine.number(size)).decode("utf-8", "surrogatepass"))


def _blob(size: struct.Struct) -> _Step:
    return _push(lambda machine: machine.take(machine.number(size)))


def _long(size: struct.Struct) -> _Step:
    return _push(lambda machine: int.from_bytes(machine.take(machine.number(size)), "little", signed=True))


def _put(machine: _Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


def _old_text(size: struct.Struct) -> _Step:
    """Python 2's strings."""
    return _push(lambda machine: machine.take(machine.number(size)).decode("latin-1"))


_STEPS: dict[int, _Step] = {
    ord(code): step
    for code, step in {
        "\x80": lambda machine: machine.take(1) and None,  # PROTO
        "\x95": lambda machine: machine.take(8) and None,  # FRAME
        "N": _push(lambda machine: None),
        "\x88": _push(lambda machine: True),
        "\x89": _push(lambda machine: False),
        "K": _push(lambda machine: machine.number(_U1)),
        "M": _push(lambda machine: machine.number(_U2)),
        "J": _push(lambda machine: machine.number(_I4)),
        "G": _push(lambda machine: machine.number(_F8)),
        "\x8a": _long(_U1),
        "\x8b": _long(_U4),
        "X": _text(_U4),
        "\x8c": _text(_U1),
        "\x8d": _text(_U8),
        "T": _old_text(_U4),
        "U": _old_text(_U1),
        "B": _blob(_U4),
        "C": _blob(_U1),
        "\x8e": _blob(_U8),
        "\x96": _blob(_U8),  # BYTEARRAY8
        "(": _Machine.mark,
        "0": _Machine.pop,
        "1": lambda machine: machine.items_to_mark() and None,  # POP_MARK
        "2": _push(lambda machine: machine.stack[-1]),  # DUP
        ")": _push(lambda machine: ()),
        "\x85": lambda machine: machine.pack(1),
        "\x86": lambda machine: machine.pack(2),
        "\x87": lambda machine: machine.pack(3),
        "t": _push(lambda machine: tuple(machine.items_to_mark())),
        "]": _push(lambda machine: []),
        "l": _push(lambda machine: machine.items_to_mark()),
        "\x8f": _push(lambda machine: []),  # EMPTY_SET: a set is kept as a list, its members need no hash
        "\x91": _push(lambda machine: machine.items_to_mark()),  # FROZENSET
        "a": lambda machine: machine.append([machine.stack.pop()]),
        "e": lambda machine: machine.append(machine.items_to_mark()),
        "\x90": lambda machine: machine.append(machine.items_to_mark()),  # ADDITEMS
        "}": _push(lambda machine: {}),
        "d": _Machine.mapping,
        "s": lambda machine: machine.update([machine.stack.pop(-2), machine.stack.pop()]),
        "u": lambda machine: machine.update(machine.items_to_mark()),
        "q": lambda machine: _put(machine, machine.number(_U1)),
        "r": lambda machine: _put(machine, machine.number(_U4)),
        "\x94": lambda machine: _put(machine, len(machine.memo)),  # MEMOIZE
        "h": _push(lambda machine: machine.memo[machine.number(_U1)]),
        "j": _push(lambda machine: machine.memo[machine.number(_U4)]),
        "c": lambda machine: machine.name(machine.line(), machine.line()),
        "\x93": _Machine.stack_global,
        "R": _Machine.call,
        "\x81": _Machine.call,  # NEWOBJ
        "\x92": _Machine.newobj_ex,
        "b": _Machine.build,
        "Q": _Machine.persist,
    }.items()
}
