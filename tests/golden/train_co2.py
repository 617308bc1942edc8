"""Trains the demo's CO2 forecaster and records PyTorch's outputs: `python tests/golden/train_co2.py`, 10 seconds.

The committed result: Python 3.11, torch 2.13.0 (CPU), statsmodels 0.15.0, pandas 3.1.1, NumPy 2.4.6, safetensors 0.8.0,
seed 0, 1 thread. To choose sizes and epochs, the model was trained without the last 10 years and scored on the first 5
of them. The last 5 years were only used for the final score.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

DATA = Path(__file__).parents[2] / "python" / "gatecell" / "data"
SEED, RECORDED = 0, 4  # RECORDED: the number of sequences for which all GRU outputs are recorded
WINDOW, HELD_OUT = 24, 60  # months
EPOCHS, BATCH, RATE = 150, 64, 5e-3


class Forecaster(nn.Module):
    """(B, WINDOW, 1) past months minus the last of them -> (B,) change to the next month; both divided by `scale`."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(1, 32, num_layers=2, batch_first=True)
        self.head = nn.Linear(32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.gru(x)
        return self.head(y[:, -1])[:, 0]


def load() -> np.ndarray:
    """Monthly means in ppm, March 1958 to December 2001.

    The value of a month is the mean of its measured weeks. Five months before 1965 have none and are interpolated.
    """
    from statsmodels.datasets import co2  # reads a file of the wheel of statsmodels

    return co2.load_pandas().data["co2"].resample("MS").mean().interpolate().to_numpy()


def windows(series: np.ndarray, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets for every month that has WINDOW months before it. The inputs are only past months."""
    past = np.lib.stride_tricks.sliding_window_view(series[:-1], WINDOW)
    last = past[:, -1:]
    x, change = (past - last) / scale, (series[WINDOW:] - last[:, 0]) / scale
    return torch.from_numpy(x.astype(np.float32)[:, :, None]), torch.from_numpy(change.astype(np.float32))


def train(series: np.ndarray, scale: float) -> Forecaster:
    torch.manual_seed(SEED)
    x, target = windows(series, scale)
    model = Forecaster()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * -(-len(x) // BATCH))
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(BATCH):
            loss = nn.functional.mse_loss(model(x[batch]), target[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model


def main() -> None:
    from safetensors.torch import save

    torch.set_num_threads(1)
    series = load()
    known, held_out = series[:-HELD_OUT], series[-HELD_OUT - WINDOW :]
    scale = float(np.diff(known).std())  # ppm; only from the training years
    model = train(known, scale)
    x, target = windows(held_out, scale)
    with torch.no_grad():
        change, y = model(x).numpy(), model.gru(x)[0][:RECORDED].numpy()
    print(f"{len(change)} held-out months, RMSE {scale * np.sqrt(np.mean((change - target.numpy()) ** 2)):.3f} ppm")
    (DATA / "co2.safetensors").write_bytes(save(model.state_dict()))
    np.savez_compressed(DATA / "co2.npz", ppm=held_out, scale=scale, change=change, y=y)


if __name__ == "__main__":
    main()
