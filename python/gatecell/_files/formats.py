"""The table of formats. The first bytes of a file tell its format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Format(NamedTuple):
    """A format that `load` reads."""

    words: str  # for the list of formats in errors
    matches: Callable[[bytes, str], bool]  # whether a file has the format, from its first bytes and its suffix
    reader: str  # "module.function" in this folder, which is imported when a file needs it: Source -> Content
    invalid: str = ""  # the first words of the reader's errors
    suffix: str = ""  # if no first bytes match, a file with this suffix is a damaged file of this format


_LEGACY = 0x1950A86A20F9469CFC6C.to_bytes(10, "little")  # torch's magic number; the first pickle in a file has it


def _is_safetensors(start: bytes, suffix: str) -> bool:
    return start[4:9] == b"\0\0\0\0{"  # the upper half of the header's length, which is below 4 GB; then the header


def _is_json(start: bytes, suffix: str) -> bool:
    return start[:1] == b"{"


def _is_npz(start: bytes, suffix: str) -> bool:
    return _is_zip(start, suffix) and suffix == ".npz"


def _is_zip(start: bytes, suffix: str) -> bool:
    return start[:4] in (b"PK\3\4", b"PK\5\6")


def _is_legacy(start: bytes, suffix: str) -> bool:
    return start[:1] == b"\x80" and _LEGACY in start[:32]


INDEX = Format("its index .safetensors.index.json", _is_json, "shards.read")
# The first row that matches is the format.
FORMATS = (
    Format(
        ".safetensors", _is_safetensors, "safetensors.read", "not a valid safetensors file: ", suffix=".safetensors"
    ),
    INDEX,
    Format(".npz", _is_npz, "zip_contents.read", "not a valid .npz file: ", suffix=".npz"),
    Format("", _is_legacy, "torch_files.read_legacy"),
    Format("what torch.save or torch.jit.save writes", _is_zip, "zip_contents.read"),
)
_WORDS = [format.words for format in FORMATS if format.words]
KINDS = f"{', '.join(_WORDS[:-1])}, or {_WORDS[-1]}"
_TORCH_SUFFIXES = (".pt", ".pth", ".th", ".bin", ".ckpt", ".pth.tar")
SUFFIXES = (*_TORCH_SUFFIXES, *(format.suffix for format in FORMATS if format.suffix))
_PTMF = b"PTMF"  # at byte 4
_GZIP = b"\x1f\x8b"
_OTHERS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (Keras)",
    b"GGUF": "a GGUF file",
    b"\x93NUMPY": "a .npy file, which has no names: save a .npz",
    b"BZh": "a bzip2 file: unpack it",
    b"\xfd7zXZ": "an xz file: unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it",
}


def format_of(start: bytes, path: Path) -> Format:
    """The format of a file that begins with `start`. Raises ValueError if no format of the table fits."""
    for format in FORMATS:
        if format.matches(start, path.suffix):
            return format
    for format in FORMATS:
        if format.suffix and format.suffix == path.suffix:
            return format
    raise ValueError(f"{path}: {_describe(start, path)}; expected {KINDS}")


def _describe(start: bytes, path: Path) -> str:
    """Says what a file is that gatecell cannot read."""
    if not start:
        return "the file is empty"
    for magic, what in _OTHERS.items():
        if start.startswith(magic):
            return f"this is {what}"
    if start.startswith(_GZIP) or start[257:262] == b"ustar":
        from .archives import describe_tar

        if archive := describe_tar(path, start.startswith(_GZIP), SUFFIXES):
            return f"this is {one_line(archive)}"
        return "this is a gzip file: unpack it" if start.startswith(_GZIP) else "this is a damaged tar file"
    if start[4:8] == _PTMF:
        return "this is a mobile file of TorchScript in FlatBuffers: save it with _use_flatbuffer=False"
    if start[:1] == b"\x80":
        return "this is a pickle, not of torch.save: unpickle it where it can be trusted, and save its arrays as .npz"
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in start):
        return "this looks like text"
    return f"this is no format known here (it starts with {start[:8]!r})"


def one_line(text: str) -> str:
    """An error's text without control characters, and shortened. Names in a file may have any characters and length."""
    short = text if len(text) <= 1000 else f"{text[:600]} ... {text[-300:]}"
    return "".join(char if char.isprintable() else " " for char in short)
