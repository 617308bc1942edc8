"""Times live streams that take one step per call, with a gatecell StreamPool and with other libraries.

    python bench/streams.py [--threads 2]

The others are single ONNX Runtime calls, and batches of all streams in PyTorch and ONNX Runtime. In these batches no
stream starts or ends during the measurement. Aims for 1000 streams: gatecell reaches 10 times the steps per second of
the single calls and 1.2 times those of the PyTorch batch. The results go to a JSON file.
"""

from __future__ import annotations

import os

from suite.fixed_cases import run_fixed_cases
from suite.options import exit_with
from suite.results import OURS, CaseResult, Run
from suite.tables import ratio, table

CASES = tuple(f"lstm,B={streams},T=3,I=64,H=128,streams" for streams in (1, 10, 100, 1000, 10000))
TITLES = {
    OURS: "gatecell pool",
    "torch": "PyTorch batch",
    "onnxruntime.batch": "ONNX Runtime batch",
    "onnxruntime": "ONNX Runtime single calls",
}


def table_row(result: CaseResult) -> list[str]:
    """A line of the table: streams, each contestant's steps per second of all streams together, ratios to gatecell."""
    steps = result.case.batch * result.case.steps
    rates = [f"{steps / result.seconds(name).median:,.0f}" if name in result.timed else "-" for name in TITLES]
    return [f"{result.case.batch:,}", *rates, *(ratio(result, name) for name in TITLES if name != OURS)]


def rates_table(run: Run) -> str:
    peers = [f"gatecell / {title}" for name, title in TITLES.items() if name != OURS]
    return table([table_row(result) for result in run.cases], ["streams", *TITLES.values(), *peers])


if __name__ == "__main__":
    threads = min(2, len(os.sched_getaffinity(0)))
    exit_with(lambda: run_fixed_cases(__doc__ or "", CASES, tuple(TITLES), rates_table, threads))
