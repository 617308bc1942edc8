"""Formats results as text, with tables in Markdown."""

from __future__ import annotations

from tabulate import tabulate

from contestants import CONTESTANTS
from suite.results import CLOSE_FORECAST, LARGEST_DRIFT, OURS, CaseResult, Run


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
    if name not in result.counted:  # the limit is that of the capped instructions
        return duration(result.seconds(name).median)
    return f"{duration(result.seconds(name).median)} ({result.share(name):.0%})"


def ratio(result: CaseResult, slow: str | None, fast: str = OURS, scale: float = 1) -> str:
    """`scale` * time of `slow` / time of `fast`, with the spread over the rounds."""
    if slow not in result.timed or fast not in result.timed:
        return "-"
    return "{:.2f} ({:.2f} to {:.2f})".format(*(scale * value for value in result.ratio(slow, fast)))


def marked_title(run: Run, name: str) -> str:
    """The title of a contestant, with a star if its times do not count."""
    return CONTESTANTS[name].title + ("*" if name in run.uncapped else "")


def comparison(run: Run, form: str = "github") -> str:
    """A table with one line per case: each contestant's median time and share of the limit, and two ratios.

    The ratios are gatecell's forecast / its time, and the time of the fastest peer / that of gatecell.
    """
    names = list(run.raw["contestants"])
    headers = [
        "case",
        "limit",
        *(marked_title(run, name) for name in names),
        "forecast / gatecell",
        "fastest peer / gatecell",
    ]
    rows = []
    for r in run.cases:
        forecast = "-" if r.forecast is None else f"{r.forecast:.2f}"
        cells = [_cell(r, name) for name in names]
        rows.append([str(r.case), duration(r.limit), *cells, forecast, ratio(r, r.fastest_peer)])
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
    isa = f" with {run.isa}" if run.isa else ""
    return f"Limits, {pluralize(run.threads, 'thread')}{isa}: {fma}; reading {reads}{round_trip}."


def not_quiet(run: Run) -> list[str]:
    """A line if other programs were at work."""
    if not run.disturbed:
        return []
    return [f"NOT QUIET: other programs were at work during {run.disturbed} of {pluralize(len(run.cases), 'case')}."]


def notes(run: Run) -> list[str]:
    """Lines about missing times, missing cases, and other programs that were at work."""
    lines = [f"No time: {reason}" for reason in _missing(run)]
    if len(run.cases) < run.raw["planned"]:
        lines.append(f"NOT COMPLETE: {len(run.cases)} of {pluralize(run.raw['planned'], 'case')}.")
    return lines + not_quiet(run)


def _forecasts(run: Run) -> list[str]:
    """A line that compares gatecell's forecasts with its times."""
    if not run.forecasts:
        return []
    close = sum(abs(forecast - 1) <= CLOSE_FORECAST for forecast, _ in run.forecasts)
    worst, result = max(run.forecasts, key=lambda entry: abs(entry[0] - 1))
    return [
        f"Forecast of gatecell within {CLOSE_FORECAST:.0%} of its time: {close} of "
        f"{pluralize(len(run.forecasts), 'case')}; worst {worst:.2f} times, {result.case}."
    ]


def summary(run: Run) -> str:
    """Contestants that do not count, geometric means, forecasts, limits, notes, and whether the run is valid."""
    lines = []
    if run.uncapped:
        names = ", ".join(CONTESTANTS[name].title for name in run.uncapped)
        lines.append(f"* Cannot be kept to {run.isa}, so its times are shown and not counted: {names}.")
    for peer, name in (("fastest peer", None), *((CONTESTANTS[n].title, n) for n in run.raw["contestants"])):
        mean, count = run.geometric_mean(name)
        if count and name != OURS:
            lines.append(f"Geometric mean of {peer} / gatecell: {mean:.2f} over {pluralize(count, 'case')}.")
    for result, times in run.ratios_to_plain:
        lines.append(f"gatecell takes {times:.2f} times as long for {result.case} as for the plain cell.")
    lines += [*_forecasts(run), limits(run)]
    lines += notes(run)
    if not run.valid:
        lines.append(
            f"NOT VALID: the machine's FMA rate drifted by {run.drift:.0%} (allowed {LARGEST_DRIFT:.0%}). Run it again."
        )
    else:
        lines.append(f"Valid: the machine's FMA rate stayed within {run.drift:.1%}.")
    return "\n".join(lines)
