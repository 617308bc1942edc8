"""Two commits of gatecell, built from git and timed in turn on the same cases.

    python bench/ab.py COMMIT_A COMMIT_B [--grid quick] [--threads 1] [case ...]

Prints how much longer A takes than B, and by how much their outputs differ. Builds are kept in build/ab/ by commit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from suite.options import add_measuring, chosen_cases, end
from suite.processes import Process
from suite.record import default_path, describe_run, gatecell_build, write_json
from suite.results import CaseResult
from suite.rounds import Field
from suite.tables import duration, table

ROOT = Path(__file__).parents[1]


def git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise SystemExit(f"ab.py needs git: {error.strerror}") from None
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def resolve(name: str) -> str:
    return git("rev-parse", "--verify", f"{name}^{{commit}}")


def built(commit: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The environment in which Python imports the commit's gatecell, and what that says of its build.

    Builds it when there is no build of it yet.
    """
    target = ROOT / "build" / "ab" / f"{commit}-{sys.implementation.cache_tag}"
    environment = {"PYTHONPATH": str(target)}
    if not target.exists():
        print(f"building {commit[:12]}", file=sys.stderr, flush=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            source, installed = Path(folder) / "source", Path(folder) / "installed"
            git("worktree", "add", "--detach", str(source), commit)
            try:
                install = ["install", "-q", "--no-deps", "--target", str(installed), str(source)]
                if subprocess.run([sys.executable, "-m", "pip", *install], check=False).returncode:
                    raise SystemExit(f"{commit[:12]} does not build")
            finally:
                git("worktree", "remove", "--force", str(source))
            installed.rename(target)  # whole or not at all
    build = gatecell_build(environment)
    if not commit.startswith(build["commit"]):
        imported = build["commit"]
        raise SystemExit(f"built {commit[:12]}, but Python imports {imported}: is gatecell installed as editable?")
    return environment, build


def row(result: CaseResult) -> list[str]:
    """Case, A, B, A / B, spread, difference of outputs."""
    if len(result.timed) < 2:
        return [str(result.case), *(result.why_not(name) or "-" for name in "AB"), "-", "-", "-"]
    ratio = result.ratio("A", "B")
    times = [duration(result.seconds(name).median) for name in "AB"]
    difference = result.raw["contestants"]["B"]["difference"]
    same = "same bits" if difference == 0 else f"{difference:.1e}"
    return [str(result.case), *times, f"{ratio.median:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}", same]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("commits", nargs=2, metavar="COMMIT", help="A and B")
    add_measuring(parser)
    parser.add_argument("--output", type=Path, help="JSON file (default bench/results/ab-<date>.json)")
    options = parser.parse_args()
    path = options.output or default_path("ab")
    run: dict[str, Any] = {"program": "ab", **describe_run(), "threads": options.threads, "cases": []}
    write_json(path, run)
    commits = [resolve(name) for name in options.commits]  # both at once: HEAD may move while the first is built
    builds = dict(zip("AB", map(built, commits), strict=True))
    run["commits"] = dict(zip("AB", commits, strict=True))
    run["builds"] = {side: build for side, (_, build) in builds.items()}
    start = {side: partial(Process, "gatecell", options.threads, env=env) for side, (env, _) in builds.items()}
    rows = []
    with closing(Field(start, reference="A")) as field:
        for case in chosen_cases(options):
            entries = field.measure(case, options.rounds, options.budget, options.time_limit)
            run["cases"].append({"case": str(case), "contestants": entries})
            write_json(path, run)
            rows.append(row(CaseResult(run["cases"][-1])))
            print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    sides = [f"{side} {commit[:9]}" for side, commit in zip("AB", commits, strict=True)]
    print(table(rows, ["case", *sides, "A / B", "spread", "outputs"]), f"Kept in {path}", sep="\n\n")
    return 1 if any(entry.get("failed") for case in run["cases"] for entry in case["contestants"].values()) else 0


if __name__ == "__main__":
    end(main)
