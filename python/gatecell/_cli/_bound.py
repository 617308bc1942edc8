"""The promised bound of the difference between a layer's outputs and a float64 reference.

In float32 the bound is the larger of 4 times the other implementation's own float32 error and the floor
1e-6 * max(1, abs(reference)). In float64 it is the floor 4e-13 * max(1, abs(reference)). Only where sums are large
(S > 100, see largest_sum of a layer) the floor is multiplied by S/10: the rounding of a sum is proportional to its
terms, and where these cancel the outputs do not show their size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ._networks import Floats
from ._reference import Outputs

FLOORS = {"float32": 1e-6, "float64": 4e-13}  # by dtype; times max(1, |reference|)
LARGE = 100  # the floors grow where S is above it


class Bound(NamedTuple):
    """The numbers that the bound of one layer depends on."""

    dtype: str  # the network's dtype
    rounding: float  # the largest error of the other implementation in float32
    largest_sum: float  # S

    @property
    def growth(self) -> float:
        """The factor of the floor: S/10 if S is large, else 1."""
        return self.largest_sum / 10 if self.largest_sum > LARGE else 1.0

    def allowed(self, reference: Floats) -> Floats:
        """The largest difference that is allowed, for each element."""
        floor = FLOORS[self.dtype] * self.growth * np.maximum(1, np.abs(reference))
        return np.maximum(4 * self.rounding, floor) if self.dtype == "float32" else floor

    def describe(self, other: str) -> str:
        """The formula of the bound in words. `other` is the name of the other implementation."""
        floor = f"{FLOORS[self.dtype]:.0e} * max(1, |reference|)"
        if self.growth > 1:
            floor += f" * S/10, S = {self.largest_sum:.4g} the largest sum of |w||x| + |b| of a gate"
        if self.dtype == "float64":
            return floor
        return f"the larger of 4 times {other}'s own float32 error ({self.rounding:.1e}) and {floor}"


class Furthest(NamedTuple):
    """The element at which the difference divided by the bound is largest. NaN counts as the largest."""

    output: str  # the name of its array: y, h_n or c_n
    difference: float
    allowed: float

    @property
    def share(self) -> float:
        """The difference divided by the bound."""
        return self.difference / self.allowed


def furthest(got: Outputs, reference: Outputs, bound: Bound) -> Furthest:
    """Compares outputs with the reference and returns the element that is furthest from it."""
    found = []
    for name, expected in reference.items():
        difference, allowed = np.abs(np.float64(got[name]) - expected), bound.allowed(expected)
        where = np.argmax(difference / allowed)  # the first NaN if there is one
        found.append(Furthest(name, float(difference.flat[where]), float(allowed.flat[where])))
    return max(found, key=lambda element: math.inf if math.isnan(element.share) else element.share)
