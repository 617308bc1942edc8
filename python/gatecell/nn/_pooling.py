"""Pooling over time: the largest or the mean value of each window, as functions and as layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base import arrays as _arrays
from .._base.arrays import Floats
from .._modules.module import Module
from ._pad import one, pad_last


def max_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Floats:
    """The largest of each kernel_size steps, every stride (kernel_size if not given): (..., T) gives (..., T')."""
    y: Floats = _windows(input, kernel_size, stride, padding, -np.inf).max(-1)
    return y


def avg_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Floats:
    """The mean of each kernel_size steps, every stride (kernel_size if not given), zeros of the padding counted."""
    y: Floats = _windows(input, kernel_size, stride, padding, 0).mean(-1)
    return y


def adaptive_max_pool1d(input: Any, output_size: Any) -> Floats:
    """The largest values of output_size parts of the time axis, of about the same size."""
    return np.stack([part.max(-1) for part in _parts(input, output_size)], axis=-1)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Floats:
    """The means of output_size parts of the time axis, of about the same size."""
    return np.stack([part.mean(-1) for part in _parts(input, output_size)], axis=-1)


def _windows(input: Any, kernel_size: Any, stride: Any, padding: Any, fill: float) -> Floats:
    x = _arrays.view(input, "input")
    size, side = one(kernel_size), one(padding)
    step = size if stride is None else one(stride)
    if min(size, step) < 1:
        raise ValueError(f"expected kernel_size and stride of at least 1, got {kernel_size} and {stride}")
    if not 0 <= side <= size // 2:
        raise ValueError(f"expected padding from 0 to half of kernel_size={size}, got {side}")
    if x.ndim < 2 or x.shape[-1] + 2 * side < size:
        raise ValueError(f"expected input (..., C, T) of at least {size - 2 * side} steps, got {x.shape}")
    padded = pad_last(x, side, side, "constant", fill)
    return np.lib.stride_tricks.sliding_window_view(padded, size, axis=-1)[..., ::step, :]


def _parts(input: Any, output_size: Any) -> list[Floats]:
    """Part i of n goes from floor(i T/n) to ceil((i + 1) T/n)."""
    x, count = _arrays.view(input, "input"), one(output_size)
    if x.ndim < 2 or not x.shape[-1] or count < 1:
        raise ValueError(f"expected input (..., C, T) with values and output_size of at least 1, got {x.shape}")
    steps = x.shape[-1]
    return [x[..., i * steps // count : -((i + 1) * steps // -count)] for i in range(count)]


class MaxPool1d(Module):
    """torch.nn.MaxPool1d: (..., T) gives (..., T'); see `functional.max_pool1d`. The last three have their defaults."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        if one(dilation) != 1 or return_indices or ceil_mode:
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
    """torch.nn.AvgPool1d: (..., T) gives (..., T'); see `functional.avg_pool1d`. The last two have their defaults."""

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
        self.kernel_size = (one(kernel_size),)
        self.stride = self.kernel_size if stride is None else (one(stride),)
        self.padding = (one(padding),)

    def forward(self, input: Any) -> Floats:
        return avg_pool1d(input, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveMaxPool1d(Module):
    """torch.nn.AdaptiveMaxPool1d: (..., T) gives (..., output_size)."""

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, input: Any) -> Floats:
        return adaptive_max_pool1d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveMaxPool1d):
    """torch.nn.AdaptiveAvgPool1d: (..., T) gives (..., output_size)."""

    def forward(self, input: Any) -> Floats:
        return adaptive_avg_pool1d(input, self.output_size)
