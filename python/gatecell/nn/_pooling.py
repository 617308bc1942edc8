"""Pooling over time: the largest value or the mean of each window, as functions and as layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base import arrays as _arrays
from .._base.arrays import Floats
from .._modules.module import Module
from ._pad import as_int, pad_last


def max_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Floats:
    """torch.nn.functional.max_pool1d: the largest value of each window of kernel_size steps.

    input: (..., C, T). stride: the distance of windows in steps, by default kernel_size. padding: steps of -infinity at
    both ends, at most half of kernel_size. Returns (..., C, T'), T' = (T + 2*padding - kernel_size) // stride + 1, in
    the input's dtype. Raises ValueError for other shapes and sizes.
    """
    y: Floats = _windows(input, kernel_size, stride, padding, -np.inf).max(-1)
    return y


def avg_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Floats:
    """torch.nn.functional.avg_pool1d: the mean of each window of kernel_size steps.

    Shapes, stride, padding and errors are as for max_pool1d, but the padding is zeros, which count in the mean.
    """
    y: Floats = _windows(input, kernel_size, stride, padding, 0).mean(-1)
    return y


def adaptive_max_pool1d(input: Any, output_size: Any) -> Floats:
    """torch.nn.functional.adaptive_max_pool1d: the largest value in each of output_size windows.

    input: (..., C, T). Window i has the steps from floor(i T / output_size) to below ceil((i + 1) T / output_size).
    Returns (..., C, output_size). Raises ValueError for an empty input or an output_size below 1.
    """
    return np.stack([part.max(-1) for part in _adaptive_windows(input, output_size)], axis=-1)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Floats:
    """torch.nn.functional.adaptive_avg_pool1d: the mean of each of output_size windows, as for adaptive_max_pool1d."""
    return np.stack([part.mean(-1) for part in _adaptive_windows(input, output_size)], axis=-1)


def _windows(input: Any, kernel_size: Any, stride: Any, padding: Any, fill: float) -> Floats:
    x = _arrays.view(input, "input")
    size, side = as_int(kernel_size), as_int(padding)
    step = size if stride is None else as_int(stride)
    if min(size, step) < 1:
        raise ValueError(f"expected kernel_size and stride of at least 1, got {kernel_size} and {stride}")
    if not 0 <= side <= size // 2:
        raise ValueError(f"expected padding from 0 to half of kernel_size={size}, got {side}")
    if x.ndim < 2 or x.shape[-1] + 2 * side < size:
        raise ValueError(f"expected input (..., C, T) of at least {size - 2 * side} steps, got {x.shape}")
    padded = pad_last(x, side, side, "constant", fill)
    return np.lib.stride_tricks.sliding_window_view(padded, size, axis=-1)[..., ::step, :]


def _adaptive_windows(input: Any, output_size: Any) -> list[Floats]:
    """The windows of adaptive pooling, as adaptive_max_pool1d describes them."""
    x, count = _arrays.view(input, "input"), as_int(output_size)
    if x.ndim < 2 or not x.shape[-1] or count < 1:
        raise ValueError(f"expected input (..., C, T) with values and output_size of at least 1, got {x.shape}")
    steps = x.shape[-1]
    return [x[..., i * steps // count : -((i + 1) * steps // -count)] for i in range(count)]


class MaxPool1d(Module):
    """torch.nn.MaxPool1d: (..., C, T) gives (..., C, T'); see `functional.max_pool1d`.

    dilation, return_indices and ceil_mode must have their default values.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        if as_int(dilation) != 1 or return_indices or ceil_mode:
            raise ValueError("expected dilation 1, return_indices=False and ceil_mode=False: others are not supported")
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, input: Any) -> Floats:
        return max_pool1d(input, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        options = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        return f"{options}, dilation=1, ceil_mode=False"


class AvgPool1d(Module):
    """torch.nn.AvgPool1d: (..., C, T) gives (..., C, T'); see `functional.avg_pool1d`.

    ceil_mode and count_include_pad must have their default values.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        if ceil_mode or not count_include_pad:
            raise ValueError("expected ceil_mode=False and count_include_pad=True: others are not supported")
        self.kernel_size = (as_int(kernel_size),)
        self.stride = self.kernel_size if stride is None else (as_int(stride),)
        self.padding = (as_int(padding),)

    def forward(self, input: Any) -> Floats:
        return avg_pool1d(input, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveMaxPool1d(Module):
    """torch.nn.AdaptiveMaxPool1d: (..., C, T) gives (..., C, output_size); see `functional.adaptive_max_pool1d`."""

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, input: Any) -> Floats:
        return adaptive_max_pool1d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveMaxPool1d):
    """torch.nn.AdaptiveAvgPool1d: (..., C, T) gives (..., C, output_size); see `functional.adaptive_avg_pool1d`."""

    def forward(self, input: Any) -> Floats:
        return adaptive_avg_pool1d(input, self.output_size)
