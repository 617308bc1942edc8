"""Linear: an affine map of the last axis."""

from __future__ import annotations

from typing import Any

from .._base import arrays as _arrays
from .._base.arrays import Floats
from .._base.checks import check_bool, check_int
from .._base.defaults import check_device, choose_dtype
from .._modules.module import Module
from .._modules.parameter import Unloaded
from ._product import product


def linear(input: Any, weight: Floats, bias: Floats | None = None) -> Floats:
    """torch.nn.functional.linear: y = x W^T + b.

    input: (..., in), converted to the weight's dtype. weight: (out, in). bias: (out). Returns y (..., out) in the
    weight's dtype. Raises ValueError for an input of another shape, TypeError for one that is not real floating point.
    """
    x = _arrays.floats(input, weight.dtype, "input")
    if x.ndim == 0 or x.shape[-1] != weight.shape[-1]:
        raise ValueError(f"expected input (..., {weight.shape[-1]}), got {x.shape}")
    # With two axes NumPy computes one product of matrices, with more axes one for each index of the leading axes.
    y = product(x.reshape(-1, x.shape[-1]) if x.ndim > 2 else x, weight.T)
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], len(weight)) if x.ndim > 2 else y


class Linear(Module):
    """torch.nn.Linear: y = x W^T + b over the last axis. (..., in_features) gives (..., out_features)."""

    weight: Floats
    bias: Floats | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: object = None, dtype: Any = None
    ) -> None:
        check_device(device)
        check_bool("bias", bias)
        self.in_features = check_int("in_features", in_features)
        self.out_features = check_int("out_features", out_features)
        kind = choose_dtype(dtype)
        self.register_parameter("weight", Unloaded("weight", (out_features, in_features), kind))
        self.register_parameter("bias", Unloaded("bias", (out_features,), kind) if bias else None)

    def forward(self, input: Any) -> Floats:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
