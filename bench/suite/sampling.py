"""Call times and their percentiles, each only where enough calls were timed: a p99.9 of 300 is but the slowest one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Quantile, and how many samples it takes; for the tails, two that lie beyond.
PERCENTILES = {"p50": (0.5, 1), "p99": (0.99, 200), "p99.9": (0.999, 2000), "max": (1.0, 1)}

clock = time.perf_counter


def sample(call: Callable[[], Any], seconds: float, calls: int = 1, limit: float = 0) -> list[float]:
    """Seconds of each call, for so many seconds and until there are so many calls, which may take until the limit.

    From one call's return to the next one's: what the interpreter waits for in between belongs to the call.
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
    """In the unit of the samples, of which there is at least one; None where they are too few for it."""
    return {
        name: float(np.quantile(samples, quantile)) if len(samples) >= least else None
        for name, (quantile, least) in PERCENTILES.items()
    }
