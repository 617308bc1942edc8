"""Times Silero VAD, a published voice activity detector: gatecell, and ONNX Runtime with the package's ONNX models.

    python bench/silero_vad.py [--threads 1]

Aims on one thread, in frames per second: with one frame per call gatecell reaches at least half of ONNX Runtime's rate.
With 8 frames per call it reaches at least the same rate. With 100 streams it reaches at least 5 times the rate of ONNX
Runtime stream by stream. The results go to a JSON file.
"""

from __future__ import annotations

from suite.fixed_cases import run_fixed_cases
from suite.options import exit_with
from suite.results import CaseResult, Run
from suite.tables import ratio, table

CASES = ("lstm,B=1,T=1,H=128,streams", "lstm,B=1,T=8,H=128,streams", "lstm,B=100,T=1,H=128,streams")
OURS = "gatecell.vad"
TITLES = {OURS: "gatecell", "onnxruntime.vad": "ONNX Runtime", "onnxruntime.vad_at_once": "ONNX Runtime at once"}


def table_row(result: CaseResult) -> list[str]:
    """A line of the table: streams, frames of a stream per call, frames per second of all streams together, ratios."""
    case = result.case
    frames = case.batch * case.steps
    rates = [f"{frames / result.seconds(name).median:,.0f}" if name in result.timed else "-" for name in TITLES]
    return [str(case.batch), str(case.steps), *rates, *(ratio(result, name, OURS) for name in TITLES if name != OURS)]


def rates_table(run: Run) -> str:
    peers = [f"gatecell / {title}" for name, title in TITLES.items() if name != OURS]
    return table([table_row(result) for result in run.cases], ["streams", "frames per call", *TITLES.values(), *peers])


if __name__ == "__main__":
    exit_with(lambda: run_fixed_cases(__doc__ or "", CASES, tuple(TITLES), rates_table))
