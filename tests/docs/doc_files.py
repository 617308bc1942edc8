"""The files that pages of the documentation load: small checkpoints of untrained networks, and two sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn


def make_files(folder: Path) -> None:
    """Writes checkpoint.pt, model.safetensors, model.pt and x.npy."""
    import gatecell

    torch.manual_seed(0)
    encoder = nn.ModuleDict({"encoder": nn.LSTM(80, 256, batch_first=True), "head": nn.Linear(256, 10)})
    checkpoint = {"model_state_dict": encoder.state_dict(), "optimizer_state": {"state": {}}, "epoch": 3}
    torch.save(checkpoint, folder / "checkpoint.pt")
    gatecell.save(folder / "model.safetensors", encoder.state_dict())

    classifier = nn.ModuleDict({"embedding": nn.Embedding(1000, 64, padding_idx=0), "head": nn.Linear(256, 5)})
    classifier["lstm"] = nn.LSTM(64, 128, num_layers=2, batch_first=True, bidirectional=True)
    torch.save(classifier.state_dict(), folder / "model.pt")
    np.save(folder / "x.npy", np.random.default_rng(0).standard_normal((2, 30, 80), np.float32))
