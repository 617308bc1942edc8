"""Draws the picture of speed for the front page: time of a call of each library, as bars, in one SVG file.

The file has a white background of its own, so that it is readable on light and dark pages. Its text is SVG text in a
common font, which keeps the file small.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from html import escape

from contestants import CONTESTANTS
from suite.cases import Case
from suite.grids import GRIDS
from suite.results import OURS, CaseResult, Run
from suite.tables import duration, pluralize

LIBRARIES = ("gatecell", "torch", "onnxruntime", "openvino", "jax")
COLUMNS = 2
MARGIN, NAMES, BAR, LABEL = 24, 104, 170, 122  # widths in pixels; a panel has names, bars and their labels
TITLE, LINE, THICKNESS, GAP = 40, 19, 12, 16  # heights of a panel title, a line, a bar; space below a panel
PANEL = NAMES + BAR + LABEL
WIDTH = 2 * MARGIN + COLUMNS * PANEL + (COLUMNS - 1) * MARGIN
TEXT, FAINT, GATECELL, PEER = "#1f2328", "#59636e", "#d55e00", "#8c96a0"
FONT = "-apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"


def draw(run: Run) -> str:
    """The SVG text. Raises ValueError for a run with --isa, or with none of the cases of the grid `speed`."""
    if run.isa:
        raise ValueError(f"the picture shows libraries as they are, got a run with --isa {run.isa}")
    wanted = [Case.parse(text) for text in GRIDS["speed"]]
    results = [result for case in wanted for result in run.cases if result.case == case and OURS in result.timed]
    if not results:
        raise ValueError(f"no case of --grid speed in the results: {'; '.join(GRIDS['speed'])}")
    names = [name for name in LIBRARIES if any(name in result.timed for result in results)]
    top, height = 84, TITLE + LINE * len(names) + GAP
    rows = -(-len(results) // COLUMNS)
    total = top + rows * height + 46
    title = f"Time of one Python call on {pluralize(run.threads, 'CPU thread')}: shorter is better"
    body = [_text(MARGIN, 38, title, size=18, weight="600")]
    body.append(_text(MARGIN, 60, "x: time divided by the time of gatecell", color=FAINT))
    for index, result in enumerate(results):
        row, column = divmod(index, COLUMNS)
        body += _panel(result, names, MARGIN + column * (PANEL + MARGIN), top + row * height)
    date = f"{datetime.fromisoformat(run.raw['date']):%-d %B %Y}"
    versions = [f"{CONTESTANTS[name].title} {run.raw['contestants'][name] or ''}".strip() for name in names]
    body.append(_text(MARGIN, total - 34, ", ".join(versions), color=FAINT, size=11))
    body.append(_text(MARGIN, total - 17, f"float32, {run.raw['machine']['cpu']}, {date}", color=FAINT, size=11))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" width="{WIDTH}" height="{total}"'
        f' role="img" font-family="{FONT}">\n<title>{escape(title)}</title>\n'
        f'<rect width="{WIDTH}" height="{total}" rx="8" fill="#ffffff"/>\n'
    )
    return head + "\n".join(body) + "\n</svg>\n"


def _panel(result: CaseResult, names: list[str], left: float, top: float) -> Iterator[str]:
    """A title and one bar for each library; the longest bar has the width BAR."""
    name, size = describe(result.case)
    yield _text(left, top + 14, name, weight="600")
    yield _text(left, top + 30, size, color=FAINT, size=12)
    seconds = {name: result.seconds(name).median for name in names if name in result.timed}
    for index, name in enumerate(names):
        middle = top + TITLE + LINE * (index + 0.5)
        color = GATECELL if name == OURS else PEER
        yield _text(left, middle + 4, CONTESTANTS[name].title, weight="600" if name == OURS else "400")
        if name not in seconds:
            yield _text(left + NAMES, middle + 4, "-", color=FAINT)
            continue
        length = BAR * seconds[name] / max(seconds.values())
        yield (
            f'<rect x="{left + NAMES:g}" y="{middle - THICKNESS / 2:g}" width="{max(length, 1):.1f}"'
            f' height="{THICKNESS}" fill="{color}"/>'
        )
        ratio = "" if name == OURS else f"  ({result.ratio(name).median:.1f}x)"
        yield _text(left + NAMES + length + 6, middle + 4, duration(seconds[name]) + ratio)


def describe(case: Case) -> tuple[str, str]:
    """The network and the input of a case in words, for example ("LSTM, 256 units", "1 sequence of 100 steps")."""
    name = f"{'bidirectional ' if case.bidirectional else ''}{case.cell.upper()}, {case.hidden_size} units"
    name += f", {case.num_layers} layers" if case.num_layers > 1 else ""
    sequences = "1 sequence" if case.batch == 1 else f"batch of {case.batch} sequences"
    return name[0].upper() + name[1:], f"{sequences} of {pluralize(case.steps, 'step')}"


def _text(x: float, y: float, text: str, color: str = TEXT, size: int = 13, weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{color}"'
        f' xml:space="preserve">{escape(text)}</text>'
    )
