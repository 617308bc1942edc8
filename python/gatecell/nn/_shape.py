"""Identity, Dropout and Flatten: layers without arithmetic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._modules.module import Module


def dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Returns the input, because inference drops nothing. The other arguments have no effect."""
    return input


class Identity(Module):
    """torch.nn.Identity: returns its input. Takes any constructor arguments and ignores them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, input: Any) -> Any:
        return input


class Dropout(Module):
    """torch.nn.Dropout: returns its input, because inference drops nothing. Raises ValueError for p outside 0 to 1."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"expected p from 0 to 1, got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return input

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Flatten(Module):
    """torch.nn.Flatten: joins the axes from start_dim to end_dim into one. Raises ValueError for axes out of range."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Any) -> Any:
        x = np.asarray(input)
        start, end = (dim + x.ndim if dim < 0 else dim for dim in (self.start_dim, self.end_dim))
        if not 0 <= start <= end < x.ndim:
            raise ValueError(f"expected axes {self.start_dim} to {self.end_dim} of the input, got shape {x.shape}")
        return x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
