"""Measures a case: all contestants build it, their outputs are compared, then they are timed in turns, A B C A B C.

Each turn after the first builds the network again, because the addresses of the weights change the time by up to a
tenth, and the spread must show this. Only one process works at a time. After each turn there is a pause, in which the
threads of that process stop spinning.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from suite.cases import Case
from suite.processes import Process, ProcessError

PAUSE = 0.02  # seconds
EQUATIONS = "gatecell.gates"  # the contestant that computes the equations of extended cells
LARGEST_DIFFERENCE = {"float32": 1e-5, "float64": 1e-12}  # that is allowed for any number in y, h_n and c_n


def largest_difference(outputs: list[np.ndarray], reference: list[np.ndarray]) -> float:
    """The largest absolute difference of two numbers. It is infinite if shapes differ or a number is not finite.

    An empty array stands for an output that the library does not compute. It is not compared.
    """
    pairs = [(a, b) for a, b in zip(outputs, reference, strict=False) if a.size]
    if len(outputs) != len(reference) or any(a.shape != b.shape for a, b in pairs):
        return float("inf")
    largest = max((float(np.abs(a - b).max()) for a, b in pairs), default=float("inf"))
    return largest if np.isfinite(largest) else float("inf")


class ContestantProcesses:
    """The processes of the contestants of a run. A process that has failed is replaced by a new one.

    Outputs are compared with those of the contestant `reference`. If it has none, they are compared with the equations
    for an extended cell, else with the outputs of the first contestant that has some. `equations` starts a process that
    computes the equations.
    """

    def __init__(
        self,
        start: Mapping[str, Callable[[], Process]],
        reference: str,
        equations: Callable[[], Process] | None = None,
    ) -> None:
        self.start = {EQUATIONS: equations or partial(Process, EQUATIONS, 1), **start}
        self.contestants = list(start)
        self.reference = reference
        self.processes: dict[str, Process] = {}

    def ask(self, name: str, request: dict[str, Any], limit: float) -> dict[str, Any]:
        if name not in self.processes:
            self.processes[name] = self.start[name]()
        try:
            return self.processes[name].ask(request, limit)
        except ProcessError as error:
            del self.processes[name]
            return {"error": str(error)}

    def close(self) -> None:
        for process in self.processes.values():
            process.close()

    def pids(self) -> list[int]:
        return [process.process.pid for process in self.processes.values()]

    def measure(self, case: Case, rounds: int, budget: float, limit: float) -> dict[str, dict[str, Any]]:
        """Builds and times the case with all contestants. The result has an entry for each of them:

        {"build_seconds", "first_call_seconds", "difference", "turns": [seconds], "calls": [number]}, with "plans":
        [plan] if the contestant makes plans; or
        {"missing": reason}, with "failed" unless the library is not installed or says itself that it lacks the cell.

        A turn lasts `budget` seconds and at least one call. No request may take longer than `limit` seconds.
        """
        entries = self.build(case, limit)
        running = {name: entry for name, entry in entries.items() if "missing" not in entry}
        for turn in range(rounds):
            for name, entry in list(running.items()):
                answer = self.ask(name, {"build": str(case)}, limit) if turn else {}
                answer |= {} if "error" in answer else self.ask(name, {"time": budget}, limit)
                if "error" in answer:
                    del running[name]
                    entries[name] = {"missing": answer["error"], "failed": True}
                    continue
                entry["turns"].append(answer["seconds"])
                entry["calls"].append(answer["calls"])
                if "plan" in answer:
                    entry.setdefault("plans", []).append(answer["plan"])
                time.sleep(PAUSE)
        return entries

    def outputs(self, name: str, case: Case, limit: float) -> tuple[dict[str, Any], list[np.ndarray]]:
        """The answer of a contestant that builds the case, and its outputs: none if it cannot run the case."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "outputs.npz"
            answer = self.ask(name, {"build": str(case), "outputs": str(file)}, limit)
            if "unsupported" in answer or "error" in answer:
                return answer, []
            with np.load(file) as arrays:
                return answer, list(arrays.values())

    def build(self, case: Case, limit: float) -> dict[str, dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        outputs: dict[str, list[np.ndarray]] = {}
        for name in self.contestants:
            answer, arrays = self.outputs(name, case, limit)
            if "unsupported" in answer:
                entries[name] = {"missing": answer["unsupported"]}
            elif "error" in answer:
                entries[name] = {"missing": answer["error"], "failed": True}
            else:
                entries[name] = {**answer, "turns": [], "calls": []}
                outputs[name] = arrays
        reference = self.reference if self.reference in outputs else next(iter(outputs), "")
        expected = outputs.get(reference, [])
        if case.variant and outputs and reference != self.reference:
            reference = "the equations"
            answer, expected = self.outputs(EQUATIONS, case, limit)
            if problem := answer.get("error") or answer.get("unsupported"):
                failed = {name: {"missing": f"the equations: {problem}", "failed": True} for name in outputs}
                return {**entries, **failed}
        for name, arrays in outputs.items():
            entries[name]["difference"] = wrong = largest_difference(arrays, expected)
            if wrong > LARGEST_DIFFERENCE[case.dtype.name]:
                entries[name] = {"missing": f"differs from {reference} by {wrong:.1e}", "failed": True}
        return entries
