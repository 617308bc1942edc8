"""Loads one file in a fresh process, reads from every page of every tensor, and prints the time and memory it took.

    python -m suite.loading_worker LOADER FILE [PREFIX]

Prints {"seconds", "bytes": size of the loaded tensors, "peak_bytes": growth of resident memory at its peak, "imported":
those of torch and gatecell that are imported}. The library is imported before the clock starts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np


def gatecell_load(path: str, prefix: str) -> Callable[[], Iterator[np.ndarray]]:
    import gatecell

    return lambda: iter(gatecell.load(path, prefix=prefix).values())


def torch_load(path: str, prefix: str, **options: Any) -> Callable[[], Iterator[np.ndarray]]:
    """Gives float32 arrays: bfloat16 tensors are converted, because NumPy has no such type."""
    import torch

    def load() -> Iterator[np.ndarray]:
        checkpoint = torch.load(path, weights_only=True, **options)
        for part in [prefix] if prefix else [name for name in checkpoint if name != "epoch"]:
            for tensor in checkpoint[part].values():
                yield tensor.float().numpy()

    return load


def torch_load_mmap(path: str, prefix: str) -> Callable[[], Iterator[np.ndarray]]:
    return torch_load(path, prefix, mmap=True)


def safetensors_load(path: str, prefix: str) -> Callable[[], Iterator[np.ndarray]]:
    from safetensors.torch import load_file

    return lambda: (tensor.numpy() for tensor in load_file(path).values())


def numpy_load(path: str, prefix: str) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: iter(dict(np.load(path)).values())


LOADERS = {
    "gatecell": gatecell_load,
    "torch.load, mmap": torch_load_mmap,
    "torch.load": torch_load,
    "safetensors": safetensors_load,
    "numpy.load": numpy_load,
}


def resident_bytes(field: str) -> int:
    return int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0]) * 1024


def main(loader: str, path: str, prefix: str = "") -> None:
    load = LOADERS[loader](path, prefix)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM is the peak from here on
    before = resident_bytes("VmRSS")
    start = time.perf_counter()
    kept = list(load())
    for array in kept:
        array.reshape(-1).view(np.uint8)[::4096].sum()
    seconds = time.perf_counter() - start
    peak = resident_bytes("VmHWM") - before
    imported = [name for name in ("torch", "gatecell") if name in sys.modules]
    used = sum(array.nbytes for array in kept)
    print(json.dumps({"seconds": seconds, "bytes": used, "peak_bytes": peak, "imported": imported}))


if __name__ == "__main__":
    main(*sys.argv[1:])
