"""The training loop of the training scripts, and the function that saves the weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

WEIGHTS = Path(__file__).parent / "weights"


def fit(
    model: torch.nn.Module,
    loss: Callable[[torch.Tensor], torch.Tensor],
    examples: int,
    epochs: int,
    batch: int,
    rate: float,
    decay: float = 0.1,
) -> None:
    """Trains with AdamW and one learning-rate cycle. `loss(rows)` is the mean loss of the examples `rows`."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * -(-examples // batch))
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(examples).split(batch):
            optimizer.zero_grad()
            loss(rows).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    model.eval()


def save(model: torch.nn.Module, path: Path) -> None:
    """Saves the weights as float16, so that the files are small, and loads the rounded weights into the model.

    The scores are therefore those of the rounded weights.
    """
    weights = {name: tensor.half() for name, tensor in model.state_dict().items()}
    torch.save(weights, path)
    model.load_state_dict(weights)
