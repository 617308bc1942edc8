"""Makes a self-contained HTML page and PNG plots, or the picture of the front page, from JSON files of compare.py.

    python bench/report.py FILE.json ... [--output FOLDER]
    python bench/report.py FILE.json --speed speed.svg

With a run on one thread and a run on all threads, the report also shows how each library scales. --speed writes only
the picture: the cases of the grid `speed` as bars.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import sys
from pathlib import Path

from suite.options import exit_with
from suite.results import Run
from suite.speed_picture import draw
from suite.tables import comparison, pluralize, summary

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-size: 13px } td, th { padding: .2rem .6rem; border-bottom: 1px solid #ddd }
td { white-space: nowrap } img { max-width: 100% } pre { white-space: pre-wrap; font-size: 13px }
.wide { overflow-x: auto }
.invalid { background: #fdd; padding: .5rem }
"""


def section(run: Run) -> str:
    """The HTML of one run: machine, versions, command, summary and table."""
    raw, machine = run.raw, run.raw["machine"]
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in raw["versions"].items())
    built = raw["gatecell"]
    facts = [
        f"{raw['date']}, {machine['cpu']} (family {'/'.join(map(str, machine['family']))}), {machine['cpus']} CPUs, "
        f"Linux {machine['kernel']}",
        f"gatecell {built['version']} of commit {built['commit']}, {built['isa']}, {built['compiler']}, "
        f"Eigen {built['eigen']}; suite of commit {raw['commit']}",
        versions,
        f"command: {raw['command']}" + "".join(f"; {name}={value}" for name, value in raw["environment"].items()),
        "The table has the median time of a whole Python call and, in brackets, its share of the predicted limit. The "
        "last column is the median over the rounds of the ratio within a round, with its quantiles 0.1 and 0.9. The "
        "column before it has gatecell's own forecast divided by its time.",
    ]
    state = "" if run.valid else ' class="invalid"'
    return (
        f"<h2>{pluralize(run.threads, 'thread')}</h2>"
        + "".join(f"<p>{html.escape(fact)}</p>" for fact in facts)
        + f"<pre{state}>{html.escape(summary(run))}</pre>"
        + f'<div class="wide">{comparison(run, "html")}</div>'
        + f"<details><summary>CPU flags</summary><p>{html.escape(' '.join(machine['flags']))}</p></details>"
    )


def write_speed_picture(runs: list[Run], path: Path) -> None:
    """Writes the picture. Raises ValueError if there are several runs, or if the run has no suitable case."""
    if len(runs) != 1:
        raise ValueError(f"--speed expected one file, got {len(runs)}")
    if not runs[0].valid or runs[0].disturbed:
        print("warning: the run is not valid, or other programs were at work", file=sys.stderr)
    path.write_text(draw(runs[0]), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON of compare.py")
    parser.add_argument("--output", type=Path, help="folder for report.html and the plots (default: next to FILE)")
    parser.add_argument(
        "--speed", type=Path, metavar="SVG", help="write only the picture of the front page to this file"
    )
    options = parser.parse_args()
    try:
        runs = sorted((Run.load(path) for path in options.files), key=lambda run: run.threads)
        if options.speed:
            write_speed_picture(runs, options.speed)
            print(options.speed)
            return 0
    except (OSError, ValueError) as error:
        parser.error(str(error))
    folder = options.output or options.files[0].with_suffix("")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"cannot make the folder {folder}: {error.strerror}")
    from suite.plots import figures  # not at the top: the tests of --speed run without Matplotlib

    images = []
    for name, figure in figures(runs):
        png = io.BytesIO()
        figure.savefig(png, format="png")
        (folder / f"{name}.png").write_bytes(png.getvalue())
        data = base64.b64encode(png.getvalue()).decode()
        images.append(f'<p><img alt="{html.escape(name)}" src="data:image/png;base64,{data}"></p>')
    body = "".join(section(run) for run in runs) + "<h2>Plots</h2>" + "".join(images)
    head = f'<meta charset="utf-8"><title>gatecell and its peers</title><style>{STYLE}</style>'
    page = folder / "report.html"
    page.write_text(f"<!doctype html><html lang='en'>{head}<h1>gatecell and its peers</h1>{body}</html>\n")
    print(page)
    return 0


if __name__ == "__main__":
    exit_with(main)
