"""Activations, as functions and as layers. The result has the shape and dtype of the input, if no dtype is stated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._base import arrays as _arrays
from .._base.arrays import Floats
from .._base.checks import check_int
from .._base.defaults import check_device, choose_dtype
from .._modules.module import Module
from .._modules.parameter import Unloaded
from ._erf import erf


def relu(input: Any, inplace: bool = False) -> Floats:
    """torch.nn.functional.relu: max(0, x). The input stays as it is, even with inplace=True."""
    return np.maximum(_arrays.view(input, "input"), 0)


def tanh(input: Any) -> Floats:
    """torch.nn.functional.tanh."""
    return np.tanh(_arrays.view(input, "input"))


def sigmoid(input: Any) -> Floats:
    """torch.nn.functional.sigmoid: 1 / (1 + exp(-x))."""
    return _over_one_plus_exp(1, np.negative(_arrays.view(input, "input")))


def silu(input: Any, inplace: bool = False) -> Floats:
    """torch.nn.functional.silu: x / (1 + exp(-x)). The input stays as it is, even with inplace=True."""
    x = _arrays.view(input, "input")
    return _over_one_plus_exp(x, np.negative(x))


def _over_one_plus_exp(numerator: Any, exponent: Any) -> Floats:
    """numerator / (1 + exp(exponent)). The result overwrites `exponent`."""
    y: Floats = np.asarray(exponent)  # NumPy makes scalars of arrays without axes
    with np.errstate(over="ignore", invalid="ignore"):  # where exp overflows, the quotient is 0
        np.exp(y, out=y)
        y += 1
        np.divide(numerator, y, out=y)
    return y


# gelu(x) = x / (1 + exp(-x q(x^2))), where x q(x^2) = log(P / (1 - P)) and P = (1 + erf(x/sqrt(2))) / 2. q is smooth,
# so a polynomial approximates it. _GELU has its coefficients, lowest power first. They minimise the largest error of
# gelu on [-5.5, 5.5], which is 4e-8.
_GELU_END = np.float32(5.5)  # for larger abs(x), q is that of 5.5: gelu is x or 0 there, with an error of 1e-7
_GELU = np.array(
    [
        1.59577167,
        7.26604611e-2,
        -5.97480321e-5,
        -1.1280115e-4,
        8.35077481e-6,
        -3.04491067e-7,
        5.27082245e-9,
        -2.77932625e-11,
    ],
    np.float32,
)


def gelu(input: Any, approximate: str = "none") -> Floats:
    """torch.nn.functional.gelu: x/2 (1 + erf(x/sqrt(2))).

    approximate="tanh": x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Raises ValueError for another value than "none"
    and "tanh".
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"expected approximate 'none' or 'tanh', got {approximate!r}")
    x = _arrays.view(input, "input")
    y: Floats
    with np.errstate(over="ignore", invalid="ignore"):  # 0 times -infinity is NaN, as in torch
        if approximate == "tanh":
            y = x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))
        elif x.itemsize > 4:
            y = x * 0.5 * (1 + erf(x * math.sqrt(0.5)))
        else:  # takes a fifth of the time of erf
            square = np.minimum(np.square(x, dtype=np.float32), _GELU_END**2)
            q = square * _GELU[-1]
            for coefficient in _GELU[-2:0:-1]:
                q += coefficient
                q *= square
            q += _GELU[0]
            q *= x
            y = _over_one_plus_exp(x, np.negative(q))
    return y.astype(x.dtype, copy=False)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Floats:
    """torch.nn.functional.leaky_relu: x where x is positive, else negative_slope*x. The input stays as it is."""
    return _leaky(_arrays.view(input, "input"), negative_slope)


