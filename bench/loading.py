"""Measures time and memory of loading weights, with gatecell and other libraries; and import and `gatecell info`.

    python bench/loading.py [--megabytes 100] [--rounds 7]

Aims: gatecell loads a .pt file in at most 1.3 times the time of torch.load with a memory map. Peak memory is at most
1.3 times the size of the loaded tensors. The import takes at most 30 ms more than that of NumPy, and never imports
torch. `gatecell info` takes at most 0.3 s. The results go to a JSON file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from suite.footprint import import_seconds
from suite.loading_files import CASES, Case, make_files
from suite.options import exit_with, parse_rounds
from suite.other_load import OtherLoad
from suite.record import default_path, describe_run, write_json
from suite.results import LARGEST_OTHER_LOAD
from suite.tables import duration, table

IMPORT_AIM, INFO_AIM = 0.03, 0.3  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--megabytes", type=parse_rounds, default=100, help="size of the checkpoint (default 100)")
    parser.add_argument("--rounds", type=parse_rounds, default=7, help="turns of each loader for a file (default 7)")
    parser.add_argument("--output", type=Path, help="JSON file (default bench/results/loading-<date>.json)")
    options = parser.parse_args()
    path = options.output or default_path("loading")
    run: dict[str, Any] = {"program": "loading", **describe_run(), "megabytes": options.megabytes}
    run |= {"rounds": options.rounds, "loads": {}, "info_seconds": []}
    write_json(path, run)
    other_load = OtherLoad(lambda: ())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, options.megabytes)
        for case in CASES:
            print(case.title, file=sys.stderr, flush=True)
            run["loads"][case.title] = measure(case, folder, options.rounds)
        for _ in range(options.rounds + 1):
            run["info_seconds"].append(info_seconds(folder / "checkpoint.pt"))
    run["info_seconds"] = run["info_seconds"][1:]
    run["import_seconds"] = import_seconds("gatecell")
    run["busy_cpus"] = round(other_load.busy_cpus(), 2)
    write_json(path, run)
    print("\n\n".join([report(run), *notes(run), f"Kept in {path}"]))
    if torch := [title for title, load in run["loads"].items() if "torch" in load["gatecell"][0]["imported"]]:
        print(f"FAILED: gatecell imported torch: {'; '.join(torch)}", file=sys.stderr)
    return 1 if torch else 0


def measure(case: Case, folder: Path, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Loads the file with both loaders in turns, A B A B, each time in a fresh process.

    An additional first round fills the disk cache and does not count.
    """
    loaders = ("gatecell", case.loader)
    turns: dict[str, list[dict[str, Any]]] = {loader: [] for loader in loaders}
    for _ in range(rounds + 1):
        for loader in loaders:
            command = ["-m", "suite.loading_worker", loader, str(folder / case.file), case.prefix]
            turns[loader].append(json.loads(run_python(*command)))
    return {loader: results[1:] for loader, results in turns.items()}


def info_seconds(path: Path) -> float:
    """The time of the whole process `gatecell info`."""
    start = time.perf_counter()
    run_python("-m", "gatecell", "info", str(path))
    return time.perf_counter() - start


def run_python(*arguments: str) -> str:
    here = Path(__file__).parent  # not the current folder: Python would look for modules there
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=here, check=False)
    if done.returncode:
        raise SystemExit(f"python {' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def report(run: dict[str, Any]) -> str:
    rows = [row for case in CASES for row in rows_of(case, run["loads"][case.title])]
    for what, seconds, aim in (
        ("import gatecell, in addition to NumPy's", run["import_seconds"], IMPORT_AIM),
        ("gatecell info", median(run["info_seconds"]), INFO_AIM),
    ):
        rows.append([what, duration(seconds), "-", "-", duration(aim), reached(seconds, aim)])
    return table(rows, ["", "gatecell", "compared with", "ratio", "aim", "reached"])


def rows_of(case: Case, load: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    """Two lines of the table: time, with ratios computed within the rounds; and peak memory / size of the tensors."""
    ours, theirs = load["gatecell"], load[case.loader]
    ratios = sorted(one["seconds"] / other["seconds"] for one, other in zip(ours, theirs, strict=True))
    ratio, (low, high) = median(ratios), (ratios[0], ratios[-1])
    times = [duration(median(turn["seconds"] for turn in turns)) for turns in (ours, theirs)]
    peak, used = median(turn["peak_bytes"] for turn in ours), ours[0]["bytes"]
    aim = "-" if case.aim is None else f"{case.aim:.2f}"
    spread = f"{ratio:.2f} ({low:.2f} to {high:.2f})"
    return [
        [f"load {case.title}", times[0], f"{case.loader}: {times[1]}", spread, aim, reached(ratio, case.aim)],
        [
            f"peak memory, {case.title}",
            f"{peak / 1e6:.1f} MB",
            f"tensors: {used / 1e6:.1f} MB",
            f"{peak / used:.2f}",
            f"{case.memory_aim:.2f}",
            reached(peak / used, case.memory_aim),
        ],
    ]


def reached(figure: float, aim: float | None) -> str:
    return "-" if aim is None else "yes" if figure <= aim else "NO"


def notes(run: dict[str, Any]) -> list[str]:
    return ["NOT QUIET: other programs were at work."] if run["busy_cpus"] > LARGEST_OTHER_LOAD else []


if __name__ == "__main__":
    exit_with(main)
