"""Measures the time of a library's import, and the disk space of the library and the packages it requires."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from statistics import median

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

IMPORTS = 5
NOT_COUNTED = {"numpy"}  # every contestant needs it


def import_seconds(module: str) -> float:
    """Seconds that the import takes: median over fresh processes, each of which has imported NumPy before.

    An additional first process fills the disk cache and does not count. Raises subprocess.CalledProcessError if the
    module cannot be imported.
    """
    code = (
        "import time, numpy; start = time.perf_counter();"
        f"import {module}; seconds = time.perf_counter() - start; print(); print(seconds)"
    )
    command = [sys.executable, "-c", code]
    here = Path(__file__).parents[1]  # not the current folder: Python would look for the module there
    runs = [subprocess.run(command, capture_output=True, text=True, cwd=here, check=True) for _ in range(IMPORTS + 1)]
    return median(float(run.stdout.split()[-1]) for run in runs[1:])


def required_distributions(name: str, path: list[str] | None = None) -> dict[str, Distribution]:
    """The distribution and all that it requires on this machine except NumPy, by normalised name.

    Requirements of an extra count only if some distribution asks for that extra. `path` are the folders to search
    (default sys.path). Raises PackageNotFoundError if a required distribution is not installed.
    """
    found: dict[str, Distribution] = {}
    seen, waiting = set(), [(canonicalize_name(name), "")]
    while waiting:
        name, extra = item = waiting.pop()
        if item in seen or name in NOT_COUNTED:
            continue
        seen.add(item)
        if name not in found:
            candidates = Distribution.discover(name=name, path=sys.path if path is None else path)
            distribution = next(iter(candidates), None)
            if distribution is None:
                raise PackageNotFoundError(name)
            found[name] = distribution
        for requirement in map(Requirement, found[name].requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), wanted) for wanted in ("", *requirement.extras)]
    return found


def installed_bytes(distributions: dict[str, Distribution]) -> int:
    """Bytes of all files in the distributions' records; a file in two records counts once.

    Raises FileNotFoundError if a distribution has no record.
    """
    files: set[Path] = set()
    for name, distribution in distributions.items():
        if distribution.files is None:
            raise FileNotFoundError(f"{name} has no record of its files")
        files.update(Path(str(distribution.locate_file(file))).resolve() for file in distribution.files)
    return sum(file.stat().st_size for file in files if file.is_file())
