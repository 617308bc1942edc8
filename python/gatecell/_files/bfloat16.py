"""bfloat16, which NumPy lacks, as float32: its bits are the upper half."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 22  # elements


def widened(bfloat16: NDArray[Any]) -> NDArray[np.float32]:
    """The float32 of C-contiguous 16-bit integers. Of a file's map only a few pages are in memory at a time."""
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
            _forget(content, part.ctypes.data - whole.ctypes.data, part.nbytes)
    return bits.view(np.float32)


def _forget(content: mmap.mmap, begin: int, size: int) -> None:
    """Lets go of pages of the map: who reads them again gets them from the file."""
    before = begin % mmap.PAGESIZE
    content.madvise(mmap.MADV_DONTNEED, begin - before, size + before)
