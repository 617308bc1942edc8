"""What the machine can do at best, measured in the same run as the libraries: compiles and runs machine.cpp."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import TracebackType
from typing import Any

from suite.cases import Case
from suite.limits import MOST_READ, Limits, shares

COMPILERS = ("c++", "g++", "clang++")
# As the kernels are compiled, but for the machine at hand. Warnings: only false ones of the compiler's own headers.
FLAGS = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-pthread", "-w"]
DEFINITIONS = ["-DEIGEN_MPL2_ONLY", "-DEIGEN_DONT_PARALLELIZE", "-DEIGEN_NO_DEBUG"]
KERNELS = Path(__file__).parents[2] / "cpp" / "src"
SYSTEM_CPUS = Path("/sys/devices/system/cpu")


def compiler() -> list[str]:
    """$CXX, or the first of the usual names. Raises RuntimeError."""
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    for name in COMPILERS:
        if shutil.which(name):
            return [name]
    raise RuntimeError(
        f"measuring the machine's limits needs a C++ compiler; none of {', '.join(COMPILERS)} is on PATH. "
        "apt install g++, or set CXX."
    )


def eigen_include() -> Path:
    """$GATECELL_EIGEN_INCLUDE, or the folder that cmeel-eigen installed. Raises RuntimeError."""
    if "GATECELL_EIGEN_INCLUDE" in os.environ:
        return Path(os.environ["GATECELL_EIGEN_INCLUDE"])
    try:
        return Path(str(distribution("cmeel-eigen").locate_file("cmeel.prefix/include/eigen3")))
    except PackageNotFoundError:
        raise RuntimeError(
            "measuring the machine's limits needs Eigen's headers: pip install cmeel-eigen, "
            "or set GATECELL_EIGEN_INCLUDE to the folder that holds Eigen/Core."
        ) from None


def cache_capacities(cpus: list[int], system: Path = SYSTEM_CPUS) -> dict[str, int]:
    """Bytes of each cache, inner first, that one of as many threads can count on: where n of them share it, an nth.

    From Linux's description of the first CPU; where a container hides it from the C library, which does not know who
    shares what: L1 and L2 then count as private. Raises RuntimeError where neither knows.
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
        raise RuntimeError(f"cannot tell the sizes of the caches: neither {system} nor getconf gives them")
    return capacities


def buffer_sizes(capacities: dict[str, int], threads: int) -> dict[str, int]:
    """Bytes each thread reads to measure a level: surely in it, and too many for the level before."""
    sizes = {}
    inner = 0
    for name, capacity in capacities.items():
        # L3 is shared with strangers, on a virtual machine unseen: its middle, not its half.
        sizes[name] = capacity // 2 if name in ("L1", "L2") else math.isqrt(inner * capacity)
        inner = capacity
    return {**sizes, "memory": min(4 * inner, MOST_READ // threads)}


class Machine:
    """The compiled program, in a folder that goes at the end of the `with` block. Raises RuntimeError."""

    def __init__(self) -> None:
        include = ["-I", str(KERNELS), "-isystem", str(eigen_include())]
        self._folder = tempfile.TemporaryDirectory(prefix="gatecell-machine-")
        self._program = str(Path(self._folder.name) / "machine")
        source = str(Path(__file__).with_name("machine.cpp"))
        try:
            self._output([*compiler(), *FLAGS, *DEFINITIONS, *include, source, "-o", self._program])
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    @staticmethod
    def _output(command: list[str]) -> str:
        try:
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout
        except FileNotFoundError:
            raise RuntimeError(f"{command[0]} is not there; it comes from CXX") from None
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"{shlex.join(command)} failed:\n{error.stderr}") from None

    def _run(self, *words: str | int) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._output([self._program, *map(str, words)]))
        return answer

    def fma(self, threads: int) -> dict[str, float]:
        """Operations per second of `threads` threads together, by dtype; a multiply-add is two. Takes about 50 ms."""
        return self._run("fma", threads)

    def measure(self, threads: int, cases: Iterable[Case]) -> Limits:
        """What `threads` threads do together, as `predict` needs it for the cases; JSON can hold it. Some seconds.

        threads          their number
        fma              {dtype: operations per second}
        levels           inner first: name; bytes a thread can count on, None for memory; bandwidth in bytes per second
        reads            {bytes of a thread: bandwidth}, for the sizes of the cases' weights
        activations      {cell: {dtype: seconds to finish a hidden unit of one row in one step}}
        flag_round_trip  seconds for a flag between the first two CPUs and back; None where there is one CPU
        """
        capacities = cache_capacities(sorted(os.sched_getaffinity(0))[:threads])
        levels = [
            {"name": name, "bytes": capacities.get(name), **self._run("read", size, threads)}
            for name, size in buffer_sizes(capacities, threads).items()
        ]
        sizes = sorted({size for case in cases for size in shares(case, threads)})
        reads = {str(size): self._run("read", size, threads)["bandwidth"] for size in sizes}
        activations = self._run("activations", threads)
        return {
            "threads": threads,
            "fma": self.fma(threads),
            "levels": levels,
            "reads": reads,
            "activations": activations,
            **self._run("flag"),
        }
