"""Describes archives around files of weights for error messages: names the members to extract and load.

gatecell has its own reader of tar archives because tarfile reads any number of bytes that a header states.
Format: https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_ARCHIVES = (".zip", ".nemo", ".tar", ".gz", ".tgz")  # archives inside the archive
_EXPORTED = "archive_format"  # a member of what torch.export.save writes
_UNPACKED = 1 << 26  # the largest number of unpacked bytes that are read from a compressed archive
_MAX_MEMBERS = 1_000
_MAX_NAME = 10_000
_SHOWN = 10
_BLOCK = 512


def describe_zip(members: Iterable[str], suffixes: tuple[str, ...]) -> str:
    """Describes a zip archive that is no file of weights, from the names of its members that are not empty.

    suffixes: of files that gatecell reads.
    """
    names = list(members)
    if any(name.rpartition("/")[2] == _EXPORTED for name in names):
        return "a program of torch.export, which has no names of weights here: save the state_dict() of the module"
    if any(name.endswith(".h5") for name in names) and not _readable(names, suffixes):
        return "a zip archive around an HDF5 file (Keras)"
    return _described("a zip archive", names, suffixes)


def describe_tar(path: Path, compressed: bool, suffixes: tuple[str, ...]) -> str | None:
    """Describes a tar archive, which gzip may have compressed. None if the file is no tar archive."""
    names: list[str] = []
    with path.open("rb") as file, suppress(OSError, EOFError, zlib.error):  # names read before an error are valid
        if compressed:
            names.extend(_members(gzip.GzipFile(fileobj=file), _UNPACKED))
        else:
            names.extend(_members(file, path.stat().st_size))
    return _described("a tar file", [name for name in names if name], suffixes) if names else None


def _members(file: BinaryIO | gzip.GzipFile, limit: int) -> Iterator[str]:
    """The names of files in the first `limit` bytes of a tar archive, and "" for empty files and for folders."""
    at, name = 0, ""
    for _ in range(_MAX_MEMBERS):
        if at >= limit:
            break
        file.seek(at)
        header = file.read(_BLOCK)
        size = _number(header[124:136])
        if len(header) < _BLOCK or size is None or _number(header[148:156]) != _checksum(header):
            break
        kind = header[156:157]
        if kind == b"L":  # the name of the next member, as GNU tar writes it
            name = _text(file.read(min(size, _MAX_NAME)))
        elif kind == b"x":  # the same as POSIX writes it: a record "length path=name\n"
            records = file.read(min(size, _MAX_NAME))
            if found := re.search(rb"\b(\d{1,5}) path=", records):
                name = _text(records[found.end() : found.start() + int(found[1]) - 1])
        elif kind not in b"Kg":  # K and g are other attributes of the next members
            prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
            own = f"{prefix}/{_text(header[:100])}" if prefix else _text(header[:100])
            yield (name or own) if size and kind in b"0\0" else ""
            name = ""
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK


def _number(field: bytes) -> int | None:
    """A number in a header: octal digits, or for large numbers the bytes. None if it is neither."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[4:], "big")  # 8 bytes suffice for the size of a file
    digits = field.strip(b" \0")
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else None


def _checksum(header: bytes) -> int:
    """The sum of all bytes of the header, with blanks in place of the checksum field."""
    return sum(header[:148]) + 8 * ord(" ") + sum(header[156:])


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")


def _readable(names: list[str], suffixes: tuple[str, ...]) -> list[str]:
    return [name for name in names if name.endswith(suffixes)] or [name for name in names if name.endswith(_ARCHIVES)]


def _described(kind: str, names: list[str], suffixes: tuple[str, ...]) -> str:
    readable = _readable(names, suffixes)
    if not readable:
        return f"{kind} without a file of weights in it"
    more = f" and {len(readable) - _SHOWN} more" if len(readable) > _SHOWN else ""
    return f"{kind} around {', '.join(map(repr, readable[:_SHOWN]))}{more}: extract and load that"
