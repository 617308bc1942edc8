"""Builds two commits of gatecell from git and times them in turns on the same cases.

    python bench/ab.py COMMIT_A COMMIT_B [--grid quick] [--threads 1] [case ...]

Prints the ratio of A's time to B's, and the largest difference of their outputs. Builds stay in build/ab/, one folder
for each commit.
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

from suite.options import add_measuring, chosen_cases, exit_with
from suite.processes import Process
from suite.record import default_path, describe_run, gatecell_build, write_json
from suite.results import CaseResult
from suite.rounds import ContestantProcesses
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


def commit_hash(name: str) -> str:
    return git("rev-parse", "--verify", f"{name}^{{commit}}")


def build_commit(commit: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Builds the commit unless a build of it exists.

    Returns the environment variables with which Python imports this gatecell, and its build_info().
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
            installed.rename(target)  # so that `target` is always a complete build
    build = gatecell_build(environment)
    if not commit.startswith(build["commit"]):
        imported = build["commit"]
        raise SystemExit(f"built {commit[:12]}, but Python imports {imported}: is gatecell installed as editable?")
    return environment, build


def table_row(result: CaseResult) -> list[str]:
    """A line of the table: case, A, B, A / B, spread, difference of outputs."""
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
    commits = [commit_hash(name) for name in options.commits]  # before the builds, during which HEAD may move
    builds = dict(zip("AB", map(build_commit, commits), strict=True))
    run["commits"] = dict(zip("AB", commits, strict=True))
    run["builds"] = {side: build for side, (_, build) in builds.items()}
    start = {side: partial(Process, "gatecell", options.threads, env=env) for side, (env, _) in builds.items()}
    rows = []
    with closing(ContestantProcesses(start, reference="A")) as contestants:
        for case in chosen_cases(options):
            entries = contestants.measure(case, options.rounds, options.budget, options.time_limit)
            run["cases"].append({"case": str(case), "contestants": entries})
            write_json(path, run)
            rows.append(table_row(CaseResult(run["cases"][-1])))
            print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    sides = [f"{side} {commit[:9]}" for side, commit in zip("AB", commits, strict=True)]
    print(table(rows, ["case", *sides, "A / B", "spread", "outputs"]), f"Kept in {path}", sep="\n\n")
    return 1 if any(entry.get("failed") for case in run["cases"] for entry in case["contestants"].values()) else 0


if __name__ == "__main__":
    exit_with(main)
