"""Reads a pickle without executing anything: what the file would import, call or make is only recorded.

A call becomes a `Call`, which holds the name and the arguments. torch_objects.py knows the few names that make tensors.
The reader knows the opcodes of protocols 2 to 5, which CPython's Lib/pickletools.py describes. It does not know their
text forms, which torch.save never writes. Every step reads at least one byte, adds at most one object and never
recurses. So the length of the stream and the limits below bound memory and time. Every problem of the file is a
ValueError.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from typing import Any

from .pickle_objects import PERSISTENT, RESULT, Call, Name, Pickle, add_pairs

_MAX_STEPS = 10_000_000  # at worst some seconds and about 1 GB; a checkpoint takes about 50 steps for each tensor
_MAX_STACK = 1_000_000
_MAX_MARKS = 10_000  # levels of nested containers
_MAX_NAME = 1_000  # characters
_GETATTR = ("builtins.getattr", "__builtin__.getattr")
_STOP = ord(".")


def unpickle(data: bytes | mmap.mmap, begin: int = 0) -> Pickle:
    """Reads the pickle that begins at byte `begin` of `data`.

    Raises ValueError that names the byte where the pickle is damaged or exceeds a limit.
    """
    machine = _Machine(data, begin)
    try:
        return machine.run()
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is damaged or cut off"
        raise ValueError(f"the pickle cannot be read at byte {machine.position}: {reason}") from error


class _Machine:
    """The stack machine that a pickle is a program for. Its methods are the opcodes and parts of opcodes."""

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

    def read_bytes(self, size: int) -> bytes:
        begin, self.position = self.position, self.position + size
        if self.position > len(self.data):
            raise ValueError(f"it ends within {size} bytes of data")
        return self.data[begin : self.position]

    def read_number(self, form: struct.Struct) -> Any:
        (value,) = form.unpack_from(self.data, self.position)
        self.position += form.size
        return value

    def read_line(self) -> str:
        end = self.data.find(b"\n", self.position, self.position + _MAX_NAME)
        if end < 0:
            raise ValueError(f"a name has no end within {_MAX_NAME} bytes")
        text = self.data[self.position : end].decode()
        self.position = end + 1
        return text

    # The stack

    def pop_to_mark(self) -> list[Any]:
        """Removes the last mark and all objects above it from the stack, and returns these objects."""
        begin = self.marks.pop()
        items = self.stack[begin:]
        del self.stack[begin:]
        return items

    def mark(self) -> None:
        if len(self.marks) >= _MAX_MARKS:
            raise ValueError(f"it is nested deeper than {_MAX_MARKS}")
        self.marks.append(len(self.stack))

    def pop(self) -> None:
        # For the opcode POP a mark counts as an object of the stack.
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
            return
        made = self.stack.pop()
        if type(made) is Call and len(made.args) == 2 and type(made.args[0]) is Call:
            made.args[0].set_state(made.args[1])  # a call of a class's own function that sets the state of an object

    def pack(self, size: int) -> None:
        if len(self.stack) < size:
            raise IndexError
        items = tuple(self.stack[-size:])
        self.stack[-size:] = [items]

    # Names, calls, and objects that get state or members

    def push_name(self, module: Any, attribute: Any) -> None:
        if type(module) is not str or type(attribute) is not str or len(module) + len(attribute) > _MAX_NAME:
            raise ValueError("expected the name of a class or function")
        full = f"{module}.{attribute}"
        self.stack.append(self.names.setdefault(full, Name(full)))

    def stack_global(self) -> None:
        attribute, module = self.stack.pop(), self.stack.pop()
        self.push_name(module, attribute)

    def call(self) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        if type(function) not in (Name, Call) or type(args) is not tuple:
            raise ValueError("expected a name and its arguments")
        if type(function) is Call:
            self.stack.append(Call(RESULT, (function, *args)))
        elif function.name in _GETATTR and [type(arg) for arg in args] == [Name, str]:
            self.push_name(args[0].name, args[1])  # a class inside another class, before protocol 4
        else:
            self.stack.append(Call(function.name, args))

    def newobj_ex(self) -> None:
        keywords, args = self.stack.pop(), self.stack.pop()
        self.stack.append((*args, keywords) if type(args) is tuple and keywords else args)
        self.call()

    def persist(self) -> None:
        pid = self.stack[-1]
        if type(pid) is tuple and len(pid) == 4 and pid[0] == "module" and type(pid[1]) is Name:
            self.stack[-1] = pid[1]  # in torch's older format: the class of a module, beside its source code
        else:
            self.persistent.append(pid)
            self.stack[-1] = Call(PERSISTENT, (pid,))

    def build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if type(made) is not Call:
            raise ValueError(f"expected an object, got {type(made).__name__}")
        made.set_state(state)

    def extend_list(self, entries: list[Any]) -> None:
        made = self.stack[-1]
        target = made.entries if type(made) is Call else made
        if type(target) is not list:
            raise ValueError(f"expected a list, got {type(made).__name__}")
        target.extend(entries)

    def update_dict(self, pairs: list[Any]) -> None:
        made = self.stack[-1]
        target = made.items if type(made) is Call else made
        if type(target) is not dict or len(pairs) % 2:
            raise ValueError(f"expected a dict and pairs, got {type(made).__name__}")
        add_pairs(target, pairs)

    def push_dict(self) -> None:
        pairs = self.pop_to_mark()
        made: dict[Any, Any] = {}
        if len(pairs) % 2:
            raise ValueError("expected pairs")
        add_pairs(made, pairs)
        self.stack.append(made)


_Step = Callable[[_Machine], None]
_U1, _U2, _U4, _I4, _U8, _F8 = (struct.Struct(form) for form in ("<B", "<H", "<I", "<i", "<Q", ">d"))


def _push(make: Callable[[_Machine], Any]) -> _Step:
    return lambda machine: machine.stack.append(make(machine))


def _push_text(size: struct.Struct) -> _Step:
    return _push(lambda machine: machine.read_bytes(machine.read_number(size)).decode("utf-8", "surrogatepass"))


def _push_bytes(size: struct.Struct) -> _Step:
    return _push(lambda machine: machine.read_bytes(machine.read_number(size)))


def _push_int(size: struct.Struct) -> _Step:
    return _push(lambda machine: int.from_bytes(machine.read_bytes(machine.read_number(size)), "little", signed=True))


def _memoize(machine: _Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


def _push_old_text(size: struct.Struct) -> _Step:
    """A str of Python 2, which holds bytes."""
    return _push(lambda machine: machine.read_bytes(machine.read_number(size)).decode("latin-1"))


_STEPS: dict[int, _Step] = {
    ord(code): step
    for code, step in {
        "\x80": lambda machine: machine.read_bytes(1) and None,  # PROTO
        "\x95": lambda machine: machine.read_bytes(8) and None,  # FRAME
        "N": _push(lambda machine: None),
        "\x88": _push(lambda machine: True),
        "\x89": _push(lambda machine: False),
        "K": _push(lambda machine: machine.read_number(_U1)),
        "M": _push(lambda machine: machine.read_number(_U2)),
        "J": _push(lambda machine: machine.read_number(_I4)),
        "G": _push(lambda machine: machine.read_number(_F8)),
        "\x8a": _push_int(_U1),
        "\x8b": _push_int(_U4),
        "X": _push_text(_U4),
        "\x8c": _push_text(_U1),
        "\x8d": _push_text(_U8),
        "T": _push_old_text(_U4),
        "U": _push_old_text(_U1),
        "B": _push_bytes(_U4),
        "C": _push_bytes(_U1),
        "\x8e": _push_bytes(_U8),
        "\x96": _push_bytes(_U8),  # BYTEARRAY8
        "(": _Machine.mark,
        "0": _Machine.pop,
        "1": lambda machine: machine.pop_to_mark() and None,  # POP_MARK
        "2": _push(lambda machine: machine.stack[-1]),  # DUP
        ")": _push(lambda machine: ()),
        "\x85": lambda machine: machine.pack(1),
        "\x86": lambda machine: machine.pack(2),
        "\x87": lambda machine: machine.pack(3),
        "t": _push(lambda machine: tuple(machine.pop_to_mark())),
        "]": _push(lambda machine: []),
        "l": _push(lambda machine: machine.pop_to_mark()),
        "\x8f": _push(lambda machine: []),  # EMPTY_SET; a list stands for a set, so members need no hash
        "\x91": _push(lambda machine: machine.pop_to_mark()),  # FROZENSET
        "a": lambda machine: machine.extend_list([machine.stack.pop()]),
        "e": lambda machine: machine.extend_list(machine.pop_to_mark()),
        "\x90": lambda machine: machine.extend_list(machine.pop_to_mark()),  # ADDITEMS
        "}": _push(lambda machine: {}),
        "d": _Machine.push_dict,
        "s": lambda machine: machine.update_dict([machine.stack.pop(-2), machine.stack.pop()]),
        "u": lambda machine: machine.update_dict(machine.pop_to_mark()),
        "q": lambda machine: _memoize(machine, machine.read_number(_U1)),
        "r": lambda machine: _memoize(machine, machine.read_number(_U4)),
        "\x94": lambda machine: _memoize(machine, len(machine.memo)),  # MEMOIZE
        "h": _push(lambda machine: machine.memo[machine.read_number(_U1)]),
        "j": _push(lambda machine: machine.memo[machine.read_number(_U4)]),
        "c": lambda machine: machine.push_name(machine.read_line(), machine.read_line()),
        "\x93": _Machine.stack_global,
        "R": _Machine.call,
        "\x81": _Machine.call,  # NEWOBJ
        "\x92": _Machine.newobj_ex,
        "b": _Machine.build,
        "Q": _Machine.persist,
    }.items()
}
