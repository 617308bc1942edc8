"""Converts bfloat16, which NumPy lacks, to float32: the bits of a bfloat16 are the upper half of a float32."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 22  # elements


def widened(bfloat16: NDArray[Any]) -> NDArray[np.float32]:
    """Float32 values of bfloat16 numbers, which are given as C-contiguous 16-bit integers.

    If the numbers lie in a file's memory map, only about 8 MB of it are in memory at a time.
    """
    whole, content = bfloat16, bfloat16.base
    while isinstance(content, np.ndarray):
        whole, content = content, content.base
    content = content.obj if isinstance(content, memoryview) else content
    bits = np.empty(bfloat16.shape, np.uint32)
    source, target = bfloat16.reshape(-1), bits.reshape(-1)
    for begin in range(0, source.size, _BLOCK):
        part = source[begin : begin + _BLOCK]
        np.left_shift(part, 16, out=target[begin : begin + _BLOCK], dtype=np.uint32)
        if isinstance(content, mmap.mmap):
            _drop_pages(content, part.ctypes.data - whole.ctypes.data, part.nbytes)
    return bits.view(np.float32)


def _drop_pages(content: mmap.mmap, begin: int, size: int) -> None:
    """Removes pages of the map from memory. A later access reads them from the file again."""
    before = begin % mmap.PAGESIZE
    content.madvise(mmap.MADV_DONTNEED, begin - before, size + before)
