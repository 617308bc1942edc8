"""The class of attention_torch.py ported to gatecell: other imports, `lengths` without packing, NumPy functions."""

from __future__ import annotations

import numpy as np

from gatecell import nn
from gatecell.nn import functional


class AttentionClassifier(nn.Module):
    """x (B, T, features) and the rows' lengths (B) -> logits (B, classes) and attention weights (B, T)."""

    def __init__(self, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, batch_first=True)
        self.score = nn.Linear(hidden, 1)
        self.linear = nn.Linear(hidden, classes)

    def forward(self, x, lengths):
        y, _ = self.lstm(x, lengths=lengths)
        padding = np.arange(x.shape[1]) >= lengths[:, None]
        scores = np.where(padding, -np.inf, self.score(y).squeeze(2))
        weights = functional.softmax(scores, dim=1)
        pooled = (weights[:, :, None] * y).sum(1)
        return self.linear(pooled), weights
