"""The digits that were not used to train the demo's network (python/gatecell/data), as images and as inked pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).parents[2] / "python" / "gatecell" / "data" / "digits.npz"


def load_images() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (360, 8, 8) with values 0 to 16, and labels (360)."""
    with np.load(FILE) as arrays:
        return arrays["images"], arrays["labels"]


def inked_pixels(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Row, column and darkness of each pixel that is not white, scaled to -1..1: (B, T, 3), and their numbers (B)."""
    lengths = (images > 0).sum(axis=(1, 2))
    x = np.zeros((len(images), lengths.max(), 3), np.float32)
    image, row, column = np.nonzero(images)
    step = np.concatenate([np.arange(length) for length in lengths])
    x[image, step] = np.stack([row / 3.5 - 1, column / 3.5 - 1, images[image, row, column] / 8 - 1], axis=1)
    return x, lengths
