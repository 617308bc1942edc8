"""The product of matrices that Linear and the convolutions are: by NumPy's BLAS, in pieces for float32's sake.

A BLAS may add up 256 and more products one after the other, whose rounding then exceeds 4 times that of PyTorch's.
"""

from __future__ import annotations

from .._base.arrays import Floats

_PIECE = 128  # products in a chain; half of that costs a fifth more time and is no more exact where it matters


def product(a: Floats, b: Floats) -> Floats:
    """a @ b, for stacks of matrices too."""
    size = a.shape[-1]
    if size <= _PIECE or a.itemsize > 4 or a.ndim < 2 or a.shape[-2] == 1:  # a single row is summed by vectors
        y: Floats = a @ b
        return y
    piece = -(-size // -(-size // _PIECE))
    y = a[..., :piece] @ b[..., :piece, :]
    for start in range(piece, size, piece):
        y += a[..., start : start + piece] @ b[..., start : start + piece, :]
    return y
