"""Recognises the format of a file from its first bytes."""

from __future__ import annotations

from pathlib import Path

KINDS = ".safetensors, its index .safetensors.index.json, .npz, or what torch.save or torch.jit.save writes"
_LEGACY = 0x1950A86A20F9469CFC6C.to_bytes(10, "little")  # torch's magic number; the first pickle in a file has it
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


def kind_of(start: bytes, path: Path) -> str:
    """The kind of a file that begins with `start`: ".npz", "zip", "torch", ".safetensors" or "index".

    A zip archive that is not named .npz is "zip"; "torch" is torch's format before zip; "index" is an index of shards.
    Where the first bytes do not tell, the suffix decides which reader names the damage. Raises ValueError for another
    format.
    """
    if start[:4] in (b"PK\3\4", b"PK\5\6"):
        return ".npz" if path.suffix == ".npz" else "zip"
    if start[:1] == b"\x80" and _LEGACY in start[:32]:
        return "torch"
    if start[4:9] == b"\0\0\0\0{":  # the upper half of the header's length, which is below 4 GB; then the header
        return ".safetensors"
    if start[:1] == b"{":
        return "index"
    if path.suffix in (".safetensors", ".npz"):
        return path.suffix
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

        if archive := describe_tar(path, compressed=start.startswith(_GZIP)):
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
