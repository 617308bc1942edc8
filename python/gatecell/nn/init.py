"""torch.nn.init for models whose weights load_state_dict brings: nothing is drawn and nothing changes.

The functions are there for constructors that call them; only `calculate_gain` computes something.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def constant_(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """The parameter as it is."""
    return tensor


dirac_ = eye_ = kaiming_normal_ = kaiming_uniform_ = normal_ = ones_ = orthogonal_ = sparse_ = constant_
trunc_normal_ = uniform_ = xavier_normal_ = xavier_uniform_ = zeros_ = constant_


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """torch's recommended gain of a nonlinearity."""
    slope = 0.01 if param is None else param
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + slope**2)), "selu": 3 / 4}
    return gains.get(nonlinearity, 1.0)
