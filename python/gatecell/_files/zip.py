"""Reads zip archives. A member that is stored uncompressed is read in place, as a view of the memory map.

gatecell has its own reader because zipfile does not say where a member's bytes begin, and accepts members that overlap,
have the same name or lead out of the archive's folder. The reader trusts nothing in the file: every problem is a
ValueError.
Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.3)
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_END = struct.Struct("<4s4H2IH")  # the end of the central directory
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_MAX_MEMBERS = 200_000
_CHUNK = 1 << 20
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x2041  # encrypted, strongly encrypted, directory encrypted


class Member(NamedTuple):
    """A member as the directory describes it. Positions and sizes are in bytes."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int  # the size in the file
    size: int  # the size after unpacking
    begin: int  # the position of its local header
    end: int  # the position of the next member or of the directory


class Archive:
    """An archive in a memory map: `members` has them by name. Only `view`, `read` and `check` read their bytes."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self.size = len(content)
        self._bytes: NDArray[np.uint8] = np.frombuffer(content, np.uint8)
        begin, end, count = self._directory()
        members = sorted(self._entries(begin, end, count), key=lambda member: member.begin)
        self.members: dict[str, Member] = {}
        for member, limit in zip(members, [*(m.begin for m in members[1:]), begin], strict=False):
            name = _checked(member.name)
            if name in self.members:
                raise ValueError(f"the member {name!r} appears twice")
            if member.begin + _LOCAL.size + len(member.name) + member.packed > limit:
                raise ValueError(f"the member {name!r} overlaps what follows it")
            self.members[name] = member._replace(end=limit)
        # Bytes that compressed members may still unpack to, so that they cannot fill memory. Weights never shrink to a
        # twentieth.
        self._spare = (1 << 26) + 20 * self.size

    def view(self, name: str) -> NDArray[np.uint8]:
        """The bytes of a member that is stored uncompressed, as a view of the memory map."""
        member = self.members[name]
        if member.method != _STORED:
            raise ValueError(f"the member {name!r} is compressed, expected it stored as it is")
        if member.packed != member.size:
            raise ValueError(f"the member {name!r} has {member.packed} bytes, expected {member.size}")
        return self._packed(name, member)

    def read(self, name: str) -> NDArray[np.uint8]:
        """The bytes of a member: a view of the memory map, or an array of its own if the member is compressed."""
        member = self.members[name]
        if member.method == _STORED:
            return self.view(name)
        self._spare -= member.size
        if self._spare < 0:
            raise ValueError(f"the archive has {self.size} bytes and would unpack to far more")
        content, at = np.empty(member.size, np.uint8), 0
        for part in self._unpacked(name, member):
            content[at : at + len(part)] = np.frombuffer(part, np.uint8)
            at += len(part)
        return content

    def check(self) -> None:
        """Compares the checksum of every member with its bytes. Raises ValueError if one differs."""
        if not any(member.crc for member in self.members.values()) and any(m.size for m in self.members.values()):
            raise ValueError("the archive was written without checksums: there is nothing to check")
        for name, member in self.members.items():
            crc = 0
            for part in self._unpacked(name, member):
                crc = zlib.crc32(part, crc)
            if crc != member.crc:
                raise ValueError(f"the member {name!r} does not match its checksum")

    def _directory(self) -> tuple[int, int, int]:
        """The first byte of the central directory, the byte after it, and the number of members."""
        content, size = self._content, self.size
        at = content.rfind(b"PK\5\6", max(0, size - _END.size - 0xFFFF))
        if at < 0 or at + _END.size > size:
            raise ValueError("the archive has no directory at its end: it is cut off")
        _, disk, first_disk, _, count, length, begin, comment = _END.unpack_from(content, at)
        if at + _END.size + comment != size:
            raise ValueError("there are bytes behind the archive")
        end = at
        locator = at - _END64_LOCATOR.size
        if locator >= 0 and content[locator : locator + 4] == b"PK\6\7":
            _, _, end, disks = _END64_LOCATOR.unpack_from(content, locator)
            if end + _END64.size > locator or content[end : end + 4] != b"PK\6\6":
                raise ValueError("the end of the directory is damaged")
            _, _, _, _, disk, first_disk, _, count, length, begin = _END64.unpack_from(content, end)
            disk = disk or disks > 1
        if disk or first_disk:
            raise ValueError("the archive is split over several files")
        if begin + length != end:
            raise ValueError(f"the directory spans bytes {begin} to {begin + length}, expected it to end at {end}")
        if count > min(_MAX_MEMBERS, length // _ENTRY.size):
            raise ValueError(f"a directory of {length} bytes cannot have {count} members (limit: {_MAX_MEMBERS})")
        return begin, end, count

    def _entries(self, begin: int, end: int, count: int) -> Iterator[Member]:
        for _ in range(count):
            if begin + _ENTRY.size > end:
                raise ValueError("the directory is cut off")
            entry: tuple[Any, ...] = _ENTRY.unpack_from(self._content, begin)
            signature, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, _, offset = entry
            if signature != b"PK\1\2" or disk not in (0, 0xFFFF):
                raise ValueError("the directory is damaged")
            at = begin + _ENTRY.size
            begin = at + name + extra + comment
            if begin > end:
                raise ValueError("the directory is cut off")
            wide = _wide(self._content[at + name : at + name + extra])
            size, packed, offset = (
                next(wide, value) if value == 0xFFFFFFFF else value for value in (size, packed, offset)
            )
            yield Member(self._content[at : at + name], flags, method, crc, packed, size, offset, 0)
        if begin != end:
            raise ValueError("the directory is longer than its members")

    def _packed(self, name: str, member: Member) -> NDArray[np.uint8]:
        """Checks a member's local header against the directory and returns the bytes as they are in the file."""
        if member.flags & _ENCRYPTED:
            raise ValueError(f"the member {name!r} is encrypted")
        local: tuple[Any, ...] = _LOCAL.unpack_from(self._content, member.begin)
        signature, _, flags, method, *_, length, extra = local
        at = member.begin + _LOCAL.size
        begin = at + length + extra
        if signature != b"PK\3\4" or self._content[at : at + length] != member.name:
            raise ValueError(f"the member {name!r} is not where the directory says")
        if method != member.method or flags & _ENCRYPTED or begin + member.packed > member.end:
            raise ValueError(f"the member {name!r} differs from what the directory says")
        return self._bytes[begin : begin + member.packed]

    def _unpacked(self, name: str, member: Member) -> Iterator[Any]:
        """The member's unpacked bytes in pieces."""
        packed = self._packed(name, member)
        if member.method == _STORED:
            yield self.view(name)
            return
        if member.method != _DEFLATED:
            raise ValueError(f"the member {name!r} is compressed by method {member.method}, expected deflate")
        inflate, rest = zlib.decompressobj(-zlib.MAX_WBITS), member.size
        data: Any = b""
        at = 0
        while rest >= 0 and not inflate.eof:
            if not len(data):
                at, data = at + _CHUNK, packed[at : at + _CHUNK]
            try:
                part = inflate.decompress(data, min(_CHUNK, rest + 1))
            except zlib.error as error:
                raise ValueError(f"the member {name!r} cannot be unpacked: {error}") from error
            data = inflate.unconsumed_tail
            rest -= len(part)
            if rest >= 0:
                yield part
            if not part and not data and at >= packed.size:
                break  # the compressed data end too early
        if rest or not inflate.eof:
            raise ValueError(f"the member {name!r} does not unpack to {member.size} bytes, the size in the directory")


def _wide(extra: bytes) -> Iterator[int]:
    """The 64-bit numbers in an entry's extra field, which stand for numbers above 32 bits. Nothing if it has none."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + size]
            yield from (number for (number,) in struct.iter_unpack("<Q", field[: len(field) // 8 * 8]))
            return
        at += 4 + size


def _checked(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = name.decode("cp437")
    if not text or "\0" in text or "\\" in text or ".." in text.split("/") or re.match("([A-Za-z]:)?/", text):
        raise ValueError(f"the member {text[:200]!r} leaves the archive's folder")
    return text
