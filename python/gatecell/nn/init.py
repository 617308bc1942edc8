"""torch.nn.init: functions that constructors of models may call. They change nothing.

load_state_dict sets the weights later. Only `calculate_gain` computes something.
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
    """Returns the parameter unchanged."""
    return tensor


dirac_ = eye_ = kaiming_normal_ = kaiming_uniform_ = normal_ = ones_ = orthogonal_ = sparse_ = constant_
trunc_normal_ = uniform_ = xavier_normal_ = xavier_uniform_ = zeros_ = constant_


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain that torch recommends for a nonlinearity. param: the slope of "leaky_relu"."""
    slope = 0.01 if param is None else param
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + slope**2)), "selu": 3 / 4}
    return gains.get(nonlinearity, 1.0)
