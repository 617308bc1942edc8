"""The sizes of the caches, and the number of bytes that a thread reads to measure each of them."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

from suite.limits import MOST_READ

SYSTEM_CPUS = Path("/sys/devices/system/cpu")


def cache_capacities(cpus: list[int], system: Path = SYSTEM_CPUS) -> dict[str, int]:
    """Bytes of each cache level that one thread can use if each CPU of `cpus` runs a thread. Innermost level first.

    If n of the CPUs share a cache, one thread can use an nth of it. The sizes come from the description that Linux
    gives of the first CPU. If a container hides it, they come from the C library, which does not say which CPUs share a
    cache: L1 and L2 then count as private, L3 as shared by all. Raises RuntimeError if neither gives the sizes.
    """
    capacities = {}
    for cache in sorted(system.glob(f"cpu{cpus[0]}/cache/index*")):
        facts = {name: (cache / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")}
        if facts["type"] != "Instruction":
            ranges = [part.split("-") for part in facts["shared_cpu_list"].split(",")]
            sharing = sum(any(int(r[0]) <= cpu <= int(r[-1]) for r in ranges) for cpu in cpus)
            capacities[f"L{facts['level']}"] = int(facts["size"].removesuffix("K")) * 1024 // sharing
    if not capacities and shutil.which("getconf"):
        for level, name in enumerate(("LEVEL1_DCACHE_SIZE", "LEVEL2_CACHE_SIZE", "LEVEL3_CACHE_SIZE"), start=1):
            answer = subprocess.run(["getconf", name], capture_output=True, text=True).stdout.strip()
            if answer.isdigit() and int(answer) > 0:
                capacities[f"L{level}"] = int(answer) // (len(cpus) if level == 3 else 1)
    if not capacities:
        raise RuntimeError(f"cannot find the sizes of the caches: neither {system} nor getconf gives them")
    return capacities


def buffer_sizes(capacities: dict[str, int], threads: int) -> dict[str, int]:
    """Bytes that each thread reads to measure a level. They fit into this level and not into the level before it."""
    sizes = {}
    inner = 0
    for name, capacity in capacities.items():
        # Other programs and other virtual machines also use L3: take the geometric mean of the sizes of L2 and L3.
        sizes[name] = capacity // 2 if name in ("L1", "L2") else math.isqrt(inner * capacity)
        inner = capacity
    return {**sizes, "memory": min(4 * inner, MOST_READ // threads)}
