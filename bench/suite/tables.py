"""Formats results as text, with tables in Markdown."""

from __future__ import annotations

from tabulate import tabulate

from contestants import CONTESTANTS
from suite.results import LARGEST_DRIFT, OURS, CaseResult, Run


def duration(seconds: float) -> str:
    """The time with three digits, in s, ms, us or ns."""
    units = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6))
    unit, size = next((u for u in units if seconds >= 0.9995 * u[1]), ("ns", 1e-9))  # 999.6 us is 1.00 ms
    return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}"


def pluralize(number: int, noun: str) -> str:
    """For example "1 thread" or "2 threads"."""
    return f"{number} {noun}" + ("s" if number != 1 else "")


def table(rows: list[list[str]], headers: list[str], form: str = "github") -> str:
    numbers = ["right"] * (len(headers) - 1)
    return str(tabulate(rows, headers, tablefmt=form, colalign=("left", *numbers), disable_numparse=True))


def _cell(result: CaseResult, name: str) -> str:
    if name not in result.timed:
        return "not installed" if result.why_not(name) == "not installed" else "-"
    return f"{duration(result.seconds(name).median)} ({result.share(name):.0%})"


def ratio(result: CaseResult, slow: str | None, fast: str = OURS, scale: float = 1) -> str:
    """`scale` * time of `slow` / time of `fast`, with the spread over the rounds."""
    if slow not in result.timed or fast not in result.timed:
        return "-"
    return "{:.2f} ({:.2f} to {:.2f})".format(*(scale * value for value in result.ratio(slow, fast)))


def comparison(run: Run, form: str = "github") -> str:
    """A table with one line per case: each contestant's median time and share of the limit, fastest peer / gatecell."""
    names = list(run.raw["contestants"])
    titles = [CONTESTANTS[name].title for name in names]
    headers = ["case", "limit", *titles, "fastest peer / gatecell"]
    rows = [
        [str(r.case), duration(r.limit), *(_cell(r, name) for name in names), ratio(r, r.fastest_peer)]
        for r in run.cases
    ]
    return table(rows, headers, form)


def _missing(run: Run) -> list[str]:
    """Reasons why contestants have no time. Cases with the same reason share a line."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for result in run.cases:
        for name in run.raw["contestants"]:
            if why := result.why_not(name):
                reasons.setdefault((name, why), []).append(str(result.case))
    return [
        f"{CONTESTANTS[name].title}: {why}" + ("" if len(cases) == len(run.cases) else f" ({'; '.join(cases)})")
        for (name, why), cases in reasons.items()
    ]


def _rate(rate: float, unit: str) -> str:
    return f"{rate / 1e9:.0f} {unit}"


def limits(run: Run) -> str:
    limits = run.raw["limits"]
    reads = ", ".join(f"{level['name']} {_rate(level['bandwidth'], 'GB/s')}" for level in limits["levels"])
    seconds = limits["core_round_trip"]
    round_trip = f"; round trip between two cores {duration(seconds)}" if seconds else ""
    fma = ", ".join(f"{_rate(limits['fma'][t], 'GFLOP/s')} {t}" for t in ("float32", "float64"))
    return f"Limits, {pluralize(run.threads, 'thread')}: {fma}; reading {reads}{round_trip}."


def notes(run: Run) -> list[str]:
    """Lines about missing times, missing cases, and other programs that were at work."""
    lines = [f"No time: {reason}" for reason in _missing(run)]
    if len(run.cases) < run.raw["planned"]:
        lines.append(f"NOT COMPLETE: {len(run.cases)} of {pluralize(run.raw['planned'], 'case')}.")
    if run.disturbed:
        lines.append(
            f"NOT QUIET: other programs were at work during {run.disturbed} of {pluralize(len(run.cases), 'case')}."
        )
    return lines


def summary(run: Run) -> str:
    """Geometric means, limits, notes, and whether the run is valid."""
    lines = []
    for title, name in (("fastest peer", None), *((CONTESTANTS[n].title, n) for n in run.raw["contestants"])):
        mean, count = run.geometric_mean(name)
        if count and name != OURS:
            lines.append(f"Geometric mean of {title} / gatecell: {mean:.2f} over {pluralize(count, 'case')}.")
    for result, times in run.ratios_to_plain:
        lines.append(f"gatecell takes {times:.2f} times as long for {result.case} as for the plain cell.")
    lines.append(limits(run))
    lines += notes(run)
    if not run.valid:
        lines.append(
            f"NOT VALID: the machine's FMA rate drifted by {run.drift:.0%} (allowed {LARGEST_DRIFT:.0%}). Run it again."
        )
    else:
        lines.append(f"Valid: the machine's FMA rate stayed within {run.drift:.1%}.")
    return "\n".join(lines)
