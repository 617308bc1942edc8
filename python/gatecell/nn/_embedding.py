"""Embedding: looks up vectors in a table by their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base.arrays import Floats, integers
from .._base.checks import check_int
from .._base.defaults import check_device, choose_dtype
from .._modules.module import Module
from .._modules.parameter import Parameter, Unloaded


def embedding(
    input: Any,
    weight: Floats,
    padding_idx: int | None = None,
    max_norm: None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Floats:
    """torch.nn.functional.embedding: looks up the matrix rows of weight.

    input: integers (...) from 0 to N-1. weight: (N, D). Returns (..., D) in the weight's dtype. Raises ValueError for
    integers out of range and for a max_norm. The other arguments are for training and have no effect.
    """
    if max_norm is not None:
        raise ValueError("expected max_norm None: it changes the weights at every call, which is not supported")
    indices = integers(input, "input")
    count = weight.shape[0]
    if indices.size and not 0 <= indices.min() <= indices.max() < count:  # NumPy allows negative ones
        raise ValueError(f"expected indices from 0 to {count - 1}, got {indices.min()} to {indices.max()}")
    rows: Floats = weight.take(indices.astype(np.intp, copy=False), axis=0)
    return rows


class Embedding(Module):
    """torch.nn.Embedding: integers (...) give (..., embedding_dim). The vector of padding_idx is one like the others.

    max_norm must be None. norm_type, scale_grad_by_freq, sparse and _freeze are for training and have no effect.
    """

    weight: Floats

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: object = None,
        dtype: Any = None,
    ) -> None:
        check_device(device)
        self.num_embeddings = check_int("num_embeddings", num_embeddings)
        self.embedding_dim = check_int("embedding_dim", embedding_dim)
        if padding_idx is not None:
            if not -num_embeddings <= check_int("padding_idx", padding_idx) < num_embeddings:
                raise ValueError(f"expected padding_idx within num_embeddings={num_embeddings}, got {padding_idx}")
            padding_idx %= num_embeddings
        if max_norm is not None:
            raise ValueError("expected max_norm None: it changes the weights at every call, which is not supported")
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        shape = (num_embeddings, embedding_dim)
        if _weight is None:
            self.register_parameter("weight", Unloaded("weight", shape, choose_dtype(dtype)))
        else:
            self.register_parameter("weight", Parameter(_weight))
            if self.weight.shape != shape:
                raise ValueError(f"expected weight {shape}, got {self.weight.shape}")

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """An Embedding with the table `embeddings` (N, D) as its weight. freeze has no effect."""
        count, features = np.shape(embeddings)
        return cls(count, features, padding_idx, _weight=embeddings)

    def forward(self, input: Any) -> Floats:
        return embedding(input, self.weight)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
