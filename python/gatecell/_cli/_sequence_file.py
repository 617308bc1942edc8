"""Reads and writes a sequence in a .npy file by chunks of time steps, so that it may be larger than memory.

The module uses reads and writes in place of a memory map. A file that gets shorter and a full disk are then errors, not
signals, and steps that were read take no memory any longer. Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
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
    """An open .npy file of shape (T, features), (T, B, features) or (B, T, features). `time` numbers axis T."""

    def __init__(
        self, path: Path, file: int, start: int, shape: tuple[int, ...], dtype: np.dtype[Any], time: int, fortran: bool
    ) -> None:
        self.path, self.shape, self.dtype, self.time = path, shape, dtype, time
        self.steps, self.rows = shape[time], shape[1 - time] if len(shape) == 3 else 1
        self.layout = "(T, features)" if len(shape) == 2 else "(B, T, features)" if time else "(T, B, features)"
        self._file, self._start, self._fortran = file, start, fortran
        stored, axis = (shape[::-1], len(shape) - 1 - time) if fortran else (shape, time)
        self._lead, self._rest = stored[:axis], stored[axis + 1 :]  # the axes before and after T, in the file's order

    @property
    def step_bytes(self) -> int:
        """The bytes of one time step of all rows."""
        return math.prod(self._lead) * math.prod(self._rest) * self.dtype.itemsize

    def read(self, begin: int, count: int) -> Array:
        """Reads `count` time steps from `begin` on into a new array. Raises OSError and ValueError."""
        part = np.empty((*self._lead, count, *self._rest), self.dtype)
        for offset, block in self._blocks(begin, part):
            with file_named_in_errors(self.path):
                while block:
                    done = os.preadv(self._file, [block], offset)
                    if not done:
                        raise ValueError(f"{self.path}: the file has become shorter during the run")
                    offset, block = offset + done, block[done:]
        return part.T if self._fortran else part

    def write(self, begin: int, part: Array) -> None:
        """Writes time steps, a C-contiguous array, from step `begin` on. Raises OSError."""
        for offset, block in self._blocks(begin, part):
            with file_named_in_errors(self.path):
                while block:
                    done = os.pwrite(self._file, block, offset)
                    offset, block = offset + done, block[done:]

    def _blocks(self, begin: int, part: Array) -> Iterator[tuple[int, memoryview]]:
        """The blocks of bytes that are contiguous in the file, with their offsets: one for each index before axis T."""
        lead, step = math.prod(self._lead), math.prod(self._rest) * self.dtype.itemsize
        blocks = part.reshape(lead, part.size // lead if lead else 0).view(np.uint8)
        for index, block in enumerate(blocks):
            yield self._start + (index * self.steps + begin) * step, block.data


@contextmanager
def open_sequence(path: Path, batch_first: bool) -> Iterator[SequenceFile]:
    """Opens a file to read. It must hold real floats, of any size, byte order and order of axes.

    Raises OSError, ValueError and TypeError.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for its writer
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
    is_possible = len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
    # NumPy would overflow where an empty array's other dimensions are as large as this.
    is_countable = is_possible and math.prod(max(1, n) for n in shape) < 2**59
    if not is_countable or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"expected the bytes of {dtype} {shape}, got {size}")


def create(path: Path, file: int, shape: tuple[int, ...], dtype: np.dtype[Any], batch_first: bool) -> SequenceFile:
    """Replaces the content of an open file by a header and zeros, to write the steps later. Raises OSError."""
    start = _header(shape, dtype)
    with file_named_in_errors(path):
        os.ftruncate(file, 0)
        os.pwrite(file, start, 0)
        os.ftruncate(file, len(start) + math.prod(shape) * dtype.itemsize)
    return reopen(path, file, shape, dtype, batch_first)


def reopen(path: Path, file: int, shape: tuple[int, ...], dtype: np.dtype[Any], batch_first: bool) -> SequenceFile:
    """Goes on with an open file that `create` made. Raises ValueError if its header or size is different."""
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
def file_named_in_errors(path: Path) -> Iterator[None]:
    """Adds the file's name to an OSError. Errors of operations on open files lack it."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
