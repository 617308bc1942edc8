"""A contestant's process, seen from the program that drives it: one line of JSON there, one back (see worker.py)."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


class ProcessError(Exception):
    """The process ended, or took longer than it may; a new one is needed."""


class Process:
    """Runs suite.<module> with NAME and THREADS; `env` adds to the environment."""

    def __init__(self, name: str, threads: int, module: str = "worker", env: dict[str, str] | None = None) -> None:
        numbers = {variable: str(threads) for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"suite.{module}", name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that it ends with its children, compilers for example
            cwd=Path(__file__).parents[1],
            env={**os.environ, **numbers, **(env or {})},
        )

    def ask(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        """The answer; raises ProcessError when there is none within `limit` seconds."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise ProcessError(f"process ended with status {self.process.wait()}") from None
        if not select.select([self.process.stdout], [], [], limit)[0]:
            self.close()
            raise ProcessError(f"over the time limit of {limit:g} s")
        line = self.process.stdout.readline()
        if not line:
            raise ProcessError(f"process ended with status {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
