"""Files of weights: one function, one dict of NumPy arrays, whatever the format, which the content tells.

The readers are imported when they are needed: importing gatecell stays quick.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .._state_dict.cures import frozen
from .._state_dict.names import with_dot
from .content import Content

_LEGACY = 0x1950A86A20F9469CFC6C.to_bytes(10, "little")  # torch's magic number, the first pickle in the file
_MAX_INDEX = 100_000_000
_KINDS = ".safetensors, its index .safetensors.index.json, .npz, or what torch.save or torch.jit.save writes"
_INVALID = {".safetensors": "not a valid safetensors file: ", ".npz": "not a valid .npz file: "}
_PTMF = b"PTMF"  # from the fourth byte on
_OTHERS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (Keras)",
    b"GGUF": "a GGUF file",
    b"\x93NUMPY": "a .npy file, which has no names: save a .npz",
    b"BZh": "a bzip2 file: unpack it",
    b"\xfd7zXZ": "an xz file: unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it",
}
_GZIP = b"\x1f\x8b"
_NO_INDEX = "not a valid index of shards: "


class Weights(dict[str, NDArray[Any]]):
    """What `load` returns: arrays by name.

    `skipped` names what was left out, by path: objects of classes that are not torch's, by their class, of those inside
    each other the outermost; packed weights of quantised layers; tensors outside the state dict of a saved module, on
    other tensors, or in lists of TorchScript; storages without a tensor; tensors of a shard that its index lacks.
    `metadata` holds the plain data of the whole file: {"epoch": 3, "hyper_parameters": {"lr": 0.1}, "words": {...}},
    and what a .safetensors file or an index of shards keeps under that name.
    `options` holds, by prefix, what a saved module or TorchScript tells of its recurrent layers beside the weights:
    {"encoder.": {"batch_first": True, "bidirectional": False}}; of a simple RNN nonlinearity, too, of torch's own GRU
    reset. A copy of the dict has none of these attributes.
    `outside` lists names of arrays outside the prefix that were seen on the way to it.
    `format` is the format of the file: "torch.save", "torch.save, before its zip format", "TorchScript", "safetensors",
    "safetensors in shards" or "npz".
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        skipped: dict[str, str],
        metadata: dict[str, Any] | None = None,
        options: dict[str, dict[str, Any]] | None = None,
        outside: Sequence[str] = (),
        format: str = "",
    ) -> None:
        super().__init__(arrays)
        self.skipped = skipped
        self.metadata = metadata or {}
        self.options = options or {}
        self.outside = list(outside)
        self.format = format


def load(path: str | os.PathLike[str], *, prefix: str = "", check: bool = False) -> Weights:
    """The arrays by name in a file: `.safetensors` or its index, `.npz`, `.pt` and whatever else torch saves.

    The content tells the format, not the suffix. Arrays are read-only views of the file's memory map; only where NumPy
    cannot hold them so (bfloat16, which comes as float32, the other byte order, compressed `.npz`) they are converted.

    Nothing in a file is ever executed, and torch is not needed. In a file of torch.save names are paths joined by dots:
    `{"model": {"lstm": {...}}}` gives "model.lstm.weight_ih_l0", a list counts its members, a saved module has the
    names of its state dict. What an object of another class holds comes under the first of its paths. A key that is no
    short text or number stands as "<item 0>" in them, tensors in the key itself are under "<key 0>".
    Of a TorchScript archive the attributes that are tensors come, and the constants of its code as "CONSTANTS.c0": in a
    module saved after torch.jit.freeze these are the weights, which have lost their names.
    What else a checkpoint has is in `metadata` of the result, if it is plain data (numbers, strings, None, and dicts,
    lists and tuples of them), as are the texts in a `.safetensors`. Every tensor of a file is in the result, named in
    `skipped`, or an error.

    prefix: only arrays under it, by their full names. What is elsewhere is not looked at: it may be of any kind.
    check: read the whole file and compare the checksums of the zip archives (`.pt`, `.npz`) with it. The structure of
    any file is always checked; `.safetensors` and torch's older format have no checksums. An archive that was written
    without them (torch.serialization.set_crc32_options) is an error.

    Raises ValueError for a damaged file, one of another format, a tensor that is sparse, quantised or of a type NumPy
    has not, OSError for a file that cannot be opened. The file must not be shortened while the arrays live.
    """
    prefix = with_dot(prefix)
    result = _weights(Path(path), prefix, check)
    for array in result.values():
        array.setflags(write=False)
    if prefix and not result:
        heads = ", ".join(list(dict.fromkeys(name.partition(".")[0] for name in result.outside))[:20])
        names = f"names start with {_one_line(heads)}" if heads else "there is none"
        names += f"; {hint}" if (hint := frozen(result.outside)) else ""
        raise ValueError(f"{path}: expected arrays whose names start with {prefix!r}: {names}")
    return result


def save(path: str | os.PathLike[str], state_dict: Mapping[str, Any]) -> None:
    """Write the arrays, NumPy's or torch's, to a `.safetensors` file, which then is there as a whole or not at all.

    Every dtype is kept but torch's bfloat16, which NumPy lacks: it becomes float32. Raises TypeError for what is no
    array or of a type that the format lacks, ValueError for a reserved name, OSError if the file cannot be written.
    """
    from .save import write

    write(Path(path), state_dict)


def read(path: str | os.PathLike[str], prefix: str) -> Weights:
    """As load; but where nothing is under the prefix, the names outside it tell where it might be."""
    return _weights(Path(path), with_dot(prefix), False)


def _weights(path: Path, prefix: str, check: bool) -> Weights:
    content = _read(path, prefix, check)
    inside = {name: array for name, array in content.arrays.items() if array is not None}
    outside = [name for name, array in content.arrays.items() if array is None]
    return Weights(inside, content.skipped, content.metadata, content.options, outside, content.format)


