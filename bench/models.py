"""Times a whole model, the text classifier of tests/models, in its gatecell.nn port and in the PyTorch original.

    python bench/models.py [--threads 1]

Aim: PyTorch takes at least 1.5 times as long. The first cases have the sizes of the trained models in tests/models, the
others sizes that tutorials use. The results go to a JSON file.
"""

from __future__ import annotations

from suite.fixed_cases import run_fixed_cases
from suite.options import exit_with
from suite.results import CaseResult, Run
from suite.tables import duration, ratio, table

CLASSIFIER = "layers=2,bidirectional,batch_first,no_hx,ragged"
SIZES = ("B=32,T=50,I=16,H=32", "B=32,T=100,I=100,H=256")
CASES = tuple(f"{cell},{sizes},{CLASSIFIER}" for sizes in SIZES for cell in ("lstm", "gru"))
PORTED, TWIN = "gatecell.classifier", "torch.classifier"


def table_row(result: CaseResult) -> list[str]:
    """A line of the table: case, both times, PyTorch / gatecell."""
    times = [duration(result.seconds(name).median) if name in result.timed else "-" for name in (PORTED, TWIN)]
    return [str(result.case), *times, ratio(result, TWIN, PORTED)]


def times_table(run: Run) -> str:
    return table([table_row(result) for result in run.cases], ["case", "gatecell", "PyTorch", "PyTorch / gatecell"])


if __name__ == "__main__":
    exit_with(lambda: run_fixed_cases(__doc__ or "", CASES, (PORTED, TWIN), times_table))
