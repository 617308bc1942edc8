"""Archives around files of weights: which of their members can be read once they are extracted."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

_SUFFIXES = (".pt", ".pth", ".th", ".bin", ".ckpt", ".safetensors", ".npz")
_EXPORTED = "archive_format"  # a member of what torch.export.save writes
_UNPACKED = 1 << 26  # bytes of a compressed archive that are looked at
_MAX_MEMBERS = 1_000
_SHOWN = 10


def describe_zip(members: Iterable[str]) -> str:
    """What a zip archive is that is no file of weights itself, by the names of its members that are not empty."""
    names = list(members)
    if any(name.rpartition("/")[2] == _EXPORTED for name in names):
        return "a program of torch.export, whose weights have no names here: save the state_dict() of the module"
    if any(name.endswith(".h5") for name in names):
        return "a zip archive around an HDF5 file (Keras)"
    return _described("a zip archive", names)


def describe_tar(path: Path, compressed: bool) -> str | None:
    """The same of a tar archive, which may be compressed by gzip; None if it is none."""
    names: list[str] = []
    try:
        with path.open("rb") as file:
            content = io.BytesIO(gzip.GzipFile(fileobj=file).read(_UNPACKED)) if compressed else file
            with tarfile.open(fileobj=content, mode="r:") as archive:
                while len(names) < _MAX_MEMBERS and (member := archive.next()):
                    names += [member.name] if member.isfile() and member.size else []
    except (tarfile.TarError, OSError, EOFError, ValueError):
        if not names:  # what was read before the end of what is looked at is true
            return None
    return _described("a tar file", names)


def _described(kind: str, names: list[str]) -> str:
    readable = [name for name in names if name.endswith(_SUFFIXES)]
    if not readable:
        return f"{kind} without a file of weights in it"
    more = f" and {len(readable) - _SHOWN} more" if len(readable) > _SHOWN else ""
    return f"{kind} around {', '.join(map(repr, readable[:_SHOWN]))}{more}: extract and load that"
