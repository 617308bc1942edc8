"""What the tests of streams share: networks with one direction, inputs, states, and one call over all steps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import gatecell

NETWORKS: dict[str, Callable[..., Any]] = {
    "lstm": lambda **options: torch.nn.LSTM(5, 7, **options),
    "lstm_proj": lambda **options: torch.nn.LSTM(5, 7, 2, proj_size=3, **options),
    "gru": lambda **options: torch.nn.GRU(5, 20, 2, **options),
    "rnn": lambda **options: torch.nn.RNN(5, 7, 3, bias=False, **options),
}
STEPS = 9


def network(
    name: str = "lstm", *, dtype: torch.dtype = torch.float32, batch_first: bool = False, **options: Any
) -> Any:
    torch.manual_seed(0)
    return gatecell.from_torch(NETWORKS[name](dtype=dtype, batch_first=batch_first), **options)


def inputs(net: Any, rows: int, steps: int = STEPS) -> Any:
    """An input (T, B, I), whatever batch_first is."""
    return np.random.default_rng(1).standard_normal((steps, rows, net.input_size)).astype(net.dtype)


def states(net: Any, rows: int) -> Any:
    """A random initial state."""
    zeros = net(inputs(net, rows)[:0].swapaxes(0, int(net.batch_first)))[1]
    rng = np.random.default_rng(2)
    made = [rng.uniform(-1, 1, part.shape).astype(net.dtype) for part in flat(zeros)]
    return tuple(made) if isinstance(zeros, tuple) else made[0]


def flat(state: Any) -> list[Any]:
    return list(state) if isinstance(state, tuple) else [state]


def whole(net: Any, x: Any, hx: Any = None) -> tuple[Any, Any]:
    """One call. x and y are time-major."""
    time = int(net.batch_first)
    y, hidden = net(np.ascontiguousarray(x.swapaxes(0, time)), hx)
    return y.swapaxes(0, time), hidden


def assert_same(got: Any, expected: Any) -> None:
    for a, b in zip(flat(got), flat(expected), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def start_inside(work: Callable[[], Any], probe: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Starts a thread that runs `work`. Returns it, and the list that will hold its result.

    Returns once `probe` raises RuntimeError, which shows that the thread runs `work`.
    """
    results: list[Any] = []

    def until_done() -> None:
        while not results:  # the probe may run at this moment, which is an error here
            try:
                results.append(work())
            except RuntimeError:
                continue

    thread = threading.Thread(target=until_done)
    thread.start()
    while True:
        try:
            probe()
        except RuntimeError:
            return thread, results
        assert not results
