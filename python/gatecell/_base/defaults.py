"""Defaults of the constructors: instruction set, number of threads, dtype and device.

The machine and environment variables decide the first two. Nothing is cached: each new network reads the variables
again, so that a variable which a program sets later has an effect.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._core import available_isas
from .checks import check_int


def choose_isa(isa: str | None) -> str:
    """The instruction set of a new network: `isa`, or else GATECELL_ISA, or else the best that this machine has."""
    available = available_isas()
    wanted, source = isa, "isa"
    if wanted is None:
        wanted, source = os.environ.get("GATECELL_ISA") or available[0], "GATECELL_ISA"
    if wanted not in available:
        raise ValueError(
            f"expected an instruction set of this machine ({', '.join(available)}), got {source}={wanted!r}"
        )
    return wanted


def choose_threads(num_threads: int | None) -> int:
    """The number of threads of a new network: `num_threads`, or else GATECELL_NUM_THREADS, or else `usable_cores()`."""
    if num_threads is not None:
        return _checked_threads(check_int("num_threads", num_threads), f"num_threads={num_threads}")
    if text := os.environ.get("GATECELL_NUM_THREADS"):
        return _checked_threads(int(text) if text.isdecimal() else 0, f"GATECELL_NUM_THREADS={text!r}")
    return usable_cores()


def _checked_threads(threads: int, source: str) -> int:
    """The number itself. Raises ValueError if it is out of range; `source` says where the number comes from."""
    if not 1 <= threads < 2**31:
        raise ValueError(f"expected a number of threads of at least 1 and below 2**31, got {source}")
    return threads


def usable_cores(root: Path = Path("/")) -> int:
    """The number of cores in the affinity mask, but at most the cgroup's CPU quota.

    Two CPUs of one core share its multiply-add units, so a second thread there gains nothing and disturbs the first.
    The system would stop a process from time to time that runs more threads than its quota. root is for tests: the
    folder that holds proc and sys.
    """
    cores = _count_cores(frozenset(os.sched_getaffinity(0)), root)
    return max(1, min([cores, *(int(quota) for quota in _quotas(root))]))


@functools.cache  # the cores of a machine stay the same, and there may be hundreds of files
def _count_cores(cpus: frozenset[int], root: Path) -> int:
    """The number of cores that have these CPUs. A CPU that Linux does not describe counts as a core."""
    names = (root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list" for cpu in cpus)
    described = [text for text in map(_read, names) if text]
    return len(set(described)) + len(cpus) - len(described)


def _quotas(root: Path) -> Iterator[float]:
    """All CPU quotas, in CPUs, that the cgroup of this process and its parents have, in cgroup v2 and v1."""
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # cgroup v2; where v1 is mounted too, v2 is one folder deeper
            for group in (*_ancestry(mount, path), *_ancestry(mount / "unified", path)):
                yield from _quota(_read(group / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for group in (*_ancestry(mount / "cpu", path), *_ancestry(mount / controllers, path)):
                words = [_read(group / name).strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
                yield from _quota(words)


def _ancestry(mount: Path, path: str) -> Iterator[Path]:
    """The mount point and all folders from it down to `path`. In a container the deeper ones may not exist."""
    group = mount
    yield group
    for name in path.strip("/").split("/"):
        group = group / name
        yield group


def _quota(words: list[str]) -> Iterator[float]:
    """The quota in CPUs, from the two words quota and period in microseconds. Nothing if there is no limit."""
    if len(words) == 2 and all(word.isdecimal() for word in words):  # "max" and "-1" mean no limit
        quota, period = map(int, words)
        if period:
            yield quota / period


def _read(path: Path) -> str:
    """The text of the file; the empty string if it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return ""


def choose_dtype(dtype: Any) -> np.dtype[Any]:
    """NumPy's float32 or float64, from NumPy's or torch's dtype or its name. None gives float32. Raises ValueError."""
    wanted = str(dtype).removeprefix("torch.") if type(dtype).__module__ == "torch" else dtype
    try:
        found = np.dtype(np.float32 if dtype is None else wanted)
    except TypeError:
        found = None
    if found not in (np.float32, np.float64):
        raise ValueError(f"expected dtype float32 or float64, got {dtype!r}")
    return found


def check_device(device: object) -> None:
    """Raises ValueError unless the device is None or "cpu"."""
    if device is not None and str(device) != "cpu":
        raise ValueError(f"expected device None or 'cpu', got {device!r}")
