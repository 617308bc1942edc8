"""A whole model: the text classifier of tests/models, ported to gatecell.nn and as it was in PyTorch.

    python bench/models.py [--threads 1]

Aim: PyTorch takes at least 1.5 times as long. First the sizes that tests/models has trained, then those of tutorials.
Keeps all as JSON.
"""

from __future__ import annotations

from suite.contest import contest
from suite.options import end
from suite.results import CaseResult, Run
from suite.tables import duration, ratio, table

CLASSIFIER = "layers=2,bidirectional,batch_first,no_hx,ragged"
SIZES = ("B=32,T=50,I=16,H=32", "B=32,T=100,I=100,H=256")
CASES = tuple(f"{cell},{sizes},{CLASSIFIER}" for sizes in SIZES for cell in ("lstm", "gru"))
PORTED, TWIN = "gatecell.classifier", "torch.classifier"


def row(result: CaseResult) -> list[str]:
    """Case, the time of each, and how many times as long PyTorch takes."""
    times = [duration(result.seconds(name).median) if name in result.timed else "-" for name in (PORTED, TWIN)]
    return [str(result.case), *times, ratio(result, TWIN, PORTED)]


def times(run: Run) -> str:
    return table([row(result) for result in run.cases], ["case", "gatecell", "PyTorch", "PyTorch / gatecell"])


if __name__ == "__main__":
    end(lambda: contest(__doc__ or "", CASES, (PORTED, TWIN), times))
