"""How busy other programs keep the CPUs during a measurement, from the counters in /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path


def _busy_seconds() -> float:
    """Busy seconds of all CPUs since the machine started, including time that the host of a virtual machine took."""
    user, nice, system, _idle, _iowait, *interrupts_and_steal = (
        Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    )
    return sum(map(int, (user, nice, system, *interrupts_and_steal))) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process: all its threads, and the children that it waited for. 0 if the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class OtherLoad:
    """Measures the load of other programs as a number of busy CPUs. The processes that `own` returns do not count."""

    def __init__(self, own: Callable[[], Iterable[int]]) -> None:
        self.own = own
        self.last = self._now()

    def _now(self) -> tuple[float, float]:
        return time.monotonic(), _busy_seconds() - sum(map(cpu_seconds, (os.getpid(), *self.own())))

    def busy_cpus(self) -> float:
        """The mean number of CPUs that other programs kept busy since the last call."""
        (before, busy_before), self.last = self.last, self._now()
        return max(0.0, (self.last[1] - busy_before) / (self.last[0] - before))
