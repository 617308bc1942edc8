"""A PyTorch model of three LSTM layers of 256 units that recognises a digit, and its training.

Its 1.5 million weights (6 MB) are too large for the repository. The test trains the model for some seconds on 240 of
the 360 digits in python/gatecell/data, and scores it on the other 120.
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
    """x (B, T, features) -> logits (B, classes) from the last step of the last layer."""

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
        # Smoothed labels keep the logits small, and therefore also their rounding errors.
        return functional.cross_entropy(model(images[rows]), target[rows], label_smoothing=0.1)

    fit(model, loss, len(x), EPOCHS, BATCH, RATE)
    return model
