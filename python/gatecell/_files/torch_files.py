"""Reads files of torch.save and torch.jit.save, in the zip format or the older one, as views of the memory map.

The reader needs no torch, and executes and trusts nothing in the file: every problem is a ValueError.
Formats: https://github.com/pytorch/pytorch/blob/main/torch/serialization.py (_save, _legacy_save)
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import numpy_objects
from .bfloat16 import widened
from .content import Arrays, Content, Source
from .members import items_of
from .metadata import plain
from .options import options_of
from .pickle_objects import Call, Pickle
from .torch_objects import Storage, Tensor, storage, tensor
from .unpickle import unpickle
from .walk import find
from .zip import Archive

_DTYPES = {
    "float64": "f8",
    "float32": "f4",
    "float16": "f2",
    "bfloat16": "u2",  # converted to float32
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint64": "u8",
    "uint32": "u4",
    "uint16": "u2",
    "uint8": "u1",
    "bool": "?",
    "complex64": "c8",
    "complex128": "c16",
}
_ITEMSIZES = {name: np.dtype(code).itemsize for name, code in _DTYPES.items()} | {
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
    "quint4x2": 1,
    "quint2x4": 1,
}
_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_MAX_CODE = 10_000_000  # bytes: a larger file of TorchScript's code is not read

CONSTANTS = "CONSTANTS"  # the name of the constants in TorchScript's code


def load_zip(archive: Archive, prefix: str) -> Content:
    """Reads an archive of torch.save or torch.jit.save."""
    roots = [name.removesuffix("data.pkl") for name in archive.members if re.fullmatch(r"[^/]*/data\.pkl", name)]
    if len(roots) != 1:
        raise ValueError(f"expected one folder with a data.pkl, got {len(roots)}")
    (root,) = roots
    order = archive.view(root + "byteorder").tobytes() if root + "byteorder" in archive.members else b"little"
    if order not in (b"little", b"big"):
        raise ValueError(f"expected the byte order little or big, got {order[:20]!r}")
    sign = "<" if order == b"little" else ">"

    def read(name: str, arrange: Callable[[Any], Any]) -> Content:
        pickle = unpickle(archive.view(f"{root}{name}.pkl").tobytes())
        if pickle.end != archive.members[f"{root}{name}.pkl"].size:
            raise ValueError("there are bytes behind the pickle")

        def bytes_of(key: object) -> NDArray[np.uint8]:
            if f"{root}{name}/{key}" not in archive.members:
                raise ValueError(f"its storage {str(key)[:100]!r} is not in the archive")
            return archive.view(f"{root}{name}/{key}")

        return _Reader(bytes_of, code, sign, archive.size).read(arrange(pickle.value), pickle.end, prefix)

    def code(name: str) -> str:
        if root + name not in archive.members or archive.members[root + name].size > _MAX_CODE:
            return ""
        with suppress(ValueError):  # the code only gives options, which are not required
            return archive.read(root + name).tobytes().decode(errors="replace")
        return ""

    data = read("data", lambda value: value)
    if root + "constants.pkl" not in archive.members:
        return data
    constants = read("constants", _constants)  # only TorchScript has them; a frozen module's constants are its weights
    if both := data.arrays.keys() & constants.arrays.keys():
        raise ValueError(f"two tensors have the path {min(both)!r}")
    return data._replace(arrays=data.arrays | constants.arrays, skipped=data.skipped | constants.skipped)


def _constants(value: Any) -> Any:
    """TorchScript's constants as a dict with the names that the code uses: CONSTANTS.c0, CONSTANTS.c1, ..."""
    if type(value) is not tuple:
        raise ValueError("expected a tuple of constants")
    return {CONSTANTS: {f"c{number}": constant for number, constant in enumerate(value)}}


def read_legacy(source: Source) -> Content:
    """Reads a file in torch's format before zip.

    It holds five pickles (magic number, version, system, object, keys of the storages), then the storages' bytes.
    """
    content = source.content
    magic = unpickle(content)
    version = unpickle(content, magic.end)
    if magic.value != _MAGIC or version.value != _VERSION:
        raise ValueError("expected torch's magic number and version 1001")
    system = unpickle(content, version.end)
    objects = unpickle(content, system.end)
    keys = unpickle(content, objects.end)
    storages = _legacy_storages(content, objects, keys)

    def bytes_of(key: object) -> NDArray[np.uint8]:
        if key not in storages:
            raise ValueError(f"its storage {str(key)[:100]!r} is not in the file")
        return storages[key]

    reader = _Reader(bytes_of, lambda name: "", "<", len(content))
    found = reader.read(objects.value, objects.end - system.end, source.prefix)
    return found._replace(format="torch.save, before its zip format")


