"""Which digit was written, by three LSTM layers of 256? Model and training, in PyTorch.

Its 1.5 million weights are too many to be kept here (6 MB): the test trains it itself, for some seconds, on 240 of the
360 digits in python/gatecell/data, and scores it on the other 120.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from training import fit

SIZES = {"features": 8, "width": 128, "hidden": 256, "classes": 10}
EPOCHS, BATCH, RATE = 15, 24, 2e-3


class StackedLstm(nn.Module):
    """x (B, T, features) -> logits (B, classes) from the last layer's last step."""

    def __init__(self, features: int, width: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.widen = nn.Linear(features, width)
        self.lstm = nn.LSTM(width, hidden, num_layers=3, batch_first=True)
        self.linear = nn.Linear(hidden, classes)

    def forward(self, x):
        y, _ = self.lstm(functional.tanh(self.widen(x)))
        return self.linear(y[:, -1])


def train(x: NDArray[np.float32], labels: NDArray[np.integer]) -> StackedLstm:
    torch.manual_seed(0)
    images, target = torch.from_numpy(x), torch.from_numpy(labels).long()
    model = StackedLstm(**SIZES)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        # Smoothed labels keep the logits small, and so their rounding.
        return functional.cross_entropy(model(images[rows]), target[rows], label_smoothing=0.1)

    fit(model, loss, len(x), EPOCHS, BATCH, RATE)
    return model
