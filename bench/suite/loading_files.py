"""Writes the files that loading.py reads: a checkpoint of an LSTM and its optimizer, in every format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LAYERS = 6  # layers of the model; the optimizer's state has the same number


@dataclass(frozen=True)
class Case:
    title: str
    file: str
    loader: str  # a peer in LOADERS of suite/loading_worker.py
    prefix: str = ""  # names of the tensors that are loaded begin with it
    aim: float | None = None  # upper limit for gatecell's time / the peer's time
    memory_aim: float = 1.3  # upper limit for peak memory / bytes of the loaded tensors


CASES = (
    Case(".pt", "checkpoint.pt", "torch.load, mmap", aim=1.3),
    Case(".pt, half of it by prefix", "checkpoint.pt", "torch.load, mmap", "model"),
    Case(".pt in bfloat16", "bfloat16.pt", "torch.load, mmap"),
    Case(".pt before zip", "legacy.pt", "torch.load"),
    Case(".safetensors", "weights.safetensors", "safetensors"),
    Case(".npz", "weights.npz", "numpy.load"),
)


def arrays(megabytes: float) -> Iterator[tuple[str, np.ndarray]]:
    """Names and float32 arrays of about `megabytes` * 10^6 bytes in total."""
    rng = np.random.default_rng(0)
    hidden = max(1, round((megabytes * 1e6 / (2 * LAYERS * 8 * 4)) ** 0.5))
    shapes = {"weight_ih": (4 * hidden, hidden), "weight_hh": (4 * hidden, hidden)}
    shapes |= {"bias_ih": (4 * hidden,), "bias_hh": (4 * hidden,)}
    for part in ("model.lstm", "optimizer.lstm"):
        for layer in range(LAYERS):
            for name, shape in shapes.items():
                yield f"{part}.{name}_l{layer}", rng.standard_normal(shape, np.float32)


def make_files(folder: Path, megabytes: float) -> None:
    import torch
    from safetensors.numpy import save_file

    flat = dict(arrays(megabytes))
    nested: dict[str, dict[str, torch.Tensor]] = {}
    for name, array in flat.items():
        part, _, rest = name.partition(".")
        nested.setdefault(part, {})[rest] = torch.from_numpy(array)
    torch.save({**nested, "epoch": 3}, folder / "checkpoint.pt")
    torch.save(nested, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    half = {part: {name: tensor.bfloat16() for name, tensor in tensors.items()} for part, tensors in nested.items()}
    torch.save(half, folder / "bfloat16.pt")
    save_file(flat, folder / "weights.safetensors")
    np.savez(folder / "weights.npz", **flat)
