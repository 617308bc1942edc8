"""torch.nn.functional for NumPy arrays: functions that models around recurrent layers call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base import arrays as _arrays
from .._base.arrays import Floats, integers
from .._base.checks import check_int
from ._activations import gelu, leaky_relu, log_softmax, prelu, relu, sigmoid, silu, softmax, tanh
from ._conv import conv1d, conv_transpose1d
from ._embedding import embedding
from ._linear import linear
from ._norm import batch_norm, layer_norm
from ._pad import pad
from ._pooling import adaptive_avg_pool1d, adaptive_max_pool1d, avg_pool1d, max_pool1d
from ._shape import dropout

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_max_pool1d",
    "avg_pool1d",
    "batch_norm",
    "conv1d",
    "conv_transpose1d",
    "dropout",
    "embedding",
    "gelu",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "normalize",
    "one_hot",
    "pad",
    "prelu",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]


def one_hot(tensor: Any, num_classes: int = -1) -> NDArray[np.int64]:
    """torch.nn.functional.one_hot: integers (...) give int64 (..., num_classes), with 1 at the index of the integer.

    num_classes=-1 takes the largest integer plus 1. Raises ValueError for integers outside 0 to num_classes - 1.
    """
    numbers = integers(tensor, "tensor")
    if num_classes == -1:
        num_classes = int(numbers.max(initial=-1)) + 1
    if num_classes < 1 or (numbers.size and not 0 <= numbers.min() <= numbers.max() < num_classes):
        raise ValueError(f"expected numbers from 0 to below num_classes={num_classes}, got some outside, or none")
    classes: NDArray[np.int64] = np.arange(num_classes)
    hot: NDArray[np.int64] = (numbers[..., None] == classes).astype(np.int64)
    return hot


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Floats:
    """torch.nn.functional.normalize: x / max(norm, eps), with the norm of order p over the axis dim."""
    x = _arrays.view(input, "input")
    norm = np.linalg.norm(x, p, check_int("dim", dim), keepdims=True)
    y: Floats = x / np.maximum(norm, np.asarray(eps, x.dtype))
    return y
