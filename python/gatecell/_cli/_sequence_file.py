"""A sequence in a .npy file, read and written by chunks of time steps: it may be larger than memory.

Plain reads and writes instead of a memory map: a file cut short and a full disk are then errors, not signals, and what
was read takes no memory any more. Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

Array = NDArray[Any]


class SequenceFile:
    """An open .npy file of shape (T, features), (T, B, features) or (B, T, features); `time` is the axis T."""

    def __init__(
        self, path: Path, file: int, start: int, shape: tuple[int, ...], dtype: np.dtype[Any], time: int, fortran: bool
    ) -> None:
        self.path, self.shape, self.dtype, self.time = path, shape, dtype, time
        self.steps, self.rows = shape[time], shape[1 - time] if len(shape) == 3 else 1
        self.layout = "(T, features)" if len(shape) == 2 else "(B, T, features)" if time else "(T, B, features)"
        self._file, self._start, self._fortran = file, start, fortran
        stored, axis = (shape[::-1], len(shape) - 1 - time) if fortran else (shape, time)
        self._lead, self._rest = stored[:axis], stored[axis + 1 :]  # around T, as the file has them

    @property
    def step_bytes(self) -> int:
        return math.prod(self._lead) * math.prod(self._rest) * self.dtype.itemsize

    def read(self, begin: int, count: int) -> Array:
        """`count` time steps from `begin` on, as an array of their own. Raises OSError and ValueError."""
        part = np.empty((*self._lead, count, *self._rest), self.dtype)
        for offset, block in self._blocks(begin, part):
            with naming(self.path):
                while block:
                    done = os.preadv(self._file, [block], offset)
                    if not done:
                        raise ValueError(f"{self.path}: the file was cut short meanwhile")
                    offset, block = offset + done, block[done:]
        return part.T if self._fortran else part

    def write(self, begin: int, part: Array) -> None:
        """Time steps from `begin` on, C-contiguous. Raises OSError."""
        for offset, block in self._blocks(begin, part):
            with naming(self.path):
                while block:
                    done = os.pwrite(self._file, block, offset)
                    offset, block = offset + done, block[done:]

    def _blocks(self, begin: int, part: Array) -> Iterator[tuple[int, memoryview]]:
        """The bytes that lie together in the file, with their offsets: one block for each index before T."""
        lead, step = math.prod(self._lead), math.prod(self._rest) * self.dtype.itemsize
        blocks = part.reshape(lead, part.size // lead if lead else 0).view(np.uint8)
        for index, block in enumerate(blocks):
            yield self._start + (index * self.steps + begin) * step, block.data


@contextmanager
def opened(path: Path, batch_first: bool) -> Iterator[SequenceFile]:
    """To read: an array of real floats of any size, byte order and order of axes. Raises OSError and ValueError."""
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait
        raise ValueError(f"{path}: expected a .npy file, got a directory, a device or a pipe")
    with path.open("rb") as file:
        try:
            shape, fortran, dtype = read_header(file)
            start = file.tell()
            check_size(shape, dtype, os.fstat(file.fileno()).st_size - start)
        except ValueError as error:
            raise ValueError(f"{path}: not a valid .npy file: {error}") from error
        if dtype.kind != "f":
            raise TypeError(f"{path}: expected real floating point numbers, got {dtype}")
        if len(shape) not in (2, 3):
            layout = "(B, T, features)" if batch_first else "(T, B, features)"
            raise ValueError(f"{path}: expected an array {layout} or (T, features), got {shape}")
        yield SequenceFile(path, file.fileno(), start, shape, dtype, time_axis(shape, batch_first), fortran)


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The shape, whether in Fortran order, and the dtype of the array in a .npy file. Raises ValueError."""
    try:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version} of the .npy format, which only names of fields need")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as error:  # NumPy's header is a Python literal: what can go wrong is open-ended
        raise ValueError(str(error)) from error
    if dtype.hasobject:
        raise ValueError("an array of Python objects, which only a pickle could hold (allow_pickle=False)")
    if dtype.subdtype is not None:
        raise ValueError("a dtype of arrays")
    return shape, fortran, dtype


def check_size(shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> None:
    """Raises ValueError unless an array takes `size` bytes."""
    is_possible = len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
    # NumPy would overflow where an empty array's other dimensions are as large as this.
    is_countable = is_possible and math.prod(max(1, n) for n in shape) < 2**59
    if not is_countable or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"expected the bytes of {dtype} {shape}, got {size}")


def create(path: Path, file: int, shape: tuple[int, ...], dtype: np.dtype[Any], batch_first: bool) -> SequenceFile:
    """To write, into an open file of which nothing stays: the right header and size, zeros. Raises OSError."""
    start = _header(shape, dtype)
    with naming(path):
        os.ftruncate(file, 0)
        os.pwrite(file, start, 0)
        os.ftruncate(file, len(start) + math.prod(shape) * dtype.itemsize)
    return reopened(path, file, shape, dtype, batch_first)


def reopened(path: Path, file: int, shape: tuple[int, ...], dtype: np.dtype[Any], batch_first: bool) -> SequenceFile:
    """To go on writing what `create` made. Raises ValueError if it is not that."""
    start = _header(shape, dtype)
    size = len(start) + math.prod(shape) * dtype.itemsize
    if os.pread(file, len(start), 0) != start or os.fstat(file).st_size != size:
        raise ValueError(f"{path}: damaged, expected {size} bytes that begin with the header of {dtype} {shape}")
    return SequenceFile(path, file, len(start), shape, dtype, time_axis(shape, batch_first), fortran=False)


def time_axis(shape: tuple[int, ...], batch_first: bool) -> int:
    return 1 if batch_first and len(shape) == 3 else 0


def _header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    text = io.BytesIO()
    npy.write_array_header_1_0(text, {"shape": shape, "fortran_order": False, "descr": npy.dtype_to_descr(dtype)})
    return text.getvalue()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError of what is done with an open file does not tell which file: adds it."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