def prelu(input: Any, weight: Floats) -> Floats:
    """torch.nn.functional.prelu: x where x is positive, else weight*x.

    input: (...), or (B, C, ...) for a weight (C), which has a slope for each index of axis 1. weight: (1) or (C).
    Returns an array of the weight's dtype. Raises ValueError for an input of another shape.
    """
    x = _arrays.floats(input, weight.dtype, "input")
    count = weight.shape[0] if weight.ndim else 1
    if count > 1 and (x.ndim < 2 or x.shape[1] != count):
        raise ValueError(f"expected input (B, {count}, ...), got {x.shape}")
    return _leaky(x, weight.reshape(-1, *(1,) * (x.ndim - 2)) if count > 1 else weight.reshape(()))


def _leaky(x: Floats, slope: Any) -> Floats:
    with np.errstate(invalid="ignore"):  # 0 times -infinity is NaN, as in torch
        y: Floats = np.asarray(np.minimum(x, 0))  # np.where takes ten times as long
        y *= slope
        y += np.maximum(x, 0)
    return y


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Floats:
    """torch.nn.functional.softmax: exp(x) / sum of exp(x) over the axis dim.

    dim=None takes axis 0 for no, one or three axes, else axis 1. dtype: float32 or float64, to convert x first.
    """
    x = _converted(input, dtype)
    axis = _axis(x, dim)
    with np.errstate(over="ignore", invalid="ignore"):  # where all values are -infinity the result is NaN, as in torch
        y: Floats = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
        y /= y.sum(axis, keepdims=True)
    return y


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Floats:
    """torch.nn.functional.log_softmax: x - log(sum of exp(x)) over the axis dim. dim and dtype are as for softmax."""
    x = _converted(input, dtype)
    axis = _axis(x, dim)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        y: Floats = x - x.max(axis, keepdims=True, initial=-np.inf)
        y -= np.log(np.exp(y).sum(axis, keepdims=True))
    return y


def _converted(input: Any, dtype: Any) -> Floats:
    x = _arrays.view(input, "input")
    return x if dtype is None else _arrays.cast(x, choose_dtype(dtype))


def _axis(x: Floats, dim: int | None) -> int:
    """The axis dim, or torch's default if dim is None: 0 for no, one or three axes, else 1."""
    axis = dim if dim is not None else 0 if x.ndim in (0, 1, 3) else 1
    if not -max(1, x.ndim) <= axis < max(1, x.ndim):
        raise ValueError(f"expected dim of one of {x.ndim} axes, got {dim}")
    return axis


class Tanh(Module):
    """torch.nn.Tanh."""

    def forward(self, input: Any) -> Floats:
        return tanh(input)


class Sigmoid(Module):
    """torch.nn.Sigmoid: 1 / (1 + exp(-x))."""

    def forward(self, input: Any) -> Floats:
        return sigmoid(input)


class ReLU(Module):
    """torch.nn.ReLU: max(0, x). The input stays as it is, even with inplace=True."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, input: Any) -> Floats:
        return relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class SiLU(Module):
    """torch.nn.SiLU: x / (1 + exp(-x)). The input stays as it is, even with inplace=True."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, input: Any) -> Floats:
        return silu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class GELU(Module):
    """torch.nn.GELU: see `functional.gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"expected approximate 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, input: Any) -> Floats:
        return gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class LeakyReLU(Module):
    """torch.nn.LeakyReLU: x where x is positive, else negative_slope*x."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Any) -> Floats:
        return leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class PReLU(Module):
    """torch.nn.PReLU: x where x is positive, else weight*x.

    num_parameters: 1 for one slope, or C for a slope for each index of axis 1. init has no effect.
    """

    weight: Floats

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: object = None, dtype: Any = None) -> None:
        check_device(device)
        self.num_parameters = check_int("num_parameters", num_parameters)
        self.init = init
        self.register_parameter("weight", Unloaded("weight", (num_parameters,), choose_dtype(dtype)))

    def forward(self, input: Any) -> Floats:
        return prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Softmax(Module):
    """torch.nn.Softmax: exp(x) / sum of exp(x) over the axis dim."""

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def forward(self, input: Any) -> Floats:
        return softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """torch.nn.LogSoftmax: x - log(sum of exp(x)) over the axis dim."""

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def forward(self, input: Any) -> Floats:
        return log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
