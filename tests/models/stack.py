"""The class of stack_torch.py ported to gatecell: other imports."""

from __future__ import annotations

from gatecell import nn
from gatecell.nn import functional


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
