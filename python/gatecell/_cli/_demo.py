"""The demo: runs two small networks, trained with PyTorch, on data that they have not seen, without PyTorch.

The functions `digits` and `co2` show the code that a user writes: read the weights, call the recurrent layer, compute
the rest in NumPy. tests/golden/train_digits.py and train_co2.py wrote the weights, the data and PyTorch's own float32
outputs.
"""

from __future__ import annotations

import statistics
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import gatecell

Array = NDArray[Any]

DATA = files("gatecell") / "data"
RIGHT = 0.95  # the share of the held-out images that must be right
DIFFERENCE = 1e-5  # the largest allowed difference from PyTorch's recorded outputs


class Result(NamedTuple):
    """The result of one network on its held-out data."""

    title: str
    score: str  # in words, with its bound
    passed: bool  # whether the score is within its bound
    difference: float  # largest absolute difference from PyTorch's outputs
    network: gatecell.LSTM | gatecell.GRU
    x: Array  # (B, T, I), the input of the network


def head(features: Array, weights: dict[str, Array]) -> Array:
    """The layer torch.nn.Linear: (B, features) -> (B, outputs)."""
    return features @ weights["head.weight"].T + weights["head.bias"]


def largest_difference(*pairs: tuple[Array, Array]) -> float:
    """The largest abs(a - b) over pairs of arrays (a, b) of equal shape; NaN if there is a NaN."""
    return float(np.max([np.max(np.abs(np.subtract(a, b, dtype=np.float64))) for a, b in pairs]))


def rms(error: Array) -> float:
    return float(np.sqrt(np.mean(error**2)))


def digits(folder: Path) -> Result:
    """Reads 8 x 8 images of handwritten digits line by line in both directions. The final state gives the digit."""
    data, path = gatecell.load(folder / "digits.npz"), folder / "digits.safetensors"
    lstm = gatecell.LSTM.from_file(path, prefix="lstm.", batch_first=True)
    x = data["images"].astype(np.float32) / 16
    y, (h_n, _) = lstm(x)
    logits = head(np.concatenate([h_n[0], h_n[1]], axis=1), gatecell.load(path))

    right = float(np.mean(logits.argmax(axis=1) == data["labels"]))
    return Result(
        title="Handwritten digits, bidirectional LSTM",
        score=f"{right:.1%} of {len(x)} held-out images right (at least {RIGHT:.0%})",
        passed=right >= RIGHT,
        difference=largest_difference((logits, data["logits"]), (y[: len(data["y"])], data["y"])),
        network=lstm,
        x=x,
    )


def co2(folder: Path) -> Result:
    """CO2 at Mauna Loa: predicts the mean of a month from the means of the 24 months before it.

    The input is the difference of each month from the last one, in units of `scale`, a constant of the training years.
    The output is the change to the next month in the same unit.
    """
    data, path = gatecell.load(folder / "co2.npz"), folder / "co2.safetensors"
    gru = gatecell.GRU.from_file(path, prefix="gru.", batch_first=True)
    ppm, scale = data["ppm"], data["scale"]
    months = len(data["change"])
    past = np.lib.stride_tricks.sliding_window_view(ppm[:-1], len(ppm) - months)  # (months, 24)
    last = past[:, -1]
    x = ((past - last[:, None]) / scale).astype(np.float32)[:, :, None]
    y, _ = gru(x)
    change = head(y[:, -1], gatecell.load(path))[:, 0]

    truth = ppm[-months:]
    error, naive = rms(last + scale * change - truth), rms(ppm[-months - 12 : -12] - truth)
    return Result(
        title="CO2 at Mauna Loa one month ahead, stacked GRU",
        score=f"RMSE {error:.2f} ppm over the last {months} months (the value of a year before: {naive:.2f} ppm)",
        passed=error < naive,
        difference=largest_difference((change, data["change"]), (y[: len(data["y"])], data["y"])),
        network=gru,
        x=x,
    )


def seconds_per_sequence(network: gatecell.LSTM | gatecell.GRU, x: Array) -> float:
    """The median time of a call with one sequence. Each sequence in x is used, in at least 200 calls."""
    seconds = []
    for row in np.resize(np.arange(len(x)), max(len(x), 200)):
        start = time.perf_counter()
        network(x[row : row + 1])
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measured(result: Result) -> dict[str, Any]:
    """The facts to report about a result, with times. If the difference is NaN, `agrees` is False."""
    network, steps = result.network, result.x.shape[1]
    return {
        "title": result.title,
        "network": repr(network),
        "score": result.score,
        "passed": result.passed,
        "difference": result.difference if np.isfinite(result.difference) else None,
        "agrees": result.difference <= DIFFERENCE,
        "steps": steps,
        "seconds": seconds_per_sequence(network, result.x),
        "isa": network.isa,
        "threads": network.plan(steps, 1).threads,
        "num_threads": network.num_threads,
    }


def report(facts: dict[str, Any]) -> None:
    """Prints the facts from `measured`."""
    number = "NaN" if facts["difference"] is None else f"{facts['difference']:.1e}"
    difference = f"{number} at most from PyTorch's recorded outputs (bound {DIFFERENCE:.0e})"
    print(f"\n{facts['title']}\n  {facts['network']}")
    print(f"  score       {facts['score']}{'' if facts['passed'] else '  FAILED'}")
    print(f"  difference  {difference}{'' if facts['agrees'] else '  FAILED'}")
    microseconds = 1e6 * facts["seconds"]
    print(f"  time        {microseconds:.1f} us per sequence of {facts['steps']} steps, one at a time (median)")
    print(f"  runs on     {facts['isa']}, {facts['threads']} of {facts['num_threads']} threads for one sequence")


def run() -> list[dict[str, Any]]:
    """The facts about both networks."""
    with as_file(DATA) as folder:
        return [measured(digits(folder)), measured(co2(folder))]
