"""What every JSON file says of its run: command, machine, versions, commit; and how it is written."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS

# Environment variables that change what a contestant does.
MATTERS = (
    *(
        "GATECELL_",
        "OMP_",
        "GOMP_",
        "KMP_",
        "MKL_",
        "ONEDNN_",
        "DNNL_",
        "TORCH",
        "ATEN_",
        "OV_",
        "ORT_",
        "XLA_",
        "JAX_",
    ),
    *("LD_PRELOAD", "MALLOC_", "GLIBC_TUNABLES"),
)


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
    here = Path(__file__).parents[1]  # not where the user is: Python would look for gatecell there
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, env=environment, check=False)
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
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith(MATTERS)},
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


def _busy_seconds() -> float:
    """Of all CPUs since the machine started, what its host took from it included."""
    user, nice, system, _idle, _iowait, *interrupts_and_steal = (
        Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    )
    return sum(map(int, (user, nice, system, *interrupts_and_steal))) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Of a process, all its threads and the children that it waited for; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Neighbours:
    """How many CPUs others keep busy, from one look to the next; `own` gives the processes that are not others."""

    def __init__(self, own: Callable[[], Iterable[int]]) -> None:
        self.own = own
        self.last = self._now()

    def _now(self) -> tuple[float, float]:
        return time.monotonic(), _busy_seconds() - sum(map(cpu_seconds, (os.getpid(), *self.own())))

    def busy(self) -> float:
        (before, busy_before), self.last = self.last, self._now()
        return max(0.0, (self.last[1] - busy_before) / (self.last[0] - before))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Programs write once before they measure, so that a path that cannot be written ends them at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise SystemExit(f"cannot write {path}: {error.strerror}") from None


def default_path(program: str) -> Path:
    """bench/results/PROGRAM-DATE.json"""
    now = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    return Path(__file__).parents[1] / "results" / f"{program}-{now}.json"
