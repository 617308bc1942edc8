"""Starts the process of a contestant, sends requests to it and reads its answers; each is a line of JSON."""

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
    """The process has ended or has exceeded the time limit. The caller must start a new one."""


class Process:
    """A process that runs `python -m suite.<module> NAME THREADS`. The variables `env` are added to its environment."""

    def __init__(self, name: str, threads: int, module: str = "worker", env: dict[str, str] | None = None) -> None:
        numbers = {variable: str(threads) for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"suite.{module}", name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # `close` then also ends its children, for example compilers
            cwd=Path(__file__).parents[1],
            env={**os.environ, **numbers, **(env or {})},
        )

    def ask(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        """The answer to a request. Raises ProcessError if there is none within `limit` seconds."""
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
