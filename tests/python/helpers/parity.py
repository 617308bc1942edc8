"""The error bound of promise 1 (parity), in one place. It does not need torch, so tests of golden files use it, too.

The error is the largest difference from the oracle in float64. own_error is the error of the oracle's float32 runs of
the case. largest_sum is S, the largest sum of |w||x| + |b| of a gate. Only if S is above 100 the floors 1e-6 and 4e-13
grow to S/10 times as much. Only test_large_sums.py gives largest_sum to assert_parity. All other tests that call it
have the strict bound.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Outputs = Mapping[str, NDArray[np.floating]]  # "y", "h_n" and, for LSTM, "c_n"


def named_outputs(y: NDArray[np.floating], state: object) -> Outputs:
    """The results of a network by name, from `(y, h_n)` or `(y, (h_n, c_n))`."""
    return {"y": y, **dict(zip(("h_n", "c_n"), state if isinstance(state, tuple) else (state,), strict=False))}


def named_states(state: object) -> Outputs:
    """The results of a cell by name, from `h` or `(h, c)`."""
    return dict(zip(("h", "c"), state if isinstance(state, tuple) else (state,), strict=False))


def largest_difference(got: Outputs, reference: Outputs) -> float:
    return max(
        (float(np.abs(np.float64(got[name]) - np.float64(reference[name])).max(initial=0)) for name in reference),
        default=0.0,
    )


def magnitude(outputs: Outputs) -> float:
    """The largest absolute value, at least 1."""
    return max(1.0, *(float(np.abs(array).max(initial=0)) for array in outputs.values()))


def bound(
    reference: NDArray[np.floating], own_error: float, dtype: str, largest_sum: float = 0.0
) -> NDArray[np.float64]:
    """The largest allowed difference for each element.

    It uses |reference| of that element, which is the strictest reading.
    """
    magnitude = np.maximum(1.0, np.abs(np.float64(reference)))
    if largest_sum > 100:
        magnitude *= largest_sum / 10
    return 4 * np.maximum(own_error, 2.5e-7 * magnitude) if dtype == "float32" else 4e-13 * magnitude


def assert_parity(
    got: Outputs,
    reference: Outputs,
    own_error: float,
    dtype: str,
    label: object = "",
    largest_sum: float = 0.0,
) -> None:
    chaotic = 1e-4 * max(1.0, largest_sum / 100) * magnitude(reference)
    assert own_error < chaotic, f"{label}: the oracle's own float32 error is {own_error}: the network is chaotic"
    assert got.keys() == reference.keys(), f"{label}: outputs {list(got)}, expected {list(reference)}"
    for name, expected in reference.items():
        actual = got[name]
        assert actual.shape == expected.shape, f"{label}: {name} is {actual.shape}, expected {expected.shape}"
        assert actual.dtype == dtype, f"{label}: {name} is {actual.dtype}, expected {dtype}"
        error, allowed = np.abs(np.float64(actual) - expected), bound(expected, own_error, dtype, largest_sum)
        # "all <=" and not "any >": a NaN must fail.
        assert np.all(error <= allowed), f"{label}: {name} is off by {error.max()}, allowed {allowed.min()}"
