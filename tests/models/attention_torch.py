"""A PyTorch model that recognises a digit from the list of its inked pixels, and its training.

    python tests/models/attention_torch.py

Training takes half a minute. The committed weights: Python 3.11.7, torch 2.13.0 (CPU), scikit-learn 1.9.1, seed 0, 1
thread.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from digits import inked_pixels
from training import WEIGHTS, fit, save

SIZES = {"features": 3, "hidden": 32, "classes": 10}
EPOCHS, BATCH, RATE = 40, 64, 1e-2


class AttentionClassifier(nn.Module):
    """x (B, T, features) and the rows' lengths (B) -> logits (B, classes) and attention weights (B, T)."""

    def __init__(self, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, batch_first=True)
        self.score = nn.Linear(hidden, 1)
        self.linear = nn.Linear(hidden, classes)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])
        padding = torch.arange(x.shape[1]) >= lengths[:, None]
        scores = torch.where(padding, -torch.inf, self.score(y).squeeze(2))
        weights = functional.softmax(scores, dim=1)
        pooled = (weights[:, :, None] * y).sum(1)
        return self.linear(pooled), weights


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
    from train_digits import load

    torch.set_num_threads(1)
    torch.manual_seed(0)
    images, held_out, labels, held_out_labels = load()
    x, lengths = map(torch.from_numpy, inked_pixels(images))
    target = torch.from_numpy(labels).long()
    model = AttentionClassifier(**SIZES)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        longest = int(lengths[rows].max())
        return functional.cross_entropy(model(x[rows, :longest], lengths[rows])[0], target[rows])

    fit(model, loss, len(x), EPOCHS, BATCH, RATE)
    save(model, WEIGHTS / "attention.pt")
    with torch.no_grad():
        guess = model(*map(torch.from_numpy, inked_pixels(held_out)))[0].argmax(1)
    right = (guess.numpy() == held_out_labels).mean()
    print(f"{len(x)} digits for training, {len(held_out)} held out, {right:.1%} right")


if __name__ == "__main__":
    main()
