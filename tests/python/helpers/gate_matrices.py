"""What the tests of from_gates share: random matrices of gates, and the network of a state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gatecell

HIDDEN, INPUT, STEPS, ROWS = 4, 3, 6, 2
Array = NDArray[np.floating]


def random_gates(names: str, dtype: str = "float64", seed: int = 0) -> dict[str, tuple[Array, Array]]:
    """(W, b) of each gate. W is the matrix over [h(t-1), x], and b is a column, as some textbooks write it."""
    rng = np.random.default_rng(seed)
    shapes = (HIDDEN, HIDDEN + INPUT), (HIDDEN, 1)
    return {name: tuple(rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes) for name in names}  # type: ignore[misc]


def network(cell: str, state_dict: Mapping[str, Any], **options: Any) -> Any:
    """A network of the class LSTM, GRU or RNN. `cell` is its name in lower case."""
    return getattr(gatecell, cell.upper()).from_state_dict(state_dict, **options)
