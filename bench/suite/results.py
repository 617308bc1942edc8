"""Reads the JSON file of a run and computes figures from it.

The file has the median of each turn. A ratio is computed within each round, where both sides ran within seconds of each
other, so that a machine that changes its speed does not change the ratio. The result is the median over the rounds.
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

LARGEST_DRIFT = 0.1  # of the machine's FMA rate in a valid run
LARGEST_OTHER_LOAD = 0.1  # CPUs that other programs may keep busy
CLOSE_FORECAST = 0.2  # deviation of a forecast from the time
OURS = "gatecell"
# Keys of a result. Those of a dict inside it follow a dot.
KEYS = (
    *("command", "date", "commit", "environment", "versions", "threads", "contestants", "planned", "cases"),
    *("fma_readings", "busy_cpus", "limits.fma", "limits.levels", "limits.core_round_trip"),
    *(f"machine.{key}" for key in ("cpu", "family", "flags", "cpus", "kernel")),
    *(f"gatecell.{key}" for key in ("version", "commit", "isa", "compiler", "eigen")),
)
CASE_KEYS = ("case", "limit.seconds", "contestants")


class Spread(NamedTuple):
    """The median over the rounds, and the quantiles 0.1 and 0.9."""

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
    uncapped: tuple[str, ...] = ()  # contestants that used other instructions than those of --isa

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

    @property
    def counted(self) -> list[str]:
        """Contestants whose times are compared."""
        return [name for name in self.timed if name not in self.uncapped]

    def why_not(self, name: str) -> str | None:
        """The reason why a contestant has no time in this case; None if it has one."""
        why: str | None = self.raw["contestants"][name].get("missing")
        return why

    def seconds(self, name: str) -> Spread:
        return Spread.of(self.raw["contestants"][name]["turns"])

    def ratio(self, slow: str, fast: str = OURS) -> Spread:
        """The time of `slow` divided by that of `fast`."""
        turns = self.raw["contestants"]
        return Spread.of(np.array(turns[slow]["turns"]) / np.array(turns[fast]["turns"]))

    def share(self, name: str) -> float:
        """The predicted limit divided by the time. 1 means that the machine cannot be faster."""
        return self.limit / self.seconds(name).median

    @property
    def forecast(self) -> float | None:
        """The time that gatecell predicts / its time, within a turn; the median. None if there is no prediction."""
        entry = self.raw["contestants"].get(OURS, {})
        if "plans" not in entry:
            return None
        predicted = np.array([plan["seconds"] for plan in entry["plans"]])
        return float(np.median(predicted / np.array(entry["turns"])))

    @property
    def fastest_peer(self) -> str | None:
        peers = [name for name in self.counted if name.partition(".")[0] != OURS]  # without gatecell.full and the like
        if OURS in self.timed:  # by the ratio that the table shows; the ratio of the median times may differ
            return min(peers, key=lambda name: self.ratio(name).median, default=None)
        return min(peers, key=lambda name: self.seconds(name).median, default=None)


@dataclass(frozen=True)
class Run:
    raw: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> Run:
        """Raises OSError. Raises ValueError for another file and for a result that lacks keys, as earlier ones do."""
        try:
            raw = json.loads(path.read_text())
        except ValueError:
            raw = None
        if problem := _problem_of(raw):
            raise ValueError(f"{path}: expected a result of compare.py with cases, got {problem}")
        return cls(raw)

    @property
    def threads(self) -> int:
        return int(self.raw["threads"])

    @property
    def isa(self) -> str | None:
        """The choice of --isa, an option of compare.py."""
        isa: str | None = self.raw.get("isa")
        return isa

    @property
    def uncapped(self) -> tuple[str, ...]:
        """Contestants that cannot be kept to `isa`. Their times are shown and not compared."""
        if not self.isa:
            return ()
        return tuple(name for name in self.raw["contestants"] if CONTESTANTS[name].cap(self.isa) is None)

    @property
    def cases(self) -> list[CaseResult]:
        return [CaseResult(raw, self.uncapped) for raw in self.raw["cases"]]

    @property
    def drift(self) -> float:
        """Largest relative deviation of the machine's FMA rate from its median in this run."""
        rates = np.array(self.raw["fma_readings"])
        return float(np.abs(rates / np.median(rates) - 1).max())

    @property
    def valid(self) -> bool:
        return self.drift <= LARGEST_DRIFT

    @property
    def disturbed(self) -> int:
        """Cases during which other programs kept more than a tenth of a CPU busy."""
        return sum(busy > LARGEST_OTHER_LOAD for busy in self.raw["busy_cpus"])

    @property
    def failures(self) -> list[str]:
        """A sentence for each contestant that failed or gave wrong outputs.

        A contestant that is not installed or lacks the cell has not failed.
        """
        return [
            f"{case.raw['case']}: {CONTESTANTS[name].title} {entry['missing']}"
            for case in self.cases
            for name, entry in case.raw["contestants"].items()
            if entry.get("failed")
        ]

    @property
    def forecasts(self) -> list[tuple[float, CaseResult]]:
        """Each case with a forecast, and the forecast's ratio to the time."""
        return [(case.forecast, case) for case in self.cases if case.forecast is not None]

    @property
    def ratios_to_plain(self) -> list[tuple[CaseResult, float]]:
        """Cases of extended cells, each with the ratio of gatecell's time to its time for PyTorch's cell.

        Both cases must be in the run. The ratio is not computed within a round, so it is reliable only if the two cases
        follow each other.
        """
        seconds = {case.case: case.seconds(OURS).median for case in self.cases if OURS in case.timed}
        return [
            (result, seconds[result.case] / seconds[result.case.plain])
            for result in self.cases
            if result.case.variant and {result.case, result.case.plain} <= seconds.keys()
        ]

    def geometric_mean(self, slow: str | None = None) -> tuple[float, int]:
        """The geometric mean of `ratio(slow)` over the cases in which both times count, and the number of these cases.

        None: each case's fastest peer.
        """
        ratios = []
        for case in self.cases:
            name = slow or case.fastest_peer
            if name in case.counted and OURS in case.counted:
                ratios.append(case.ratio(name).median)
        return (float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")), len(ratios)


def _problem_of(raw: Any) -> str | None:
    """Says what a file has instead of a result that this module can read; None for such a result."""
    if not isinstance(raw, dict) or raw.get("program") != "compare":
        return "another file"
    if missing := [key for key in KEYS if not _has(raw, key)]:
        return f"one without {', '.join(missing)}"
    if not raw["cases"]:
        return "one without cases"
    for case in raw["cases"]:
        if missing := [key for key in CASE_KEYS if not _has(case, key)]:
            return f"a case without {', '.join(missing)}"
        if unknown := case["contestants"].keys() - CONTESTANTS:
            return f"unknown contestants: {', '.join(sorted(unknown))}"
        try:
            Case.parse(case["case"])
        except ValueError as error:
            return f"a case that cannot be read: {error}"
    return None


def _has(raw: dict[str, Any], key: str) -> bool:
    outer, _, inner = key.partition(".")
    return outer in raw and (not inner or (isinstance(raw[outer], dict) and inner in raw[outer]))
