"""Measures the limits of the machine in the same run as the libraries: compiles and runs machine.cpp."""

from __future__ import annotations

import json
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

from suite.caches import buffer_sizes, cache_capacities
from suite.cases import Case
from suite.limits import Limits, shares

COMPILERS = ("c++", "g++", "clang++")
# The flags of the kernels. -w: the only warnings are false ones about the compiler's own headers.
FLAGS = ["-std=c++17", "-O3", "-ffp-contract=off", "-pthread", "-w"]
TARGETS = {None: ["-march=native"], "avx2": ["-mavx2", "-mfma"]}  # by --isa
DEFINITIONS = ["-DEIGEN_MPL2_ONLY", "-DEIGEN_DONT_PARALLELIZE", "-DEIGEN_NO_DEBUG"]
KERNELS = Path(__file__).parents[2] / "cpp" / "src"
SYSTEM_CPUS = Path("/sys/devices/system/cpu")


def compiler() -> list[str]:
    """The command in $CXX, or the first of COMPILERS that is on PATH. Raises RuntimeError if there is none."""
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
    """The folder in $GATECELL_EIGEN_INCLUDE, or the one that cmeel-eigen installed. Raises RuntimeError if none."""
    if "GATECELL_EIGEN_INCLUDE" in os.environ:
        return Path(os.environ["GATECELL_EIGEN_INCLUDE"])
    try:
        return Path(str(distribution("cmeel-eigen").locate_file("cmeel.prefix/include/eigen3")))
    except PackageNotFoundError:
        raise RuntimeError(
            "measuring the machine's limits needs Eigen's headers: pip install cmeel-eigen, "
            "or set GATECELL_EIGEN_INCLUDE to the folder that holds Eigen/Core."
        ) from None


class Machine:
    """The compiled machine.cpp. Its folder is deleted at the end of the `with` block.

    `isa` limits its instructions, so that it measures what a library that is kept to them can reach. Raises
    RuntimeError if the program cannot be compiled or run.
    """

    def __init__(self, isa: str | None = None) -> None:
        include = ["-I", str(KERNELS), "-isystem", str(eigen_include())]
        self._folder = tempfile.TemporaryDirectory(prefix="gatecell-machine-")
        self._program = str(Path(self._folder.name) / "machine")
        sources = [str(Path(__file__).with_name("machine.cpp")), str(KERNELS / "runtime" / "linux" / "system.cpp")]
        try:
            self._output([*compiler(), *FLAGS, *TARGETS[isa], *DEFINITIONS, *include, *sources, "-o", self._program])
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
            raise RuntimeError(f"{command[0]} does not exist; the name comes from CXX") from None
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"{shlex.join(command)} failed:\n{error.stderr}") from None

    def _run(self, *words: str | int) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._output([self._program, *map(str, words)]))
        return answer

    def fma(self, threads: int) -> dict[str, float]:
        """Operations per second of all `threads` threads together, by dtype. A multiply-add counts as two operations.

        Takes about 50 ms.
        """
        return self._run("fma", threads)

    def measure(self, threads: int, cases: Iterable[Case]) -> Limits:
        """Measures `threads` threads together. The result fits into JSON; `predict` reads it. Takes some seconds.

        threads          the number of threads
        fma              {dtype: operations per second}
        levels           cache levels, innermost first, then memory. Each has a name, the bytes that one thread can use
                         (None for memory) and the bandwidth in bytes per second
        reads            {bytes that one thread reads: bandwidth}, for the sizes of the cases' weights
        activations      {cell: {dtype: seconds for the activations of one hidden unit, one row, one step}}
        core_round_trip  seconds for a message from the first CPU to the second and back; None if there is one CPU
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
            **self._run("round-trip"),
        }
