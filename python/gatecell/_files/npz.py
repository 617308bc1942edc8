"""Reads .npz files: zip archives of .npy files. Arrays that are stored uncompressed are views of the memory map.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import math
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .sizes import are_sizes, overflows
from .zip import Archive

_HEADER = 1 << 16  # NumPy's own limit is 10,000 characters


def load_npz(archive: Archive, prefix: str) -> dict[str, NDArray[Any] | None]:
    """The arrays by name. None stands for each array with a name that does not start with `prefix`."""
    arrays: dict[str, NDArray[Any] | None] = {}
    for member in archive.members:
        name = member.removesuffix(".npy")
        if name in arrays and name.startswith(prefix):
            raise ValueError(f"two arrays have the name {name!r}")
        arrays[name] = _array(name, archive.read(member)) if name.startswith(prefix) else None
    return arrays


def _array(name: str, content: NDArray[np.uint8]) -> NDArray[Any]:
    start = io.BytesIO(content[:_HEADER].tobytes())
    try:
        shape, fortran, dtype = read_header(start)
        data = content[start.tell() :]
        check_size(shape, dtype, data.size)
    except ValueError as error:
        raise ValueError(f"{name!r}: {error}") from error
    array = data.view(dtype) if dtype.itemsize else np.empty(math.prod(shape), dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Reads a .npy header: shape, whether the order is Fortran's, and dtype. Raises ValueError."""
    try:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version} of the .npy format, which only names of fields need")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as error:  # NumPy parses the header as a Python literal, so it may raise any error
        raise ValueError(str(error)) from error
    if dtype.hasobject:
        raise ValueError("an array of Python objects, which only a pickle could hold (allow_pickle=False)")
    if dtype.subdtype is not None:
        raise ValueError("a dtype of arrays")
    return shape, fortran, dtype


def check_size(shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> None:
    """Raises ValueError unless an array of this shape and dtype takes `size` bytes."""
    if not are_sizes(shape) or overflows(shape) or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"expected the bytes of {dtype} {shape}, got {size}")
