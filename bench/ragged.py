"""Batches of sequences of different lengths: gatecell beside what other libraries have for them.

    python bench/ragged.py [--threads 1]

Aims: the fastest peer takes at least 1.6 times as long, and gatecell at most 1.10 times fill times its full batch's,
where fill is the share of the steps that are no padding. Keeps all as JSON.
"""

from __future__ import annotations

from contestants import CONTESTANTS
from suite.cases import make_lengths
from suite.contest import contest
from suite.options import end
from suite.results import OURS, CaseResult, Run
from suite.tables import duration, ratio, table

CASES = ("lstm,B=32,T=100,H=256,ragged", "gru,B=32,T=100,H=256,ragged")
FULL = "gatecell.full"
NAMES = (OURS, "gatecell.packed", FULL, "torch", "torch.full", "onnxruntime", "openvino")


def row(result: CaseResult) -> list[str]:
    """Case, fill, the time of each contestant and the two ratios."""
    fill = make_lengths(result.case).mean() / result.case.steps
    times = [duration(result.seconds(name).median) if name in result.timed else "-" for name in NAMES]
    ratios = [ratio(result, result.fastest_peer), ratio(result, OURS, FULL, 1 / fill)]
    return [str(result.case), f"{fill:.1%}", *times, *ratios]


def times(run: Run) -> str:
    titles = [CONTESTANTS[name].title for name in NAMES]
    headers = ["case", "fill", *titles, "fastest peer / gatecell", "gatecell / (fill x its full batch)"]
    return table([row(result) for result in run.cases], headers)


if __name__ == "__main__":
    end(lambda: contest(__doc__ or "", CASES, NAMES, times))
