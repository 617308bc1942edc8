"""What the training scripts share: one loop, and how weights are kept."""

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
    """AdamW with one learning-rate cycle; `loss(rows)` is the mean loss of the examples with those numbers."""
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
    """As float16, so that all files together stay small; the model gets the rounded weights, which are scored."""
    weights = {name: tensor.half() for name, tensor in model.state_dict().items()}
    torch.save(weights, path)
    model.load_state_dict(weights)
