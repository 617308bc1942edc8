"""Trains the demo's digit classifier and records PyTorch's outputs: `python tests/golden/train_digits.py`, 5 seconds.

The committed result: Python 3.11, torch 2.13.0 (CPU), scikit-learn 1.9.1, NumPy 2.4.6, safetensors 0.8.0, seed 0,
1 thread. The number of epochs was chosen by cross-validation within the training images. The held-out images were only
used for the final score.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

DATA = Path(__file__).parents[2] / "python" / "gatecell" / "data"
SEED, HELD_OUT, RECORDED = 0, 360, 4  # RECORDED: the number of sequences for which all LSTM outputs are recorded
EPOCHS, BATCH, RATE = 100, 64, 1e-2


class Classifier(nn.Module):
    """(B, 8, 8) images, their rows from top to bottom -> (B, 10) logits from the final states of both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 32, batch_first=True, bidirectional=True)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (h_n, _) = self.lstm(x)
        return self.head(torch.cat([h_n[0], h_n[1]], dim=1))


def load() -> list[np.ndarray]:
    """Training images, held-out images, training labels, held-out labels. Split at random within each class."""
    from sklearn.datasets import load_digits  # reads a file of the wheel of scikit-learn
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    return train_test_split(images, labels, test_size=HELD_OUT, random_state=SEED, stratify=labels)


def train(images: np.ndarray, labels: np.ndarray) -> Classifier:
    torch.manual_seed(SEED)
    x, target = torch.from_numpy(images) / 16, torch.from_numpy(labels).long()
    model = Classifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * -(-len(x) // BATCH))
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(BATCH):
            # Smoothed labels keep the logits small, so that their rounding errors in float32 are far below 1e-5.
            loss = functional.cross_entropy(model(x[batch]), target[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model


def main() -> None:
    from safetensors.torch import save

    torch.set_num_threads(1)
    train_images, images, train_labels, labels = load()
    model = train(train_images, train_labels)
    x = torch.from_numpy(images) / 16
    with torch.no_grad():
        logits, y = model(x).numpy(), model.lstm(x)[0][:RECORDED].numpy()
    print(f"{len(images)} held-out images, {100 * np.mean(logits.argmax(1) == labels):.1f} % right")
    (DATA / "digits.safetensors").write_bytes(save(model.state_dict()))
    np.savez_compressed(DATA / "digits.npz", images=images, labels=labels, logits=logits, y=y)


if __name__ == "__main__":
    main()
