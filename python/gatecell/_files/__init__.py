"""Reads and writes files of weights. The content of a file tells the format; the result is always a dict of arrays.

The readers of the formats are imported when they are needed, so that `import gatecell` stays quick.
"""

from __future__ import annotations

import errno
import importlib
import mmap
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .._state_dict.cures import frozen
from .._state_dict.names import with_dot
from .content import Content, Source
from .formats import INDEX, KINDS, format_of, one_line


class Weights(dict[str, NDArray[Any]]):
    """The result of `load`: NumPy arrays by name. A copy of the dict lacks the attributes below.

    `skipped` says what was left out: a dict from the path of an object to its class or to the reason. It names objects
    of classes that are not torch's (of objects inside such an object only the outermost), packed weights of quantised
    layers, tensors outside the state dict of a saved module, tensors that are attributes of other tensors, tensors in
    lists of TorchScript, storages without a tensor, and tensors of a shard that the index lacks.

    `metadata` holds the plain data of the whole file, such as
    {"epoch": 3, "hyper_parameters": {"lr": 0.1}, "words": {...}}. For a .safetensors file it is the header's entry
    __metadata__; for an index of shards, the index's entry metadata joined with the metadata of the shards that were
    read.

    `options` holds what a saved module or TorchScript says about its recurrent layers beside the weights, by prefix:
    {"encoder.": {"batch_first": True, "bidirectional": False}}. A simple RNN also has nonlinearity, and torch's own GRU
    has reset.

    `outside` lists names of arrays outside the prefix: in a .safetensors file, a .npz file or an index all, in a file
    of torch those that the reader met on the way to the prefix.

    `format` is the format of the file, such as "torch.save", "TorchScript", "safetensors" or "npz".

    `checked` says whether `load` compared checksums: the format has them, and `load` was called with check=True.
    """

    format, checked = "", False  # of a Weights from a pickle of an earlier version, which does not contain them

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        skipped: dict[str, str],
        metadata: dict[str, Any] | None = None,
        options: dict[str, dict[str, Any]] | None = None,
        outside: Sequence[str] = (),
        format: str = "",
        checked: bool = False,
    ) -> None:
        super().__init__(arrays)
        self.skipped = skipped
        self.metadata = metadata or {}
        self.options = options or {}
        self.outside = list(outside)
        self.format = format
        self.checked = checked


def load(path: str | os.PathLike[str], *, prefix: str = "", check: bool = False) -> Weights:
    """Reads the arrays of a file by name: `.safetensors` or its index, `.npz`, `.pt` and whatever else torch saves.

    The content tells the format; the suffix does not matter. Arrays keep the shapes and dtypes of the file. They are
    read-only, and most are views of the file's memory map. Copies are: bfloat16, which becomes float32; torch's tensors
    of the other byte order, which becomes the machine's, and its conjugate or negative views; unpacked members of a
    compressed `.npz`; NumPy arrays in a file of torch.save.

    Nothing in a file is ever executed, and torch is not needed. In a file of torch.save names are paths joined by dots:
    `{"model": {"lstm": {...}}}` gives "model.lstm.weight_ih_l0", the members of a list have their numbers as names, and
    a saved module has the names of its state dict. An array in an object of another class has the first of its paths as
    its name. A key that is no short text or number stands in paths as "<item 0>"; tensors in the key itself are under
    "<key 0>". From a TorchScript archive `load` reads the attributes that are tensors, and the constants of its code as
    "CONSTANTS.c0". In a module saved after torch.jit.freeze these constants are the weights, and they have no other
    names.

    Other data of a checkpoint, and the texts in a `.safetensors` file, are in `metadata` of the result if they are
    plain (numbers, strings, None, and dicts, lists and tuples of these). Each tensor of a file is in the result, or is
    named in `skipped`, or causes an error.

    prefix: reads only arrays with names that start with it. A missing final dot is added. Their names in the result
    include the prefix. Other arrays are not read, so they may be of any kind.

    check: reads all members of a zip archive (`.pt`, `.npz`) and compares them with its checksums. The structure of
    every file is checked without it, too. `.safetensors` and torch's format before zip have no checksums. An archive
    written without them (torch.serialization.set_crc32_options) is then an error.

    Raises ValueError for a damaged file, for another format, for a prefix without arrays, and for a tensor that is
    sparse, quantised or of a type that NumPy lacks; OSError for a file that cannot be opened. Do not shorten the file
    while the arrays are in use.
    """
    prefix = with_dot(prefix)
    result = _weights(Path(path), prefix, check)
    for array in result.values():
        array.setflags(write=False)
    if prefix and not result:
        heads = ", ".join(list(dict.fromkeys(name.partition(".")[0] for name in result.outside))[:20])
        names = f"names start with {one_line(heads)}" if heads else "there is none"
        names += f"; {hint}" if (hint := frozen(result.outside)) else ""
        raise ValueError(f"{path}: expected arrays with names that start with {prefix!r}: {names}")
    return result


def save(path: str | os.PathLike[str], state_dict: Mapping[str, Any]) -> None:
    """Writes arrays, NumPy's or torch's, to a `.safetensors` file. The file appears as a whole or not at all.

    Arrays keep their shapes and dtypes, except that torch's bfloat16, which NumPy lacks, becomes float32.

    Raises TypeError for a value that is no array or has a dtype that the format lacks, ValueError for a reserved name,
    OSError if the file cannot be written.
    """
    from .write_safetensors import write

    write(Path(path), state_dict)


def read(path: str | os.PathLike[str], prefix: str) -> Weights:
    """Does what `load` does, but returns an empty result if nothing is under the prefix. Its `outside` has the rest."""
    return _weights(Path(path), with_dot(prefix), False)


def _weights(path: Path, prefix: str, check: bool) -> Weights:
    content = _read(path, prefix, check)
    inside = {name: array for name, array in content.arrays.items() if array is not None}
    outside = [name for name, array in content.arrays.items() if array is None]
    return Weights(
        inside,
        content.skipped,
        content.metadata,
        content.options,
        outside,
        content.format,
        check and content.has_checksums,
    )


def _read(path: Path, prefix: str, check: bool, is_shard: bool = False) -> Content:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, f"expected a file ({KINDS}), got a directory", str(path))
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path}: expected a file, got a device or a pipe")
    with path.open("rb") as file:
        start = file.read(512)
        format = format_of(start, path)
        if is_shard and format is INDEX:
            raise ValueError(f"{path}: expected a shard, got an index")
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if start else None

    def read_beside(name: str) -> Content:
        return _read(path.parent / name, prefix, check, is_shard=True)

    try:
        if content is None:
            raise ValueError("the file is empty")
        module, _, function = format.reader.partition(".")
        reader = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        found: Content = reader(Source(content, prefix, check, path.suffix, read_beside))
        return found
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {format.invalid}{one_line(str(error))}") from error
