"""The bound that is promised: how far a layer's outputs may be from a float64 reference, and where they are furthest.

In float32 4 times the other implementation's own float32 error, or 1e-6 * max(1, |reference|); in float64
4e-13 * max(1, |reference|). Only where sums are large (S > 100, see _largest_sum) these floors grow to S/10 times as
much: a sum is rounded in proportion to the numbers it is made of, and where these cancel nothing else shows their size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ._reference import Outputs
from ._sizes import Floats

FLOORS = {"float32": 1e-6, "float64": 4e-13}  # times max(1, |reference|)
LARGE = 100


class Bound(NamedTuple):
    dtype: str  # the network's
    rounding: float  # the largest error of the other implementation in float32
    largest_sum: float  # S

    @property
    def growth(self) -> float:
        """How many times the floors are allowed."""
        return self.largest_sum / 10 if self.largest_sum > LARGE else 1.0

    def allowed(self, reference: Floats) -> Floats:
        """The largest difference, for each element."""
        floor = FLOORS[self.dtype] * self.growth * np.maximum(1, np.abs(reference))
        return np.maximum(4 * self.rounding, floor) if self.dtype == "float32" else floor

    def described(self, whose: str) -> str:
        """What `allowed` is made of, in words; `whose` is the other implementation."""
        floor = f"{FLOORS[self.dtype]:.0e} * max(1, |reference|)"
        if self.growth > 1:
            floor += f" * S/10, S = {self.largest_sum:.4g} the largest sum of |w||x| + |b| of a gate"
        if self.dtype == "float64":
            return floor
        return f"the larger of 4 times {whose}'s own float32 error ({self.rounding:.1e}) and {floor}"


class Furthest(NamedTuple):
    """The element whose difference is the largest share of what is allowed there; NaN is larger than any."""

    output: str  # its array: y, h_n or c_n
    difference: float
    allowed: float

    @property
    def share(self) -> float:
        return self.difference / self.allowed


def furthest(got: Outputs, reference: Outputs, bound: Bound) -> Furthest:
    found = []
    for name, expected in reference.items():
        difference, allowed = np.abs(np.float64(got[name]) - expected), bound.allowed(expected)
        where = np.argmax(difference / allowed)  # a NaN if there is one
        found.append(Furthest(name, float(difference.flat[where]), float(allowed.flat[where])))
    return max(found, key=lambda element: math.inf if math.isnan(element.share) else element.share)
