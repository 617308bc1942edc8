"""What a run measured, as kept in its JSON file, and the figures drawn from it.

The file holds the median of each turn; every ratio is made here. A ratio is taken within a round, where both sides ran
within seconds of each other, so a machine that changes its speed cancels out; then comes the median over the rounds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from contestants import CONTESTANTS
from suite.cases import Case

LARGEST_DRIFT = 0.1  # of the machine's FMA rate in a run that counts
MOST_BUSY = 0.1  # CPUs
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
        why: str | None = self.raw["contestants"][name].get("missing")
        return why

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
        peers = [name for name in self.timed if name.partition(".")[0] != OURS]  # gatecell.full is none
        if OURS in self.timed:  # as the ratio is shown, which is not always that of the median times
            return min(peers, key=lambda name: self.ratio(name).median, default=None)
        return min(peers, key=lambda name: self.seconds(name).median, default=None)


@dataclass(frozen=True)
class Run:
    raw: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> Run:
        """Raises OSError, and ValueError for another file."""
        try:
            raw = json.loads(path.read_text())
        except ValueError:
            raw = None
        if not isinstance(raw, dict) or raw.get("program") != "compare" or not raw.get("cases"):
            raise ValueError(f"{path} is not a result of compare.py with cases")
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
        """Cases during which other programs kept more than a tenth of a CPU busy."""
        return sum(busy > MOST_BUSY for busy in self.raw["busy_cpus"])

    @property
    def failures(self) -> list[str]:
        """Contestants that broke or disagreed, as sentences; those not installed or without the feature are none."""
        return [
            f"{case.raw['case']}: {CONTESTANTS[name].title} {entry['missing']}"
            for case in self.cases
            for name, entry in case.raw["contestants"].items()
            if entry.get("failed")
        ]

    @property
    def beside_plain(self) -> list[tuple[CaseResult, float]]:
        """Cases of cells that PyTorch has not, and how many times as long gatecell takes as with PyTorch's.

        Both must be in the run. Not taken within a round, so it counts only where the two follow each other.
        """
        seconds = {case.case: case.seconds(OURS).median for case in self.cases if OURS in case.timed}
        return [
            (result, seconds[result.case] / seconds[result.case.plain])
            for result in self.cases
            if result.case.variant and {result.case, result.case.plain} <= seconds.keys()
        ]

    def geometric_mean(self, slow: str | None = None) -> tuple[float, int]:
        """Of `slow` (None: each case's fastest peer) over gatecell, and over how many cases."""
        ratios = []
        for case in self.cases:
            name = slow or case.fastest_peer
            if name in case.timed and OURS in case.timed:
                ratios.append(case.ratio(name).median)
        return (float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")), len(ratios)
