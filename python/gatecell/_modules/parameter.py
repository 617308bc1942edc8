"""Parameters of modules: with values, or without values until load_state_dict gives them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.arrays import view


class Parameter:
    """torch.nn.Parameter: after `self.scale = nn.Parameter(values)` the module has a weight with the name "scale".

    values are floating point numbers. The attribute self.scale is then a plain array with the dtype of values. NumPy's
    default dtype is float64.
    """

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        self.data = view(data, "a parameter", force=True)


class Unloaded:
    """Stands for a parameter until load_state_dict gives it values. A computation with it is an error that says so.

    Constructors may initialize it, which has no effect: `weight.data.normal_()`, `nn.init.zeros_(weight)`.
    """

    def __init__(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.ndim = len(shape)
        self.size = math.prod(shape)

    @property
    def data(self) -> Unloaded:
        return self

    def astype(self, dtype: np.dtype[Any]) -> Unloaded:
        return Unloaded(self.name, self.shape, dtype)

    def __array__(self, *args: Any, **kwargs: Any) -> NDArray[Any]:
        raise RuntimeError(f"{self.name} {self.shape} has no values yet: call load_state_dict first")

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # optional methods that Python and NumPy look for
            raise AttributeError(attribute)
        if attribute.endswith("_"):  # torch's methods that change their tensor end like this
            return lambda *args, **kwargs: self
        return self.__array__()
