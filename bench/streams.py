"""Live streams, of which each takes a step at a time: a gatecell pool beside what other libraries have for them.

    python bench/streams.py [--threads 2]

Single ONNX Runtime calls, a PyTorch batch and an ONNX Runtime batch of all streams, which for them never come and go.
Aims at 1000 streams: 10 times the steps per second of single calls, 1.2 times those of the PyTorch batch. Keeps all as
JSON.
"""

from __future__ import annotations

import os

from suite.contest import contest
from suite.options import end
from suite.results import OURS, CaseResult, Run
from suite.tables import ratio, table

CASES = tuple(f"lstm,B={streams},T=3,I=64,H=128,streams" for streams in (1, 10, 100, 1000, 10000))
TITLES = {
    OURS: "gatecell pool",
    "torch": "PyTorch batch",
    "onnxruntime.batch": "ONNX Runtime batch",
    "onnxruntime": "ONNX Runtime single calls",
}


def row(result: CaseResult) -> list[str]:
    """Streams, each contestant's steps per second of all streams together, and how many times those gatecell's are."""
    steps = result.case.batch * result.case.steps
    rates = [f"{steps / result.seconds(name).median:,.0f}" if name in result.timed else "-" for name in TITLES]
    return [f"{result.case.batch:,}", *rates, *(ratio(result, name) for name in TITLES if name != OURS)]


def rates(run: Run) -> str:
    peers = [f"gatecell / {title}" for name, title in TITLES.items() if name != OURS]
    return table([row(result) for result in run.cases], ["streams", *TITLES.values(), *peers])


if __name__ == "__main__":
    threads = min(2, len(os.sched_getaffinity(0)))
    end(lambda: contest(__doc__ or "", CASES, tuple(TITLES), rates, threads))
