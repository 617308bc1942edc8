"""Hostile pickles, written opcode by opcode: an error that says what is wrong, or no tensors. Nothing is executed.

Promise 7 (no wrong number without a word).
"""

from __future__ import annotations

import builtins
import os
import pickle
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.fresh_process import run_script
from helpers.hostile_files import LEGACY, archive, legacy, load, members, pickled, tensor, text


class Attack:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def test_nothing_is_executed(tmp_path: Path) -> None:
    """The calls in the pickle are skipped, and `skipped` names them.

    An audit hook, set after gatecell is imported, would see a call that writes a file, starts a process or imports a
    module.
    """
    mark = tmp_path / "mark"
    attacks = {
        "system": Attack(os.system, f"touch {mark}"),
        "eval": Attack(builtins.eval, f"open({str(mark)!r}, 'w')"),
        "exec": Attack(builtins.exec, f"open({str(mark)!r}, 'w')"),
        "open": Attack(builtins.open, str(mark), "w"),
        "import": Attack(builtins.__import__, "this"),
        "popen": Attack(subprocess.Popen, ["touch", str(mark)]),
        "getattr": Attack(builtins.getattr, "a", "upper"),
        "load": Attack(torch.load, str(mark)),
        "tensor": tensor(),
    }
    for protocol in (2, 4):
        (tmp_path / f"zip{protocol}.pt").write_bytes(archive(members(pickled(attacks, protocol))))
        (tmp_path / f"old{protocol}.pt").write_bytes(
            LEGACY + pickled({name: attacks[name] for name in attacks if name != "tensor"}, protocol) + pickle.dumps([])
        )
    (tmp_path / "good.pt").write_bytes(archive(members()))
    (tmp_path / "good_old.pt").write_bytes(legacy())
    before = sorted(tmp_path.iterdir())
    output = run_script(f"""
        import sys, gatecell, pathlib
        folder = pathlib.Path({str(tmp_path)!r})
        gatecell.load(folder / "good.pt"), gatecell.load(folder / "good_old.pt")
        reads = ("mmap.__new__", "object.__getattr__", "builtins.id")
        seen = []
        def hook(event, args):
            if event not in reads and not (event == "open" and args[1] == "r"):
                seen.append((event, args))
        sys.addaudithook(hook)
        found = [gatecell.load(folder / name) for name in ("zip2.pt", "zip4.pt", "old2.pt", "old4.pt")]
        assert not seen, list(seen)
        print(*sorted({{name for weights in found for name in weights.skipped.values()}}))
        print(*[list(weights) for weights in found])
    """)
    names, arrays = output.splitlines()
    assert "posix.system" in names
    assert "subprocess.Popen" in names
    assert arrays == "['tensor'] ['tensor'] [] []"
    assert sorted(tmp_path.iterdir()) == before


