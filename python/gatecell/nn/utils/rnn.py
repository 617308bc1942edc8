"""torch.nn.utils.rnn for NumPy arrays: the packing functions of gatecell, and pad_sequence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._networks.packed import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

__all__ = ["PackedSequence", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence"]


def pad_sequence(
    sequences: Iterable[ArrayLike],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> NDArray[Any]:
    """torch.nn.utils.rnn.pad_sequence: puts sequences (L, ...) of different lengths L into one array.

    Returns (T, B, ...), or with batch_first (B, T, ...), in the dtype of the sequences. T is the largest L.
    padding_value fills the steps behind the end of a sequence, or with padding_side="left" before its beginning.
    Raises ValueError for no sequences, for sequences that differ in more than L, and for another padding_side.
    """
    arrays = [np.asarray(sequence) for sequence in sequences]
    if not arrays or any(array.shape[1:] != arrays[0].shape[1:] or not array.ndim for array in arrays):
        raise ValueError(f"expected sequences (L, ...) that differ only in L, got {[array.shape for array in arrays]}")
    if padding_side not in ("right", "left"):
        raise ValueError(f"expected padding_side 'right' or 'left', got {padding_side!r}")
    steps = max(map(len, arrays))
    padded = np.full((len(arrays), steps, *arrays[0].shape[1:]), padding_value, np.result_type(*arrays))
    for row, array in zip(padded, arrays, strict=True):
        row[steps - len(array) if padding_side == "left" else 0 :][: len(array)] = array
    return padded if batch_first else padded.swapaxes(0, 1)
