"""gatecell beside PyTorch: each in a process of its own, same weights, outputs compared first, timed in turn.

    python bench/compare.py [--threads 1] [--rounds 9] [cell,B,T,H ...]

Prints the median time of a whole Python call and the ratio PyTorch / gatecell, the median over rounds of the ratio
within a round: both ran within a second of each other, so a machine that changes its speed cancels out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from contestants import CONTESTANTS

SHAPES = ("1,1,128", "1,100,64", "1,100,256", "8,100,256", "32,100,256")
CASES = [f"{cell},{shape}" for cell in ("lstm", "gru") for shape in SHAPES]
LARGEST_DIFFERENCE = 2e-6


class Worker:
    """A contestant's process."""

    def __init__(self, name: str, threads: int) -> None:
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), name, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def make_case(text: str) -> dict[str, Any]:
    cell, batch, steps, hidden = text.split(",")
    return {"cell": cell, "batch": int(batch), "steps": int(steps), "input": int(hidden), "hidden": int(hidden)}


def make_arrays(case: dict[str, Any]) -> dict[str, np.ndarray]:
    """Weights as torch initialises them: uniform in +-1/sqrt(H); x standard normal."""
    rng = np.random.default_rng(0)
    batch, hidden = case["batch"], case["hidden"]
    gates, bound = {"lstm": 4, "gru": 3}[case["cell"]], hidden**-0.5
    shapes = {"weight_ih_l0": (gates * hidden, case["input"]), "weight_hh_l0": (gates * hidden, hidden)}
    shapes |= {"bias_ih_l0": (gates * hidden,), "bias_hh_l0": (gates * hidden,)}
    arrays = {name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()}
    arrays["x"] = rng.standard_normal((case["steps"], batch, case["input"]))
    for state in ("h_0", "c_0") if case["cell"] == "lstm" else ("h_0",):
        arrays[state] = rng.uniform(-1, 1, (1, batch, hidden))
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def measure(workers: dict[str, Worker], case: dict[str, Any], rounds: int, budget: float) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "arrays.npz")
        np.savez(path, **make_arrays(case))
        outputs = {name: np.load(w.ask(build=case, file=path)["file"]) for name, w in workers.items()}
    for name, y in outputs.items():
        difference = np.abs(y - outputs["torch"]).max()
        if not difference < LARGEST_DIFFERENCE:
            raise SystemExit(f"{name} differs from torch by {difference:.1e} at {case}")
    times = [[w.ask(time=budget)["seconds"] for w in workers.values()] for _ in range(rounds)]
    return dict(zip(workers, np.array(times).T, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cases", nargs="*", default=CASES, help="cell,B,T,H with I=H")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--budget", type=float, default=0.15, help="seconds per contestant and round")
    options = parser.parse_args()
    workers = {name: Worker(name, options.threads) for name in CONTESTANTS}
    print(f"{'cell,B,T,H':16} {'gatecell us':>12} {'torch us':>12} {'torch / gatecell':>17}  spread")
    for text in options.cases:
        times = measure(workers, make_case(text), options.rounds, options.budget)
        ratio = times["torch"] / times["gatecell"]
        low, middle, high = np.quantile(ratio, [0.1, 0.5, 0.9])
        medians = [np.median(times[name]) * 1e6 for name in ("gatecell", "torch")]
        print(f"{text:16} {medians[0]:12.1f} {medians[1]:12.1f} {middle:17.2f}  {low:.2f} ... {high:.2f}", flush=True)


if __name__ == "__main__":
    main()
