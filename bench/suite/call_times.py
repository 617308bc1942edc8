"""Measures times of calls and computes their percentiles.

A percentile is None if too few calls were timed: the p99.9 of 300 calls would only be the slowest call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Name: quantile and the least number of samples for it. For p99 and p99.9 two samples must be slower than the quantile.
PERCENTILES = {"p50": (0.5, 1), "p99": (0.99, 200), "p99.9": (0.999, 2000), "max": (1.0, 1)}

clock = time.perf_counter


def time_calls(call: Callable[[], Any], seconds: float, calls: int = 1, limit: float = 0) -> list[float]:
    """The time of each call. Calls for `seconds`, then until there are `calls` times, but at most for `limit` seconds.

    A time goes from the return of one call to the return of the next, so that it includes the time for which the
    interpreter waits between them.
    """
    samples: list[float] = []
    now = clock()
    enough, last = now + seconds, now + limit
    while not samples or now < enough or (now < last and len(samples) < calls):
        before = now
        call()
        now = clock()
        samples.append(now - before)
    return samples


def percentiles(samples: Sequence[float]) -> dict[str, float | None]:
    """The percentiles of at least one sample, in its unit; None if there are too few samples for a percentile."""
    return {
        name: float(np.quantile(samples, quantile)) if len(samples) >= least else None
        for name, (quantile, least) in PERCENTILES.items()
    }
