"""Parameters of modules: given with values, or standing for values that load_state_dict brings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.arrays import view


class Parameter:
    """torch.nn.Parameter: `self.scale = nn.Parameter(values)` makes values, floats, a weight by the name of "scale".

    The attribute is then the plain array, of values' dtype: mind that NumPy's own default is float64.
    """

    __module__ = "gatecell.nn"  # where it is public

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        self.data = view(data, "a parameter", force=True)


class Unloaded:
    """Stands for a parameter until load_state_dict gives it values: to compute with it is an error that says so.

    Constructors may give it first values, in vain: `weight.data.normal_()`, `nn.init.zeros_(weight)`.
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
        if attribute.startswith("__"):  # Python and NumPy ask for what is optional
            raise AttributeError(attribute)
        if attribute.endswith("_"):  # torch's name of a method that changes its tensor
            return lambda *args, **kwargs: self
        return self.__array__()
