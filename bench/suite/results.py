"""What a run measured, as kept in its JSON file, and the figures drawn from it.

The file holds the median of each turn; every ratio is made here. A ratio is taken within a round, where both sides ran
within seconds of each other, so a machine that changes its speed cancels out; then comes the median over the rounds.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from contestants import CONTESTANTS
from suite.cases import Case

LARGEST_DRIFT = 0.1  # of the machine's FMA rate in a run that counts
MOST_BUSY = 0.5  # CPUs
OURS = "gatecell"


class Spread(NamedTuple):
    """Median over the rounds, and the first and last tenth."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        low, median, high = np.quantile(np.array(list(values)), [0.1, 0.5, 0.9])
        return cls(float(median), float(low), float(high))


@dataclass(frozen=True)
class CaseResult:
    """One entry of a run's "cases"."""

    raw: dict[str, Any]

    @property
    def case(self) -> Case:
        return Case.parse(self.raw["case"])

    @property
    def limit(self) -> float:
        """Predicted seconds; see limits.py."""
        return float(self.raw["limit"]["seconds"])

    @property
    def timed(self) -> list[str]:
        return [name for name, entry in self.raw["contestants"].items() if "turns" in entry]

    def why_not(self, name: str) -> str | None:
        """Why a contestant has no time here."""
        entry = self.raw["contestants"].get(name, {"missing": "not in this run"})
        return entry.get("missing")

    def seconds(self, name: str) -> Spread:
        return Spread.of(self.raw["contestants"][name]["turns"])

    def ratio(self, slow: str, fast: str = OURS) -> Spread:
        """How many times longer `slow` takes than `fast`."""
        turns = self.raw["contestants"]
        return Spread.of(np.array(turns[slow]["turns"]) / np.array(turns[fast]["turns"]))

    def share(self, name: str) -> float:
        """Of the limit: 1 is as fast as the machine can be."""
        return self.limit / self.seconds(name).median

    @property
    def fastest_peer(self) -> str | None:
        peers = [name for name in self.timed if name != OURS]
        return min(peers, key=lambda name: self.seconds(name).median, default=None)


@dataclass(frozen=True)
class Run:
    raw: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> Run:
        raw = json.loads(path.read_text())
        if raw.get("program") != "compare":
            raise ValueError(f"{path} is not a result of compare.py")
        return cls(raw)

    @property
    def threads(self) -> int:
        return int(self.raw["threads"])

    @property
    def cases(self) -> list[CaseResult]:
        return [CaseResult(raw) for raw in self.raw["cases"]]

    @property
    def drift(self) -> float:
        """Largest deviation of the machine's FMA rate from its median in this run."""
        rates = np.array(self.raw["fma_readings"])
        return float(np.abs(rates / np.median(rates) - 1).max())

    @property
    def valid(self) -> bool:
        return self.drift <= LARGEST_DRIFT

    @property
    def disturbed(self) -> int:
        """Cases before which others kept half a CPU busy, or more."""
        return sum(busy >= MOST_BUSY for busy in self.raw["busy_cpus"])

    @property
    def failures(self) -> list[str]:
        """Contestants that broke or disagreed, as sentences; those not installed or without the feature are none."""
        return [
            f"{case.raw['case']}: {CONTESTANTS[name].title} {entry['missing']}"
            for case in self.cases
            for name, entry in case.raw["contestants"].items()
            if entry.get("failed")
        ]

    def geometric_mean(self, slow: str | None = None) -> tuple[float, int]:
        """Of `slow` (None: each case's fastest peer) over gatecell, and over how many cases."""
        ratios = []
        for case in self.cases:
            name = slow or case.fastest_peer
            if name in case.timed and OURS in case.timed:
                ratios.append(case.ratio(name).median)
        return (float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")), len(ratios)


def _output(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def gatecell_build(env: dict[str, str] | None = None) -> dict[str, Any]:
    """`build_info()` of the gatecell that a process with this environment imports, with its version and default ISA."""
    code = (
        "import json, gatecell; print(json.dumps({**gatecell.build_info(), 'version': gatecell.__version__,"
        " 'isa': gatecell.LSTM(1, 1).isa}))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False)
    if done.returncode:
        raise SystemExit(f"gatecell cannot be imported: {done.stderr.strip().splitlines()[-1]}")
    info: dict[str, Any] = json.loads(done.stdout)
    return info


def describe_run() -> dict[str, Any]:
    """Where and with what this program runs: for every JSON file."""
    cpuinfo = dict(
        (part.strip() for part in line.split(":", 1))
        for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        if ":" in line
    )
    installed = {c.distribution: c.version() for c in CONTESTANTS.values()}
    return {
        "command": shlex.join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _output("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"),
        "environment": {name: value for name, value in os.environ.items() if name.startswith("GATECELL_")},
        "machine": {
            "cpu": cpuinfo.get("model name", platform.machine()),
            "family": [cpuinfo.get("cpu family"), cpuinfo.get("model")],
            "flags": cpuinfo.get("flags", cpuinfo.get("Features", "")).split(),
            "cpus": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
        },
        "versions": {"python": platform.python_version(), "numpy": version("numpy"), **installed},
        "gatecell": gatecell_build(),
    }


def busy_cpus(seconds: float = 0.1) -> float:
    """How many CPUs others keep busy, measured while this program and its processes wait."""

    def idle() -> int:
        return sum(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[4:6]))  # idle and iowait, all CPUs

    before, start = idle(), time.monotonic()
    time.sleep(seconds)
    waited = (idle() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - start)
    return max(0.0, (os.cpu_count() or 1) - waited)


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def default_path(program: str) -> Path:
    """bench/results/PROGRAM-DATE.json"""
    now = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    return Path(__file__).parents[1] / "results" / f"{program}-{now}.json"
