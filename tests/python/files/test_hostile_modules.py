"""Hostile modules, TorchScript and objects: code to scan, and keys, names and attributes that could fill memory.

Promise 7 (no wrong number without a word). These inputs are so large that a test would not end if the time grew with
the square of their size.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gatecell._files.zip import Archive
from helpers.hostile_files import DATA, archive, load, members, pickled, shown_in_bounded_memory, tensor, text

LONG = 3_000_000  # about the number of bytes of code
TENSOR = pickled(tensor())[2:-1]  # this pickle stores its parts in the first places of the memo


def script(modules: bytes, code: Mapping[str, bytes], constants: bytes | None = None) -> bytes:
    """A TorchScript file. Its code is compressed, as torch writes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a/data.pkl", modules)
        file.writestr("a/data/0", DATA)
        for name, content in code.items():
            file.writestr(f"a/code/__torch__{name}.py", content, zipfile.ZIP_DEFLATED)
        if constants is not None:
            file.writestr("a/constants.pkl", constants)
            file.writestr("a/constants/0", DATA)
    return buffer.getvalue()


def layers(*names: str) -> bytes:
    """The pickle of a list of modules of these classes. Each has the attribute weight_hh_l0 with the value None."""
    body = text("weight_hh_l0") + b"Nsb"
    return b"(" + b"".join(b"c__torch__%b\n%b\n)R}" % tuple(name.encode().split(b":")) + body for name in names) + b"l."