LOOP = b"\x80\x02]q\x00h\x00a"  # a list that contains itself
DEEP = 20_000
WRAPPERS = b"ctorch._utils\n_rebuild_parameter\nq\0000N" + b"q\0010h\0h\1\x85R" * DEEP
ARRAY = (
    b"cnumpy._core.multiarray\n_reconstruct\nq\x000cnumpy\ndtype\n" + text("u1") + b"\x85Rq\x010]"
)  # after this each array is h\0)R(K\1 SHAPE h\1\x89 BYTES tba
PICKLES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "damaged or cut off"),
    "no end": (b"\x80\x02}", "damaged or cut off"),
    "nothing": (b"\x80\x02.", "expected one object at its end, got 0"),
    "two objects": (b"NN.", "expected one object at its end, got 2"),
    "nothing to pop": (b"0N.", "damaged or cut off"),
    "no mark": (b"t.", "damaged or cut off"),
    "unknown memo": (b"h\x07.", "damaged or cut off"),
    "unknown opcode": (b"\xff.", "opcode 0xff does not occur"),
    "opcode of protocol 0": (b"cos\nsystem\n(S'ls'\ntR.", "opcode 0x53 does not occur"),
    "extension": (b"\x82\x01.", "opcode 0x82 does not occur"),
    "buffer from outside": (b"\x97.", "opcode 0x97 does not occur"),
    "text past the end": (b"X\xff\xff\xff\x7fabc.", "ends within 2147483647 bytes"),
    "text of 2**64 bytes": (b"\x8d" + b"\xff" * 8 + b"abc.", "ends within"),
    "number of 4 GB": (b"\x8b\xff\xff\xff\xff\1.", "ends within"),
    "not UTF-8": (b"X\1\0\0\0\xff.", "decode byte 0xff"),
    "endless name": (b"c" + b"a" * 5000 + b"\nb\n.", "has no end within 1000 bytes"),
    "name of numbers": (b"K\1K\2\x93.", "expected the name of a class"),
    "call of a number": (b"K\1)R.", "expected a name and its arguments"),
    "arguments in a list": (b"cos\nsystem\n]R.", "expected a name and its arguments"),
    "append to a dict": (b"}Na.", "expected a list, got dict"),
    "item of a list": (b"]NNs.", "expected a dict and pairs, got list"),
    "odd items": (b"}(Nu.", "expected a dict and pairs"),
    "marks": (b"(" * 20_000 + b".", "nested deeper than 10000"),
    "stack": (b"N" * 1_000_002 + b".", "more than 1000000 objects at a time"),
    "steps": (b"N0" * 5_000_001 + b"N.", "more than 10000000 steps"),
    "deep lists": (b"]" * DEEP + b"a" * (DEEP - 1) + b".", "nested too deeply"),
    "deep tuples": (b")" + b"\x85" * DEEP + b".", "nested too deeply"),
    "deep tuple in a set": (b"\x8f()" + b"\x85" * DEEP + b"\x90.", "nested too deeply"),
    "deep calls": (b"cos\nsystem\nq\0)R" + (b"q\0010h\0)R}" + text("s") + b"h\1sb") * DEEP + b".", "nested too deeply"),
    "lists of doubles": (b"]" + b"q\0000]h\0ah\0a" * 500 + b".", "more objects"),
    "tuples of doubles": (b"]" + b"q\0h\0\x86" * 500 + b".", "more objects"),
    "a list shared by 1000": (
        b"(" + b"N" * 100_000 + b"lq\0\x85q\0010(" + b"ccollections\nOrderedDict\nh\1R" * 1000 + b"l.",
        "more objects",
    ),
    "deep wrappers": (WRAPPERS + b".", "nested too deeply"),
    "deep wrappers shared": (WRAPPERS + b"q\0010(" + b"h\1" * 200_000 + b"l.", "more objects"),
    "array of digits": (
        ARRAY + b"h\0)R(K\1(" + (b"\x8b\x80\x1a\6\0" + b"\x7f" * 400_000) * 30 + b"th\1\x89C\1atba.",
        "'0': is a NumPy array with a shape that is not up to 32 sizes",
    ),
    "array that overflows": (
        ARRAY + b"h\0)R(K\1K\0" + b"\x8a\x08\0\0\0\0\0\0\0\x40" * 2 + b"\x87h\1\x89C\0tba.",
        "'0': expected the bytes of uint8 (0, 4611686018427387904, 4611686018427387904), got 0",
    ),
    "array of nothing": (ARRAY + b"h\0)R(K\1K\1\x85h\1\x89Ntba.", "'0': is a NumPy array without bytes"),
    "long paths": (b"}" + (text("k" * 900) + b"}") * 12 + b"s" * 12 + b".", "nested too deeply"),
    "deep tuple as a key": (b"})" + b"\x85" * DEEP + b"Ns.", "nested too deeply"),
    "call of a call": (b"cos\nsystem\n)R" + b")R" * DEEP + b".", "nested too deeply"),
    "state of a list": (b"]}b.", "expected an object, got list"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_hostile_pickles_are_errors(name: str, tmp_path: Path) -> None:
    data, message = PICKLES[name]
    keys = b"" if name == "no end" else pickle.dumps([])
    for content in (archive(members(data)), LEGACY + data + keys):
        with pytest.raises(ValueError, match=rf"a\.pt: .*{re.escape(message)}"):
            load(content, tmp_path)


HARMLESS: dict[str, bytes] = {
    "objects of C++ without a class": b"("
    + b"".join(b"ctorch\nScriptObject\n)R" + state + b"b" for state in (b")", b"N", b"]"))
    + b"l.",
    "a module of nothing": b"cm\nM\n)R}("
    + b"".join(
        text(f"_{group}") + b"ccollections\nOrderedDict\n]Na\x85R" for group in ("parameters", "buffers", "modules")
    )
    + b"ub.",
    "a state for nothing": b"cm\nf\ncm\nM\n)R)\x86R0N.",
    "list in itself": LOOP + b".",
    "dict in itself": b"}q\0" + text("a") + b"h\0s.",
    "two lists in each other": b"]q\0]q\1h\0aa.",
    "keys that collide": b"}("
    + b"".join(b"\x8a\x0a" + (i * (2**61 - 1)).to_bytes(10, "little") + b"N" for i in range(100_000))
    + b"u.",
    "a call that holds itself": b"cos\nsystem\n)Rq\0h\0b.",
    "attribute of an attribute": b"c__builtin__\ngetattr\nq\0000h\0h\0cos\nsystem\n"
    + text("a")
    + b"\x86R"
    + text("b")
    + b"\x86R.",
    "attribute of no class": b"c__builtin__\ngetattr\n]" + text("a") + b"\x86R.",
    "text shared often": b"]" + text("x" * 1_000_000) + b"q\0(" + b"h\0" * 500_000 + b"l0a.",
    "keys of one long text": text("x" * 1_000_000) + b"q\0000}(" + b"h\0\x85N" * 50_000 + b"u.",
    "a large number": b"\x8b" + (3_000_000).to_bytes(4, "little") + b"\1" * 3_000_000 + b".",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_odd_pickles_without_tensors_are_empty(name: str, tmp_path: Path) -> None:
    assert load(archive(members(HARMLESS[name])), tmp_path) == {}


@pytest.mark.parametrize("leaf", [b"N" * 3000, b"cm\nM\nq\1)R" + b"h\1)R" * 20, text("x") * 3000])
@pytest.mark.parametrize(("width", "depth"), [(2, 25), (30, 5), (1000, 3)])
def test_objects_that_share_all_they_hold_are_an_error(leaf: bytes, width: int, depth: int, tmp_path: Path) -> None:
    """Files of up to 30 KB that look like a million objects or more. The error comes after about 0.2 s."""
    levels = (b"q\0000](" + b"h\0" * width + b"e") * depth
    content = archive(members(b"](" + leaf + b"e" + levels + b"."))
    begin = time.process_time()
    with pytest.raises(ValueError, match="it has more objects"):
        load(content, tmp_path)
    assert time.process_time() - begin < 2


def test_errors_are_one_line_of_limited_length(tmp_path: Path) -> None:
    """The file may have any names."""
    for name in ("a\nb\x1b[31m", "k" * 9000, "\ud800"):
        for value in (tensor(offset=-1), tensor()):
            with pytest.raises(ValueError, match=r"a\.pt: ") as caught:
                load(archive(members({name: value})), tmp_path, prefix="" if value.call[1][1] else "other")
            assert str(caught.value).isprintable()
            assert len(str(caught.value)) < 1200
