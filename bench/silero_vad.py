"""Silero VAD, a voice activity detector that people use: gatecell beside ONNX Runtime with the package's ONNX models.

    python bench/silero_vad.py [--threads 1]

Aims on one thread, in frames per second: one frame at a time at least half of ONNX Runtime's, in chunks of 8 frames at
least as many, 100 streams at least 5 times as many as stream by stream. Keeps all as JSON.
"""

from __future__ import annotations

from suite.contest import contest
from suite.options import end
from suite.results import CaseResult, Run
from suite.tables import ratio, table

CASES = ("lstm,B=1,T=1,H=128,streams", "lstm,B=1,T=8,H=128,streams", "lstm,B=100,T=1,H=128,streams")
OURS = "gatecell.vad"
TITLES = {OURS: "gatecell", "onnxruntime.vad": "ONNX Runtime", "onnxruntime.vad_at_once": "ONNX Runtime at once"}


def row(result: CaseResult) -> list[str]:
    """Streams, frames of each in a call, each contestant's frames per second of all streams, and gatecell's ratios."""
    case = result.case
    frames = case.batch * case.steps
    rates = [f"{frames / result.seconds(name).median:,.0f}" if name in result.timed else "-" for name in TITLES]
    return [str(case.batch), str(case.steps), *rates, *(ratio(result, name, OURS) for name in TITLES if name != OURS)]


def rates(run: Run) -> str:
    peers = [f"gatecell / {title}" for name, title in TITLES.items() if name != OURS]
    return table([row(result) for result in run.cases], ["streams", "frames in a call", *TITLES.values(), *peers])


if __name__ == "__main__":
    end(lambda: contest(__doc__ or "", CASES, tuple(TITLES), rates))
