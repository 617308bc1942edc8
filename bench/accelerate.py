"""PyTorch models as they come and with `gatecell.accelerate`: a tagger, an LSTM stepped frame by frame, a single call.

    python bench/accelerate.py [--threads 2]

Aims: the tagger takes PyTorch alone at least 2 times as long, stepping at least 10 times, and a call costs at most 5 us
more than gatecell's own with arrays. Keeps all as JSON.
"""

from __future__ import annotations

import os

from suite.contest import contest
from suite.options import end
from suite.results import CaseResult, Run
from suite.tables import duration, ratio, table

CASES = (
    "gru,B=32,T=100,I=128,H=256,layers=2,bidirectional,no_hx,ragged",
    "lstm,B=1,T=100,H=128,streams",
    "lstm,B=1,T=1,H=128",
)
ALONE, ACCELERATED, OWN = "torch.model", "gatecell.accelerate", "gatecell.own"


def row(result: CaseResult) -> list[str]:
    """Case, the time of each, how many times longer PyTorch takes, and what a call costs beside gatecell's own."""
    times = [
        duration(result.seconds(name).median) if name in result.timed else "-" for name in (ALONE, ACCELERATED, OWN)
    ]
    cost = "-"
    if not result.case.ragged and ACCELERATED in result.timed and OWN in result.timed:
        more = result.seconds(ACCELERATED).median - result.seconds(OWN).median
        cost = f"{more / result.case.steps * 1e6:.1f} us"  # each step is a call
    return [str(result.case), *times, ratio(result, ALONE, ACCELERATED), cost]


def times(run: Run) -> str:
    headers = ["case", "PyTorch", "accelerated", "gatecell's own", "PyTorch / accelerated", "wrapper, per call"]
    return table([row(result) for result in run.cases], headers)


if __name__ == "__main__":
    threads = min(2, len(os.sched_getaffinity(0)))
    end(lambda: contest(__doc__ or "", CASES, (ALONE, ACCELERATED, OWN), times, threads))
