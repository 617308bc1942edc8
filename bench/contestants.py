"""The libraries that are compared: each one builds a callable from the same PyTorch weights.

A contestant takes a case and its arrays (see worker.py) and returns a function without arguments that runs one forward
pass and gives y as a NumPy array. Its imports stand inside, so that a process loads one library only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Run = Callable[[], np.ndarray]


def weights(arrays: Arrays) -> Arrays:
    return {k: v for k, v in arrays.items() if k.startswith(("weight", "bias"))}


def gatecell(case: dict[str, Any], arrays: Arrays, threads: int) -> Run:
    import gatecell

    kind = {"lstm": gatecell.LSTM, "gru": gatecell.GRU}[case["cell"]]
    net = kind.from_state_dict(weights(arrays), num_threads=threads)
    x, h = arrays["x"], arrays["h_0"]
    hx = (h, arrays["c_0"]) if "c_0" in arrays else h
    return lambda: net(x, hx)[0]


def torch(case: dict[str, Any], arrays: Arrays, threads: int) -> Run:
    import torch

    torch.set_num_threads(threads)
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[case["cell"]]
    module = kind(case["input"], case["hidden"]).eval()
    module.load_state_dict({k: torch.from_numpy(v) for k, v in weights(arrays).items()})
    x, h = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["h_0"])
    hx = (h, torch.from_numpy(arrays["c_0"])) if "c_0" in arrays else h

    def run() -> np.ndarray:
        with torch.inference_mode():
            return module(x, hx)[0].numpy()

    return run


CONTESTANTS = {"gatecell": gatecell, "torch": torch}