CODE: dict[str, bytes] = {
    "calls": b"torch.lstm(" * (LONG // 11),
    "a call that does not end": b"torch.lstm(" + b"x" * LONG,
    "commas": b"torch.lstm(" + b", 1, 1., True" * (LONG // 13),
    "digits": b"torch.lstm(, " + b"1" * LONG,
    "digits of another number": b"torch.lstm(, 1, " + b"1" * LONG,
    "long numbers": b"torch.lstm(" + (b", 1, " + b"1" * 1000) * (LONG // 1000),
    "a type that does not end": b"  mode : Final[" + b"a" * LONG,
    "texts that do not end": b'  mode : Final[a] = "' * (LONG // 20),
    "functions": b"torch.relu(" * (LONG // 11),
    "classes in a line": b"class C(" * (LONG // 8),
    "classes": b"class C(\n" * (LONG // 9),
    "blanks": b" " * LONG,
    "no text": b"\xff" * LONG,
}


@pytest.mark.parametrize("name", CODE)
def test_hostile_code_tells_nothing(name: str, tmp_path: Path) -> None:
    for own, path in (("LSTM", ""), ("RNNCell", "/torch/nn/modules/rnn")):
        data = layers(f"{path.replace('/', '.')}:{own}")
        content = script(data, {path: b"class %b(Module):\n" % own.encode() + CODE[name]})
        found = load(content, tmp_path)
        assert (found, found.options.keys() - {"0."}) == ({}, set())


def test_each_file_of_code_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of modules and classes share two files of code. The options that gatecell reads from them are right."""
    read: list[str] = []
    before = Archive.read

    def counted(self: Archive, name: str) -> Any:
        read.append(name)
        return before(self, name)

    monkeypatch.setattr(Archive, "read", counted)
    flags = b"class C%d(Module):\n  batch_first : Final[bool] = %b\n"
    code = b"".join(flags % (i, b"True" if i % 3 else b"False") for i in range(5000))
    names = [f"{path}:C{i}" for i in range(5000) for path in ("", ".a")]
    found = load(script(layers(*names), {"": code, "/a": code}), tmp_path)
    assert found.options == {f"{i}.": {"batch_first": i // 2 % 3 != 0} for i in range(10_000)}
    assert sorted(read) == ["a/code/__torch__.py", "a/code/__torch__/a.py"]


def test_code_that_cannot_be_read_has_no_options(tmp_path: Path) -> None:
    """gatecell reads no options from such code, but it loads the weights.

    A path that leaves the folder counts as a missing member.
    """
    weight = b"(c__torch__\nC\n)R}" + text("weight_hh_l0") + TENSOR + b"sbl."
    code = b"class C(Module):\n  batch_first : Final[bool] = True\n"
    good = script(weight, {"": code})
    assert load(good, tmp_path).options == {"0.": {"batch_first": True}}
    damaged = bytearray(good)
    damaged[good.find(b"a/code/__torch__.py") + 19 + 4] ^= 0xFF
    for content in (bytes(damaged), script(weight, {}), script(weight, {"": code + bytes(20_000_000)})):
        found = load(content, tmp_path)
        assert (list(found), found.options) == (["0.weight_hh_l0"], {})
    leaving = layers("..:C", "...//:C", ":..C", ":/etc/passwd")
    assert load(script(leaving, {"": code}), tmp_path).options == {}


CONSTANTS: dict[str, tuple[bytes, str]] = {
    "a list": (b"].", "expected a tuple of constants"),
    "nothing": (b"", "damaged or cut off"),
    "bytes behind": (b").N.", "bytes behind the pickle"),
    "deep": (b"]" * 5000 + b"a" * 4999 + b"\x85.", "nested too deeply"),
    "no storage": (pickled((tensor(storage=3),)), "'CONSTANTS.c0': has no storage"),
    "beyond": (pickled((1, tensor(offset=30))), "'CONSTANTS.c1': reaches element"),
    "of one name": (pickled((tensor(),)), "two tensors have the path 'CONSTANTS.c0'"),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_hostile_constants_are_errors(name: str, tmp_path: Path) -> None:
    constants, message = CONSTANTS[name]
    data = b"}" + text("CONSTANTS") + b"}" + text("c0") + TENSOR + b"ss." if name == "of one name" else b"}."
    with pytest.raises(ValueError, match=rf"a\.pt: .*{re.escape(message)}"):
        load(script(data, {}, constants), tmp_path)
    assert list(load(script(b"}.", {}, pickled((tensor(), 1))), tmp_path)) == ["CONSTANTS.c0"]
    assert load(script(b"}.", {}, b"]q\0h\0a\x85."), tmp_path) == {}


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Files of at most 1 MB. After loading a good file, the process may use 200 MB more than it has."""
    begin, end = b"cos\nsystem\nq\x100" + (b"}" + text("k" * 900)) * 9 + b"(", b"l" + b"s" * 9 + b"."  # a path of 8 KB
    wide = b"(" + b"K\1" * 16 + b"tq\x110" + (b"(" + b"h\x11" * 16 + b"tq\x110") * 3
    numbers = b"".join(b"h\x11J" + i.to_bytes(4, "little") + b"\x86N" for i in range(100_000))
    attributes = b"}q\x110h\x11(" + b"".join(text(f"a{i}") + b"N" for i in range(10_000)) + b"u0"
    groups = b"h\x11(" + b"".join(text(name) + b"}" for name in ("_parameters", "_buffers", "_modules")) + b"u0"
    objects = b"cm\nM\nq\x120(" + b"h\x12)Rh\x11b" * 10_000 + b"l."
    pairs = b"]q\x110h\x11(" + b"K\1K\1\x86" * 30_000 + b"e0ccollections\nOrderedDict\nq\x120"
    bombs = {f"/m{i}": b"class C(Module):\n" + bytes(9_900_000) for i in range(12)}
    files: dict[str, tuple[Any, str]] = {
        "good": (archive(members()), "^1 0$"),
        "names of objects": (members(begin + b"h\x10)R" * 50_000 + end), "more objects"),
        "names of classes": (members(begin + b"h\x10" * 100_000 + end), "more objects"),
        "names outside": (members(begin + TENSOR + b"q\x11" + b"h\x11" * 100_000 + end), "names start with kkk"),
        "keys": (members(wide + b"}(" + b"h\x11N" * 100_000 + b"u."), "more objects"),
        "long keys": (members(text("x" * 200) + b"q\x110}(" + numbers + b"u."), "^0 0$"),
        "attributes": (members(attributes + objects), "more objects"),
        "modules": (members(attributes + groups + objects), "more objects"),
        "pairs": (members(pairs + b"(" + b"h\x12h\x11\x85R" * 10_000 + b"l."), "more objects"),
        "code": (script(layers(*(f"{name.replace('/', '.')}:C" for name in bombs)), bombs), "^0 0$"),
    }
    for name, (content, _) in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else archive(content))
    prefix = ".".join(["k" * 900] * 9) + ".z"
    prefixed = f"{prefix!r} if path.name == 'names outside' else ''"
    lines = shown_in_bounded_memory(
        [tmp_path / name for name in files],
        f"*(lambda found: (len(found), len(found.skipped)))(gatecell.load(path, prefix={prefixed}))",
    )
    for line, (name, (_, expected)) in zip(lines, files.items(), strict=True):
        assert re.search(expected, line), (name, line[-200:])