def _read(path: Path, prefix: str, check: bool, is_shard: bool = False) -> Content:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, f"expected a file ({_KINDS}), got a directory", str(path))
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path}: expected a file, got a device or a pipe")
    with path.open("rb") as file:
        start = file.read(512)
        kind = _kind(start, path)
        if is_shard and kind == "index":
            raise ValueError(f"{path}: expected a shard, got an index")
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if start else None
    try:
        if content is None:
            raise ValueError("the file is empty")
        if kind == ".safetensors":
            from .safetensors import load_safetensors

            arrays, metadata = load_safetensors(content, prefix)
            return Content(arrays, {}, metadata, {}, "safetensors")
        if kind == "torch":
            from .torch_files import load_legacy

            return load_legacy(content, prefix)._replace(format="torch.save, before its zip format")
        if kind != "index":
            return _load_archive(content, prefix, check, kind)
        return _load_sharded(path.parent, content, prefix, check)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {_INVALID.get(kind, '')}{_one_line(str(error))}") from error


def _one_line(text: str) -> str:
    """An error's text that can be printed: names in a file may be of any characters."""
    return "".join(char if char.isprintable() else " " for char in shortened(text))


def shortened(text: str) -> str:
    """An error's text for people: names in a file may be megabytes."""
    return text if len(text) <= 1000 else f"{text[:600]} ... {text[-300:]}"


def _kind(start: bytes, path: Path) -> str:
    """The format by the file's first bytes; the suffix only decides what is said of a damaged one."""
    if start[:4] in (b"PK\3\4", b"PK\5\6"):
        return ".npz" if path.suffix == ".npz" else "zip"
    if start[:1] == b"\x80" and _LEGACY in start[:32]:
        return "torch"
    if start[4:9] == b"\0\0\0\0{":  # the length of its header, which is under 4 GB
        return ".safetensors"
    if start[:1] == b"{":
        return "index"
    if path.suffix in (".safetensors", ".npz"):
        return path.suffix
    raise ValueError(f"{path}: {_what(start, path)}; expected {_KINDS}")


def _what(start: bytes, path: Path) -> str:
    if not start:
        return "the file is empty"
    for magic, what in _OTHERS.items():
        if start.startswith(magic):
            return f"this is {what}"
    if start.startswith(_GZIP) or start[257:262] == b"ustar":
        from .archives import describe_tar

        if archive := describe_tar(path, compressed=start.startswith(_GZIP)):
            return f"this is {_one_line(archive)}"
        return "this is a gzip file: unpack it" if start.startswith(_GZIP) else "this is a damaged tar file"
    if start[4:8] == _PTMF:
        return "this is a mobile file of TorchScript in FlatBuffers: save it with _use_flatbuffer=False"
    if start[:1] == b"\x80":
        return "this is a pickle, not of torch.save: unpickle it where it can be trusted, and save its arrays as .npz"
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in start):
        return "this looks like text"
    return f"this is no format known here (it starts with {start[:8]!r})"


def _load_archive(content: mmap.mmap, prefix: str, check: bool, kind: str) -> Content:
    from .zip import Archive

    archive = Archive(content)
    if check:
        archive.check()
    pickled = any(name.endswith("/data.pkl") for name in archive.members)
    if not pickled and (kind == ".npz" or all(name.endswith(".npy") for name in archive.members)):
        from .npz import load_npz

        return Content(load_npz(archive, prefix), {}, {}, {}, "npz")
    if not pickled:
        from .archives import describe_zip

        names = [name for name, member in archive.members.items() if member.size]
        raise ValueError(f"this is {describe_zip(names)}; expected {_KINDS}")
    from .torch_files import load_zip

    is_script = any(name.endswith("/constants.pkl") for name in archive.members)
    return load_zip(archive, prefix)._replace(format="TorchScript" if is_script else "torch.save")


def _load_sharded(folder: Path, content: mmap.mmap, prefix: str, check: bool) -> Content:
    """An index of shards: `weight_map` tells for each name the file beside it that has the array."""
    import json

    try:
        index = json.loads(content[:_MAX_INDEX].decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_NO_INDEX}{error}") from error
    if not isinstance(index, dict) or "weight_map" not in index:
        raise ValueError(
            "this is JSON without a weight_map, so it is no index of shards; if it holds a state dict in lists of "
            "numbers, read it with json.load and pass that part to from_state_dict"
        )
    places = index["weight_map"]
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise ValueError(f"{_NO_INDEX}expected a weight_map of names to files")
    arrays: dict[str, Any] = dict.fromkeys(places)
    wanted = {name: place for name, place in places.items() if name.startswith(prefix)}
    skipped: dict[str, str] = {}
    metadata = index["metadata"] if isinstance(index.get("metadata"), dict) else {}
    options: dict[str, dict[str, Any]] = {}
    for shard in dict.fromkeys(wanted.values()):
        if shard in ("", ".", "..") or "/" in shard or "\\" in shard or "\0" in shard:
            raise ValueError(f"{_NO_INDEX}the shard {shard!r} is not a name of a file beside the index")
        found, foreign, plain, told, _ = _read(folder / shard, prefix, check, is_shard=True)
        names = [name for name, place in wanted.items() if place == shard]
        for name in names:
            if found.get(name) is None:
                raise ValueError(f"{_NO_INDEX}the shard {shard!r} lacks {name!r}")
            arrays[name] = found[name]
        others = (name for name, array in found.items() if array is not None and name not in places)
        skipped |= foreign | dict.fromkeys(others, f"in the shard {shard!r}, but not in the index")
        metadata |= plain
        options |= told
    return Content(arrays, skipped, metadata, options, "safetensors in shards")
