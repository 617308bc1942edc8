"""Hostile files in the formats of torch.save: the error says what is wrong, and nothing is executed or written.

Promise 7 (no wrong number without a word).
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers import torch_load_oracle
from helpers.hostile_files import (
    DATA,
    LEGACY,
    Made,
    Storage,
    archive,
    legacy,
    load,
    members,
    patched,
    pickled,
    shown_in_bounded_memory,
    tensor,
    text,
    wide,
)

GOOD = archive(members())


def test_the_hostile_files_differ_from_good_ones(tmp_path: Path) -> None:
    expected = np.frombuffer(DATA, "<f4")[:6].reshape(2, 3)
    for content in (GOOD, legacy()):
        assert load(content, tmp_path)["w"].tobytes() == expected.tobytes()


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "upwards": (archive(members() | {"a/../../b": b""}), "leaves the archive's folder"),
    "absolute": (archive(members() | {"/etc/b": b""}), "leaves the archive's folder"),
    "drive": (archive(members() | {"C:/b": b""}), "leaves the archive's folder"),
    "home of a zero": (GOOD.replace(b"a/data/0", b"a/da\0a/0"), "leaves the archive's folder"),
    "lines": (archive(members() | {"a\n/../b": b""}), r"'a\n/../b' leaves the archive's folder"),
    "backslash": (archive(members() | {"..\\b": b""}), "leaves the archive's folder"),
    "twice": (archive([*members().items(), ("a/data/0", DATA)]), "'a/data/0' appears twice"),
    "compressed": (archive(members(), compression=zipfile.ZIP_DEFLATED), "is compressed, expected it stored"),
    "encrypted": (patched(GOOD, "a/data/0", "flags", 1), "'a/data/0' is encrypted"),
    "encrypted in secret": (patched(GOOD, "a/data/0", "flags", 1, "local"), "differs from what the directory says"),
    "unknown method": (patched(GOOD, "a/data/0", "method", 93), "is compressed"),
    "two sizes": (patched(GOOD, "a/data/0", "size", 97, "entry"), "has 96 bytes, expected 97"),
    "overlap": (patched(GOOD, "a/data/0", "packed", 200, "entry"), "overlaps what follows"),
    "beyond the end": (patched(GOOD, "a/data/0", "offset", 2**31, "entry"), "overlaps what follows"),
    "64 bits without a field": (patched(GOOD, "a/data/0", "packed", 2**32 - 1, "entry"), "overlaps what follows"),
    "one place for two": (patched(GOOD, "a/data/0", "offset", 0, "entry"), "overlaps what follows"),
    "another place": (patched(GOOD, "a/byteorder", "offset", GOOD.find(b"a/byteorder") - 31, "entry"), "overlaps"),
    "another name": (GOOD.replace(b"a/data/0", b"a/data/1", 1), "is not where the directory says"),
    "another disk": (patched(GOOD, "a/data/0", "disk", 3, "entry"), "the directory is damaged"),
    "name of another length": (
        GOOD.replace(b"\x08\0\0\0a/data/0", b"\x09\0\0\0a/data/0", 1),
        "is not where the directory says",
    ),
    "another length before the data": (GOOD.replace(b"\0\0a/data/0", b"\1\0a/data/0", 1), "differs from what"),
    "64 bits beyond the end": (wide(members(), offset=2**64 - 50), "overlaps what follows"),
    "64 bits of size": (wide(members(), packed=2**64 - 1), "overlaps what follows"),
    "64 bits of nothing": (wide(members(), locator=2**64 - 1), "the end of the directory is damaged"),
    "disks": (wide(members(), disks=2), "the archive is split over several files"),
    "comment": (GOOD[:-2] + struct.pack("<H", 26) + b"look" + GOOD[-22:], "expected it to end at"),
    "bytes behind": (GOOD + b"0", "bytes behind the archive"),
    "bytes before": (b"PK\3\4" + GOOD, "expected it to end at"),
    "65535 members": (GOOD[:-14] + b"\xff\xff\xff\xff" + GOOD[-10:], "cannot have 65535 members"),
    "one member too few": (GOOD[:-14] + b"\3\0\3\0" + GOOD[-10:], "the directory is longer than its members"),
    "no pickle": (archive({"a/b": b""}), "this is a zip archive without a file of weights in it"),
    "two pickles": (archive(members() | {"b/data.pkl": b"N."}), "expected one folder with a data.pkl, got 2"),
    "byte order": (archive(members() | {"a/byteorder": b"middle"}), "byte order little or big, got b'middle'"),
    "two objects": (archive(members(pickled({}) + b"N.")), "bytes behind the pickle"),
    "storage missing": (archive({"a/data.pkl": members()["a/data.pkl"]}), "'w': its storage '0' is not in the archive"),
    "storage too short": (archive(members() | {"a/data/0": DATA[:95]}), "'w': its storage has 95 bytes, expected 24"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archives_are_errors(name: str, tmp_path: Path) -> None:
    content, message = ARCHIVES[name]
    with pytest.raises(ValueError, match=rf"a\.pt: .*{re.escape(message)}"):
        load(content, tmp_path)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_files_cut_off_anywhere_are_errors(form: str, tmp_path: Path) -> None:
    content = GOOD if form == "zip" else legacy()
    for end in range(len(content)):
        with pytest.raises(ValueError, match=r"a\.pt: ."):
            load(content[:end], tmp_path)


TENSORS: dict[str, tuple[Any, str]] = {
    "offset beyond": (tensor(offset=19), "reaches element 24 of a storage of 24"),
    "offset overflows": (tensor(offset=2**63 - 1), "reaches element"),
    "offset too large": (tensor(offset=2**63), "an offset that is no size"),
    "negative offset": (tensor(offset=-1), "an offset that is no size"),
    "offset is a float": (tensor(offset=0.0), "an offset that is no size"),
    "offset is a bool": (tensor(offset=False), "an offset that is no size"),
    "strides beyond": (tensor(strides=(23, 1)), "reaches element 25 of a storage of 24"),
    "strides overflow": (tensor(strides=(2**62, 2**62)), "reaches element"),
    "negative stride": (tensor(strides=(-3, 1)), "a shape or strides that are not"),
    "shape overflows": (tensor(shape=(2**31, 2**31), strides=(0, 0)), "a shape that overflows"),
    "empty shape overflows": (tensor(shape=(0, 2**40, 2**40), strides=(0, 0, 0)), "a shape that overflows"),
    "negative shape": (tensor(shape=(-2, -3)), "a shape or strides that are not"),
    "shape is a number": (tensor(shape=6), "a shape or strides that are not"),
    "shape of text": (tensor(shape=("2", 3)), "a shape or strides that are not"),
    "100 dimensions": (tensor(shape=(1,) * 100, strides=(0,) * 100), "up to 32 sizes"),
    "ranks differ": (tensor(strides=(3,)), "another number of strides"),
    "no storage": (tensor(storage=3), "has no storage"),
    "no arguments": (Made(torch._utils._rebuild_tensor_v2), "has no storage"),
    "storage of a class": (tensor(Storage(kind=Made)), "its storage is of an unknown type"),
    "storage without a class": (tensor(Storage(kind=3)), "its storage is of an unknown type"),
    "negative size": (tensor(Storage(size=-1)), "or no size"),
    "size too large": (tensor(Storage(size=25)), "its storage has 96 bytes, expected 25 elements of 4"),
    "size overflows": (tensor(Storage(size=2**62)), "its storage has 96 bytes, expected 4611686018427387904"),
    "key that leaves": (tensor(Storage(key="../version")), "its storage '../version' is not in the archive"),
    "key is a list": (tensor(Storage(key=["0"])), "its storage has no name"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_hostile_tensors_are_errors(name: str, tmp_path: Path) -> None:
    value, message = TENSORS[name]
    with pytest.raises(ValueError, match=rf"a\.pt: 'layer\.w': .*{re.escape(message)}"):
        load(archive(members({"layer": {"w": value}, "good": tensor()})), tmp_path)
    assert list(load(archive(members({"layer": {"w": value}, "good": {"w": tensor()}})), tmp_path, prefix="good"))


def test_other_forms_of_archives_are_read(tmp_path: Path) -> None:
    """Archives with 64-bit sizes and positions, sizes after the data, or a comment. torch.load is the oracle."""
    streamed = io.BytesIO()
    streamed.seekable = lambda: False  # type: ignore[method-assign]
    with zipfile.ZipFile(streamed, "w") as file:
        for name, content in members().items():
            file.writestr(name, content)
    for content in (wide(members()), streamed.getvalue(), GOOD[:-2] + b"\4\0note"):
        ours = load(content, tmp_path, check=True)
        torch_load_oracle.assert_same(ours, torch_load_oracle.load(tmp_path / "a.pt"))


def test_an_expanded_view_costs_nothing(tmp_path: Path) -> None:
    """The view may claim any size. It takes memory only if the user copies it."""
    ours = load(archive(members({"w": tensor(shape=(2**29, 2**29), strides=(0, 0))})), tmp_path)["w"]
    assert (ours.shape, ours.strides, ours[-1, -1]) == ((2**29, 2**29), (0, 0), np.frombuffer(DATA, "<f4")[0])


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Files of at most 2 MB. After loading a good file, the process may use 200 MB more than it has."""
    calls = b"cos\nsystem\nq\x000]" + b"h\0)Ra" * 300_000
    encode = b"c_codecs\nencode\nq\x000" + text("x" * 1_000_000) + b"q\x010"
    arrays = encode + b"cnumpy._core.multiarray\n_reconstruct\nq\x020cnumpy\ndtype\n" + text("u1") + b"\x85Rq\x030]"
    arrays += (b"h\2)R(K\1J\x40\x42\x0f\0\x85h\3\x89h\0h\1" + text("latin1") + b"\x86Rtba") * 1000
    bomb = archive({"w.npy": bytes(70_000_000)}, compression=zipfile.ZIP_DEFLATED)
    numbers = [tensor(Storage(torch.BFloat16Storage, size=i), 0, (1,), (1,)) for i in range(1, 25)]
    files = {
        "good.pt": (GOOD, "^1$"),
        "calls.pt": (archive(members(calls + b".")), "^0$"),
        "arrays.pt": (archive(members(arrays + b".")), "^1000$"),
        "numbers.pt": (archive(members(numbers)), "^24$"),
        "bomb.npz": (bomb, "would unpack to far more"),
        "liar.npz": (patched(bomb, "w.npy", "size", 1000), "does not unpack to 1000 bytes, the size in the directory"),
    }
    for name, (content, _) in files.items():
        (tmp_path / name).write_bytes(content)
    lines = shown_in_bounded_memory(
        [tmp_path / name for name in files], 'len(gatecell.load(path, check=path.suffix == ".npz"))'
    )
    for line, (name, (_, expected)) in zip(lines, files.items(), strict=True):
        assert re.search(expected, line), (name, line)


def test_hostile_legacy_storages_are_errors(tmp_path: Path) -> None:
    cases = {
        "bytes beyond the file": legacy(sizes=(25,)),
        "expected 24 elements": legacy(sizes=(23,)),
        "is unknown, or there twice": legacy(keys=("0", "1"), sizes=(24, 24)),
        "there twice": legacy(keys=("0", "0"), sizes=(24, 24)),
        "is not in the file": legacy(keys=(), sizes=()),
        "expected a list of storages": legacy(keys=([1],)),
        "beyond the file": legacy(sizes=(2**62,)),
        "bytes beyond": legacy(sizes=(-1,)),
        "magic number": pickle.dumps([0x1950A86A20F9469CFC6C], 2) + LEGACY,
    }
    for message, content in cases.items():
        with pytest.raises(ValueError, match=rf"a\.pt: .*{message}"):
            load(content, tmp_path)
