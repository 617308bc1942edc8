"""Makes one self-contained HTML page, and PNG plots, from the JSON files of compare.py.

    python bench/report.py FILE.json ... [--output FOLDER]

Give a run with one thread and one with all to see how each library scales.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
from pathlib import Path

from suite.options import exit_with
from suite.plots import pictures
from suite.results import Run
from suite.tables import comparison, pluralize, summary

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-size: 13px } td, th { padding: .2rem .6rem; border-bottom: 1px solid #ddd }
td { white-space: nowrap } img { max-width: 100% } pre { white-space: pre-wrap; font-size: 13px }
.wide { overflow-x: auto }
.invalid { background: #fdd; padding: .5rem }
"""


def section(run: Run) -> str:
    """Machine, versions, command, summary and table of one run."""
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
        "In the table: median time of a whole Python call (share of the predicted limit). Last column: median over the "
        "rounds of the ratio within a round, and its first and last tenth.",
    ]
    state = "" if run.valid else ' class="invalid"'
    return (
        f"<h2>{pluralize(run.threads, 'thread')}</h2>"
        + "".join(f"<p>{html.escape(fact)}</p>" for fact in facts)
        + f"<pre{state}>{html.escape(summary(run))}</pre>"
        + f'<div class="wide">{comparison(run, "html")}</div>'
        + f"<details><summary>CPU flags</summary><p>{html.escape(' '.join(machine['flags']))}</p></details>"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON of compare.py")
    parser.add_argument("--output", type=Path, help="folder for report.html and the plots (default beside FILE)")
    options = parser.parse_args()
    try:
        runs = sorted((Run.load(path) for path in options.files), key=lambda run: run.threads)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    folder = options.output or options.files[0].with_suffix("")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"cannot make the folder {folder}: {error.strerror}")
    images = []
    for name, figure in pictures(runs):
        png = io.BytesIO()
        figure.savefig(png, format="png")
        (folder / f"{name}.png").write_bytes(png.getvalue())
        data = base64.b64encode(png.getvalue()).decode()
        images.append(f'<p><img alt="{html.escape(name)}" src="data:image/png;base64,{data}"></p>')
    body = "".join(section(run) for run in runs) + "<h2>Plots</h2>" + "".join(images)
    head = f'<meta charset="utf-8"><title>gatecell beside its peers</title><style>{STYLE}</style>'
    page = folder / "report.html"
    page.write_text(f"<!doctype html><html lang='en'>{head}<h1>gatecell beside its peers</h1>{body}</html>\n")
    print(page)
    return 0


if __name__ == "__main__":
    exit_with(main)
