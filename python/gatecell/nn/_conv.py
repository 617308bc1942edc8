"""Conv1d and ConvTranspose1d: a matrix of windows of the input, and one product of matrices.

The channels of a step are adjacent in memory, although axis 1 is C. A Conv1d returns a view of such memory, so the next
Conv1d copies blocks of channels, not single numbers. The weight of a Conv1d has the same order in memory from loading
on. Models of audio call small convolutions once for each frame. Then most of the time goes into NumPy's calls, so each
function here makes few of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base import arrays as _arrays
from .._base.arrays import Floats
from .._base.checks import check_bool, check_int
from .._base.defaults import check_device, choose_dtype
from .._modules.module import Module
from .._modules.parameter import Unloaded
from ._pad import MODES, as_int, pad_last
from ._product import product


def conv1d(
    input: Any,
    weight: Floats,
    bias: Floats | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Floats:
    """torch.nn.functional.conv1d: y[o, t] = b[o] + sum over i, k of w[o, i, k] x[i, t*stride + k*dilation - padding].

    input: (B, in, T) or (in, T). weight: (out, in/groups, K). bias: (out). padding: the number of zeros at both ends,
    "valid" for none, or "same" for T' = T (stride 1 only). Returns y (B, out, T') or (out, T') in the weight's dtype,
    T' = (T + 2*padding - dilation*(K - 1) - 1) // stride + 1. Raises ValueError for sizes that do not fit.
    """
    step, reach = as_int(stride), as_int(dilation)
    return _conv(input, weight, bias, step, _sides(padding, weight.shape[2], step, reach), reach, groups, "constant")


def conv_transpose1d(
    input: Any,
    weight: Floats,
    bias: Floats | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Floats:
    """torch.nn.functional.conv_transpose1d: adds w[i, o, k] x[i, t] to y[o, t*stride + k*dilation - padding].

    y begins with b[o], and the sum is over all i, t and k. input: (B, in, T) or (in, T). weight: (in, out/groups, K).
    bias: (out). Returns y (B, out, T') or (out, T') in the weight's dtype,
    T' = (T - 1)*stride - 2*padding + dilation*(K - 1) + output_padding + 1.
    Raises ValueError for sizes that do not fit.
    """
    step, cut, extra, reach = as_int(stride), as_int(padding), as_int(output_padding), as_int(dilation)
    if not 0 <= extra < max(step, reach):
        raise ValueError(f"expected output_padding from 0 to below stride or dilation, got {extra}")
    channels, of_group, size = weight.shape
    x = _checked(input, weight, channels)
    batch, _, steps = x.shape
    matrix = weight.reshape(groups, channels // groups, of_group * size).swapaxes(1, 2)
    # All products, before they are added: (groups, outputs of the group times K, rows times steps).
    rows = x.reshape(batch, groups, channels // groups, steps).transpose(1, 2, 0, 3)
    products = product(matrix, rows.reshape(groups, channels // groups, batch * steps))
    taps = products.reshape(groups * of_group, size, batch, steps).transpose(1, 2, 0, 3)
    length = (steps - 1) * step + reach * (size - 1) + extra + 1 - 2 * cut
    if length < 1 or not steps:
        raise ValueError(f"expected input longer than {steps} steps: the output would have {length}")
    whole = np.zeros((batch, groups * of_group, length + 2 * cut), x.dtype)
    for k in range(size):
        whole[:, :, k * reach : k * reach + (steps - 1) * step + 1 : step] += taps[k]
    y = np.ascontiguousarray(whole[:, :, cut : cut + length])
    if bias is not None:
        y += bias[:, None]
    return y if np.ndim(input) == 3 else y[0]


def _conv(
    input: Any,
    weight: Floats,
    bias: Floats | None,
    stride: int,
    sides: tuple[int, int],
    dilation: int,
    groups: int,
    mode: str,
) -> Floats:
    out, of_group, size = weight.shape
    x = _checked(input, weight, of_group * groups)
    unbatched = np.ndim(input) == 2
    if sides != (0, 0):
        x = pad_last(x, *sides, mode)
    batch, _, length = x.shape
    steps = (length - dilation * (size - 1) - 1) // stride + 1
    if steps < 1:
        raise ValueError(
            f"expected input of at least {dilation * (size - 1) + 1 - sum(sides)} steps, got {length - sum(sides)}"
        )
    x = _arrays.contiguous(x.swapaxes(1, 2))
    row, time, channel = x.strides
    windows: Floats = np.ndarray(  # a view of x, (groups, B, T', K, inputs of the group)
        (groups, batch, steps, size, of_group),
        x.dtype,
        x,
        0,
        (channel * of_group, row, time * stride, time * dilation, channel),
    )
    columns = windows.reshape(groups, batch * steps, size * of_group)
    matrices = weight.swapaxes(1, 2).reshape(groups, out // groups, size * of_group)
    if groups == 1:
        sums = product(columns[0], matrices[0].T)
    else:
        sums = product(columns, matrices.swapaxes(1, 2)).swapaxes(0, 1).reshape(batch * steps, out)
    if bias is not None:
        sums += bias
    y: Floats = sums.reshape(batch, steps, out).swapaxes(1, 2)
    return y[0] if unbatched else y


def _checked(input: Any, weight: Floats, channels: int) -> Floats:
    """The input as an array (B, channels, T) of the weight's dtype. Raises ValueError for another shape."""
    x = _arrays.floats(input, weight.dtype, "input")
    if not 2 <= x.ndim <= 3 or x.shape[-2] != channels:
        raise ValueError(f"expected input (B, {channels}, T) or ({channels}, T), got {x.shape}")
    return x if x.ndim == 3 else x[None]


def _sides(padding: Any, size: int, stride: int, dilation: int) -> tuple[int, int]:
    """The numbers of steps to add before and behind."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        if stride != 1:
            raise ValueError(f"expected stride 1 with padding='same', got {stride}")
        total = dilation * (size - 1)
        return total // 2, total - total // 2
    side = as_int(padding)
    if side < 0:
        raise ValueError(f"expected padding of at least 0, got {side}")
    return side, side


class _Conv(Module):
    """Base of the convolutions: sizes, weights and the repr."""

    weight: Floats
    bias: Floats | None
    transposed: bool

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: object,
        dtype: Any,
    ) -> None:
        check_device(device)
        check_bool("bias", bias)
        self.in_channels = check_int("in_channels", in_channels)
        self.out_channels = check_int("out_channels", out_channels)
        self.groups = check_int("groups", groups)
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"expected channels divisible by groups={groups}, got {in_channels} and {out_channels}")
        if padding_mode not in MODES:
            raise ValueError(f"expected padding_mode out of {', '.join(MODES)}, got {padding_mode!r}")
        self.kernel_size = (as_int(kernel_size),)
        self.stride = (as_int(stride),)
        self.dilation = (as_int(dilation),)
        if min(self.kernel_size + self.stride + self.dilation) < 1:
            raise ValueError("expected kernel_size, stride and dilation of at least 1")
        self.padding: str | tuple[int] = padding if isinstance(padding, str) else (as_int(padding),)
        self.output_padding = (as_int(output_padding),)
        self.padding_mode = padding_mode
        kind = choose_dtype(dtype)
        lead = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.register_parameter("weight", Unloaded("weight", (*lead, *self.kernel_size), kind))
        self.register_parameter("bias", Unloaded("bias", (out_channels,), kind) if bias else None)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != (0,) else ""
        text += f", dilation={self.dilation}" if self.dilation != (1,) else ""
        text += f", output_padding={self.output_padding}" if self.output_padding != (0,) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class Conv1d(_Conv):
    """torch.nn.Conv1d: (B, in_channels, T) gives (B, out_channels, T'), also without B; see `functional.conv1d`."""

    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: object = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self._sides = _sides(padding, self.kernel_size[0], self.stride[0], self.dilation[0])
        self._mode = MODES[padding_mode]

    def _laid_out(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        return array.swapaxes(1, 2).copy().swapaxes(1, 2) if name == "weight" else super()._laid_out(name, array)

    def forward(self, input: Any) -> Floats:
        return _conv(
            input, self.weight, self.bias, self.stride[0], self._sides, self.dilation[0], self.groups, self._mode
        )


class ConvTranspose1d(_Conv):
    """torch.nn.ConvTranspose1d: (B, in_channels, T) gives (B, out_channels, T'); see `functional.conv_transpose1d`."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: object = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"expected padding_mode 'zeros' for ConvTranspose1d, got {padding_mode!r}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Any, output_size: Any = None) -> Floats:
        extra = self.output_padding[0]
        if output_size is not None:
            shortest = (
                (np.shape(input)[-1] - 1) * self.stride[0]
                - 2 * as_int(self.padding)
                + self.dilation[0] * (self.kernel_size[0] - 1)
                + 1
            )
            extra = as_int(output_size[-1:]) - shortest
        return conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )
