"""Times batches of sequences of different lengths, with gatecell and other libraries.

    python bench/ragged.py [--threads 1]

Fill is the share of the steps of a batch that are not padding. Aims: the fastest peer takes at least 1.6 times as long
as gatecell. gatecell takes at most 1.10 times fill times its own time for the full batch. Results go to a JSON file.
"""

from __future__ import annotations

from contestants import CONTESTANTS
from suite.arrays import make_lengths
from suite.fixed_cases import run_fixed_cases
from suite.options import exit_with
from suite.results import OURS, CaseResult, Run
from suite.tables import duration, ratio, table

CASES = ("lstm,B=32,T=100,H=256,ragged", "gru,B=32,T=100,H=256,ragged")
FULL = "gatecell.full"
NAMES = (OURS, "gatecell.packed", FULL, "torch", "torch.full", "onnxruntime", "openvino")


def table_row(result: CaseResult) -> list[str]:
    """A line of the table: case, fill, the time of each contestant, the two ratios."""
    fill = make_lengths(result.case).mean() / result.case.steps
    times = [duration(result.seconds(name).median) if name in result.timed else "-" for name in NAMES]
    ratios = [ratio(result, result.fastest_peer), ratio(result, OURS, FULL, 1 / fill)]
    return [str(result.case), f"{fill:.1%}", *times, *ratios]


def times_table(run: Run) -> str:
    titles = [CONTESTANTS[name].title for name in NAMES]
    headers = ["case", "fill", *titles, "fastest peer / gatecell", "gatecell / (fill x its full batch)"]
    return table([table_row(result) for result in run.cases], headers)


if __name__ == "__main__":
    exit_with(lambda: run_fixed_cases(__doc__ or "", CASES, NAMES, times_table))
