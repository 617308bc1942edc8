"""Times PyTorch models with and without `gatecell.accelerate`: a tagger, an LSTM frame by frame, a single call.

    python bench/accelerate.py [--threads 2]

Aims: PyTorch takes at least 2 times as long for the tagger and at least 10 times as long for the LSTM. A call through
the accelerated module takes at most 5 us more than a direct call of gatecell with arrays. Results go to a JSON file.
"""

from __future__ import annotations

import os

from suite.fixed_cases import run_fixed_cases
from suite.options import exit_with
from suite.results import CaseResult, Run
from suite.tables import duration, ratio, table

CASES = (
    "gru,B=32,T=100,I=128,H=256,layers=2,bidirectional,no_hx,ragged",
    "lstm,B=1,T=100,H=128,streams",
    "lstm,B=1,T=1,H=128",
)
ALONE, ACCELERATED, OWN = "torch.model", "gatecell.accelerate", "gatecell.own"


def table_row(result: CaseResult) -> list[str]:
    """A line of the table: case, three times, PyTorch / accelerated, extra time of a call through the module."""
    times = [
        duration(result.seconds(name).median) if name in result.timed else "-" for name in (ALONE, ACCELERATED, OWN)
    ]
    cost = "-"
    if not result.case.ragged and ACCELERATED in result.timed and OWN in result.timed:
        more = result.seconds(ACCELERATED).median - result.seconds(OWN).median
        cost = f"{more / result.case.steps * 1e6:.1f} us"  # each step is a call
    return [str(result.case), *times, ratio(result, ALONE, ACCELERATED), cost]


def times_table(run: Run) -> str:
    headers = ["case", "PyTorch", "accelerated", "gatecell's own", "PyTorch / accelerated", "wrapper, per call"]
    return table([table_row(result) for result in run.cases], headers)


if __name__ == "__main__":
    threads = min(2, len(os.sched_getaffinity(0)))
    exit_with(lambda: run_fixed_cases(__doc__ or "", CASES, (ALONE, ACCELERATED, OWN), times_table, threads))
