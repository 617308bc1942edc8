"""Builds hostile files: archives with one mistake, and pickles written opcode by opcode."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import gatecell
from helpers.fresh_process import run_script

DATA = bytes(range(96))  # the bytes of a storage with 24 floats


# The beginning of a file of the format before zip.
LEGACY = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))


def load(content: bytes, tmp_path: Path, **how: Any) -> gatecell.Weights:
    (tmp_path / "a.pt").write_bytes(content)
    return gatecell.load(tmp_path / "a.pt", **how)


class Storage:
    """Is pickled as a storage. By default it is storage "0" with 24 floats."""

    def __init__(self, kind: Any = torch.FloatStorage, key: Any = "0", size: Any = 24) -> None:
        self.pid = ("storage", kind, key, "cpu", size)


class Made:
    """Is pickled as a call of a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call


def tensor(storage: Any = None, offset: Any = 0, shape: Any = (2, 3), strides: Any = (3, 1), *more: Any) -> Made:
    storage = Storage() if storage is None else storage
    return Made(torch._utils._rebuild_tensor_v2, storage, offset, shape, strides, *(more or (False, {})))


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        return value.pid if isinstance(value, Storage) else None


def pickled(value: Any, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, protocol).dump(value)
    return buffer.getvalue()


def members(value: Any = None) -> dict[str, bytes]:
    """The members of a good file with one storage.

    Its object is `value`, or a dict with a tensor. Bytes are used as the pickle.
    """
    data = value if isinstance(value, bytes) else pickled({"w": tensor()} if value is None else value)
    return {"a/data.pkl": data, "a/byteorder": b"little", "a/data/0": DATA, "a/version": b"3\n"}


def archive(contents: Mapping[str, bytes] | list[tuple[str, bytes]], **how: Any) -> bytes:
    """A zip archive. A list of members may have a name twice."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", **how) as file:
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of a name that occurs twice
        for name, content in contents.items() if isinstance(contents, Mapping) else contents:
            info = zipfile.ZipInfo(name)
            info.filename = name  # without the changes that ZipInfo makes
            info.compress_type = how.get("compression", zipfile.ZIP_STORED)
            file.writestr(info, content)
    return buffer.getvalue()


def legacy(value: Any = None, keys: Any = ("0",), sizes: tuple[int, ...] = (24,), data: bytes = DATA) -> bytes:
    """A file of the format before zip, in which the id of a storage has a sixth item."""

    class Old(Storage):
        pass

    storage = Old()
    storage.pid = (*storage.pid, None)
    content = LEGACY + pickled({"w": tensor(storage)} if value is None else value) + pickle.dumps(list(keys), 2)
    return content + b"".join(size.to_bytes(8, "little", signed=True) + data for size in sizes)


def text(value: str) -> bytes:
    """The opcode that pushes a string."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def wide(
    contents: Mapping[str, bytes],
    *,
    offset: int | None = None,
    packed: int | None = None,
    locator: int = 0,
    disks: int = 1,
) -> bytes:
    """The archive with all sizes and positions in 64 bits.

    The arguments replace numbers of the last member or of the end by wrong ones.
    """
    data, directory = b"", b""
    for name, content in contents.items():
        last = name == [*contents][-1]
        claim = packed if last and packed is not None else len(content)
        place = offset if last and offset is not None else len(data)
        head = struct.pack("<5HI", 45, 0, 0, 0, 0, zlib.crc32(content)) + b"\xff" * 8
        extra = struct.pack("<2H2Q", 1, 16, claim, claim)
        data += b"PK\3\4" + head + struct.pack("<2H", len(name), 20) + name.encode() + extra + content
        extra = struct.pack("<2H3Q", 1, 24, claim, claim, place)
        directory += b"PK\1\2\x2d\0" + head + struct.pack("<5H2I", len(name), 28, 0, 0, 0, 0, 2**32 - 1)
        directory += name.encode() + extra
    end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, *[len(contents)] * 2, len(directory), len(data))
    end += struct.pack("<4sIQI", b"PK\6\7", 0, locator or len(data) + len(directory), disks)
    return data + directory + end + b"PK\5\6" + bytes(4) + b"\xff" * 12 + bytes(2)


def patched(content: bytes, name: str, field: str, value: int, where: str = "both") -> bytes:
    """The archive with one number changed in the local header of a member, in its directory entry, or in both."""
    local = {"flags": (6, "<H"), "method": (8, "<H"), "crc": (14, "<I"), "packed": (18, "<I"), "size": (22, "<I")}
    entry = {key: (at + 2, form) for key, (at, form) in local.items()} | {"offset": (42, "<I"), "disk": (34, "<H")}
    changed = bytearray(content)
    for part, fields, header in (("local", local, 30), ("entry", entry, 46)):
        signature = b"PK\3\4" if part == "local" else b"PK\1\2"
        begin = 0
        while where in (part, "both") and field in fields and (begin := content.find(signature, begin)) >= 0:
            if content[begin + header : begin + header + len(name)] == name.encode():
                at, form = fields[field]
                struct.pack_into(form, changed, begin + at, value)
            begin += 4
    assert changed != content
    return bytes(changed)


def shown_in_bounded_memory(paths: list[Path], expression: str) -> list[str]:
    """The value of `expression`, or the error, for each `path`. Each takes one line.

    After the first path the process may use 200 MB more than it has.
    """
    output = run_script(f"""
        import pathlib, resource, gatecell
        def show(path):
            try:
                print({expression})
            except ValueError as error:
                print(error)
        first, *others = map(pathlib.Path, {[str(path) for path in paths]!r})
        show(first)
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + (200 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for path in others:
            show(path)
    """)
    return output.splitlines()
