"""Describes a run for its JSON file (command, machine, versions, commit), and writes the file."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS

# Environment variables that change what a contestant does.
RELEVANT_VARIABLES = (
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
    """`build_info()`, version and default ISA of the gatecell that a process with the variables `env` imports."""
    code = (
        "import json, gatecell; print(json.dumps({**gatecell.build_info(), 'version': gatecell.__version__,"
        " 'isa': gatecell.LSTM(1, 1).isa}))"
    )
    command = [sys.executable, "-c", code]
    here = Path(__file__).parents[1]  # not the current folder: Python would look for gatecell there
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"gatecell cannot be imported: {done.stderr.strip().splitlines()[-1]}")
    info: dict[str, Any] = json.loads(done.stdout)
    return info


def describe_run(env: dict[str, str] | None = None) -> dict[str, Any]:
    """The command, machine, versions and commit of this run, in which gatecell runs with the variables `env`."""
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
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(RELEVANT_VARIABLES)
        },
        "machine": {
            "cpu": cpuinfo.get("model name", platform.machine()),
            "family": [cpuinfo.get("cpu family"), cpuinfo.get("model")],
            "flags": cpuinfo.get("flags", cpuinfo.get("Features", "")).split(),
            "cpus": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
        },
        "versions": {"python": platform.python_version(), "numpy": version("numpy"), **installed},
        "gatecell": gatecell_build(env),
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes `content` as JSON. Exits with a message if the path cannot be written.

    Programs also call it before they measure, so that a wrong path ends them immediately.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise SystemExit(f"cannot write {path}: {error.strerror}") from None


def default_path(program: str) -> Path:
    """bench/results/PROGRAM-DATE.json"""
    now = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    return Path(__file__).parents[1] / "results" / f"{program}-{now}.json"