def _legacy_storages(content: mmap.mmap, objects: Pickle, keys: Pickle) -> dict[object, NDArray[np.uint8]]:
    """The bytes of each storage by its key. Before the bytes stands the number of elements, as 8 bytes."""
    itemsizes: dict[object, int] = {}
    for pid in objects.persistent:
        place = storage(pid)
        itemsizes.setdefault(place.key, _ITEMSIZES[place.dtype])
    if type(keys.value) is not list or any(type(key) not in (str, int) for key in keys.value):
        raise ValueError("expected a list of storages")
    data, at = np.frombuffer(content, np.uint8), keys.end
    storages: dict[object, NDArray[np.uint8]] = {}
    for key in keys.value:
        if key not in itemsizes or key in storages:
            raise ValueError(f"the storage {str(key)[:100]!r} is unknown, or there twice")
        begin = at + 8
        at = begin + int.from_bytes(content[at:begin], "little") * itemsizes[key]
        if at > data.size:
            raise ValueError(f"the storage {str(key)[:100]!r} reaches {at - data.size} bytes beyond the file")
        storages[key] = data[begin:at]
    return storages


class _Reader:
    """Makes arrays from the tensors in a pickle and the bytes of its storages.

    `storages` gives the bytes of the storage with a key, `code` the text of a file of TorchScript's code ("" if there
    is none), `order` the byte order ("<" or ">"), `size` the bytes of the whole file.
    """

    def __init__(
        self, storages: Callable[[object], NDArray[np.uint8]], code: Callable[[str], str], order: str, size: int
    ) -> None:
        self._storages = storages
        self._code = code
        self._order = order
        self._spare = 8 * size + 1_000  # bytes that conversions may still allocate; no sound file needs more
        self._converted: dict[tuple[object, str, bool, bool], NDArray[Any]] = {}
        self._encoded: dict[int, bytes] = {}

    def read(self, root: Any, size: int, prefix: str) -> Content:
        """The content of the object `root`, which a pickle of `size` bytes describes."""
        found = find(root, size, prefix)
        arrays: Arrays = {path: self._array(path, call) for path, call in found.tensors.items()}
        arrays |= dict.fromkeys(found.beside)
        if prefix and not found.tensors:  # load will raise an error, which lists the names outside the prefix
            try:
                arrays = dict.fromkeys(find(root, size, "").tensors)
            except ValueError:  # something outside the prefix cannot be read
                arrays |= dict.fromkeys(f"{key}." for key in items_of(root))
        return Content(arrays, found.skipped, plain(root), options_of(found.modules, self._code))

    def _array(self, path: str, call: Call) -> NDArray[Any]:
        try:
            if call.name.startswith("numpy."):
                return numpy_objects.array(call, self._encoded)
            return self._from_tensor(tensor(call))
        except ValueError as error:
            raise ValueError(f"{path!r}: {error}") from error

    def _from_tensor(self, view: Tensor) -> NDArray[Any]:
        if view.dtype not in _DTYPES:
            raise ValueError(f"dtype {view.dtype} is not supported; supported: {', '.join(_DTYPES)}")
        elements = self._elements(view)
        last = view.offset + sum((n - 1) * step for n, step in zip(view.shape, view.strides, strict=True))
        if 0 in view.shape:
            return elements[:0].reshape(view.shape)
        if last >= elements.size:
            raise ValueError(f"reaches element {last} of a storage of {elements.size}")
        strides = [step * elements.itemsize if n > 1 else 0 for n, step in zip(view.shape, view.strides, strict=True)]
        begin = view.offset * elements.itemsize
        return np.ndarray(view.shape, elements.dtype, elements.data, begin, strides)

    def _elements(self, view: Tensor) -> NDArray[Any]:
        """The elements of the tensor's storage: a view of the file, or a converted copy, which is made only once.

        bfloat16, the other byte order, and conjugate or negative views are converted.
        """
        place: Storage = view.storage
        itemsize = _ITEMSIZES[place.dtype]
        raw = self._storages(place.key)[place.begin * itemsize : (place.begin + place.size) * itemsize]
        if raw.size != place.size * itemsize:
            raise ValueError(f"its storage has {raw.size} bytes, expected {place.size} elements of {itemsize}")
        dtype = np.dtype(self._order + _DTYPES[view.dtype])
        elements = raw[: raw.size // dtype.itemsize * dtype.itemsize].view(dtype)
        if dtype.isnative and view.dtype != "bfloat16" and not view.conjugate and not view.negative:
            return elements
        key = (place, view.dtype, view.conjugate, view.negative)
        if key not in self._converted:
            self._spare -= 2 * raw.size  # bfloat16 becomes twice as large
            if self._spare < 0:
                raise ValueError("is a view of a storage with views that would fill memory if all were converted")
            self._converted[key] = _convert(elements, view)
        return self._converted[key]


def _convert(elements: NDArray[Any], view: Tensor) -> NDArray[Any]:
    if view.dtype == "bfloat16":
        elements = widened(elements)
    elements = elements.astype(elements.dtype.newbyteorder("="), copy=False)
    if elements.dtype.kind not in "fc" and (view.conjugate or view.negative):
        raise ValueError(f"is a conjugate or negative view of {view.dtype}")
    if view.conjugate:
        elements = elements.conj()
    return -elements if view.negative else elements
