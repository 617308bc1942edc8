"""The digits that the demo's network has not seen (python/gatecell/data), as rows of an image and as inked pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).parents[2] / "python" / "gatecell" / "data" / "digits.npz"


def load_images() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (360, 8, 8), 0 to 16, and labels (360)."""
    with np.load(FILE) as arrays:
        return arrays["images"], arrays["labels"]


def inked(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Row, column and darkness, each -1 to 1, of every pixel that is not white: (B, T, 3), and how many (B)."""
    lengths = (images > 0).sum(axis=(1, 2))
    x = np.zeros((len(images), lengths.max(), 3), np.float32)
    image, row, column = np.nonzero(images)
    step = np.concatenate([np.arange(length) for length in lengths])
    x[image, step] = np.stack([row / 3.5 - 1, column / 3.5 - 1, images[image, row, column] / 8 - 1], axis=1)
    return x, lengths
