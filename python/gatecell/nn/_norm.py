"""LayerNorm and BatchNorm1d."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base import arrays as _arrays
from .._base.arrays import Floats
from .._base.checks import check_bool, check_int
from .._base.defaults import check_device, choose_dtype
from .._modules.module import Module
from .._modules.parameter import Unloaded


def layer_norm(
    input: Any,
    normalized_shape: Sequence[int],
    weight: Floats | None = None,
    bias: Floats | None = None,
    eps: float = 1e-5,
) -> Floats:
    """torch.nn.functional.layer_norm: (x - mean) / sqrt(variance + eps) * weight + bias.

    Mean and variance (biased) are taken over the last axes of x, which have the sizes normalized_shape. weight and bias
    have the shape normalized_shape. Keeps the shape of the input. The dtype is the weight's, or without a weight the
    input's. Raises ValueError for an input of another shape.
    """
    shape = tuple(normalized_shape)
    x = _arrays.view(input, "input") if weight is None else _arrays.floats(input, weight.dtype, "input")
    lead = x.shape[: x.ndim - len(shape)]
    if x.shape != (*lead, *shape):
        raise ValueError(f"expected input ({', '.join(['...', *map(str, shape)])}), got {x.shape}")
    rows = x.reshape(*lead, math.prod(shape))
    # add.reduce replaces ndarray.mean, which takes longer than all the arithmetic of a small array.
    total = np.add.reduce(rows, axis=-1, keepdims=True)
    centred = rows - total / rows.shape[-1]
    deviation = np.add.reduce(centred * centred, axis=-1, keepdims=True)
    deviation /= rows.shape[-1]
    deviation += eps
    centred /= np.sqrt(deviation, out=deviation)
    y: Floats = centred.reshape(x.shape)
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return y


def batch_norm(
    input: Any,
    running_mean: Floats | None,
    running_var: Floats | None,
    weight: Floats | None = None,
    bias: Floats | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Floats:
    """torch.nn.functional.batch_norm: (x - mean) / sqrt(variance + eps) * weight + bias for each index of axis 1.

    input: (B, C) or (B, C, ...). The other arrays are (C). Mean and variance are running_mean and running_var; if
    one of them is None, both are computed from the input. momentum is for training and has no effect. Raises ValueError
    for an input of another shape and for training=True.
    """
    if training:
        raise ValueError("expected training=False: gatecell is for inference only")
    x = _arrays.view(input, "input") if running_mean is None else _arrays.floats(input, running_mean.dtype, "input")
    channels = next((len(values) for values in (running_mean, weight) if values is not None), None)
    if x.ndim < 2 or channels not in (None, x.shape[1]):
        raise ValueError(f"expected input (B, {'C' if channels is None else channels}, ...), got {x.shape}")
    if running_mean is None or running_var is None:
        others = (0, *range(2, x.ndim))
        running_mean = x.mean(others)
        running_var = np.square(x - running_mean.reshape(-1, *(1,) * (x.ndim - 2))).mean(others)
    scale = 1 / np.sqrt(running_var + eps)
    if weight is not None:
        scale = scale * weight
    shift = -running_mean * scale
    if bias is not None:
        shift += bias
    tail = (-1, *(1,) * (x.ndim - 2))
    y: Floats = x * scale.reshape(tail)
    y += shift.reshape(tail)
    return y


class LayerNorm(Module):
    """torch.nn.LayerNorm over the last axes, which have the sizes normalized_shape; see `functional.layer_norm`."""

    weight: Floats | None
    bias: Floats | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: object = None,
        dtype: Any = None,
    ) -> None:
        check_device(device)
        sizes = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        self.normalized_shape = tuple(check_int("normalized_shape", size) for size in sizes)
        if not sizes or math.prod(self.normalized_shape) < 1:
            raise ValueError(f"expected normalized_shape of sizes of at least 1, got {normalized_shape}")
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        kind = choose_dtype(dtype)
        for name, there in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            self.register_parameter(name, Unloaded(name, self.normalized_shape, kind) if there else None)

    def forward(self, input: Any) -> Floats:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class BatchNorm1d(Module):
    """torch.nn.BatchNorm1d with the running statistics, for (B, C) or (B, C, T); see `functional.batch_norm`.

    With track_running_stats=False the statistics are computed from the input, as in torch.
    """

    weight: Floats | None
    bias: Floats | None
    running_mean: Floats | None
    running_var: Floats | None
    _optional = frozenset({"num_batches_tracked"})  # older files lack it, and inference does not need it

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: object = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        check_device(device)
        check_bool("affine", affine)
        self.num_features = check_int("num_features", num_features)
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        kind = choose_dtype(dtype)
        for name, there in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, Unloaded(name, (num_features,), kind) if there else None)
        self.register_buffer("running_mean", np.zeros(num_features, kind) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, kind) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.int64(0) if track_running_stats else None)

    def forward(self, input: Any) -> Floats:
        if np.ndim(input) not in (2, 3) or np.shape(input)[1] != self.num_features:
            raise ValueError(
                f"expected input (B, {self.num_features}) or (B, {self.num_features}, T), got {np.shape(input)}"
            )
        return batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )
