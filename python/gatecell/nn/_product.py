"""The product of matrices for Linear and the convolutions. It uses NumPy's BLAS, in float32 piece by piece.

A BLAS may add 256 or more products in one chain. The rounding error then exceeds 4 times the error of PyTorch.
"""

from __future__ import annotations

from .._base.arrays import Floats

_PIECE = 128  # products in a chain; with 64 it takes a fifth more time, without smaller errors where it matters


def product(a: Floats, b: Floats) -> Floats:
    """a @ b, also for stacks of matrices."""
    size = a.shape[-1]
    # Pieces are not needed for a single matrix row, as a BLAS then adds in several chains.
    if size <= _PIECE or a.itemsize > 4 or a.ndim < 2 or a.shape[-2] == 1:
        y: Floats = a @ b
        return y
    piece = -(-size // -(-size // _PIECE))
    y = a[..., :piece] @ b[..., :piece, :]
    for start in range(piece, size, piece):
        y += a[..., start : start + piece] @ b[..., start : start + piece, :]
    return y
