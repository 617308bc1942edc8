"""Draws the plots of a report: ratio to the fastest peer, time against H, scaling with threads, share of the limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contestants import CONTESTANTS
from suite.results import OURS, CaseResult, Run
from suite.tables import marked_title, pluralize

# One colour for each library in all plots. Colour-blind readers can distinguish them (Okabe and Ito).
LIBRARIES = {
    "gatecell": "#d55e00",
    "torch": "#0072b2",
    "onnxruntime": "#009e73",
    "openvino": "#cc79a7",
    "jax": "#e69f00",
}
COLOURS = {name: LIBRARIES[name.partition(".")[0]] for name in CONTESTANTS}
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 7, 10, 15, 20, 50, 100)
MARKERS = dict(zip(CONTESTANTS, cycle("os^DvphXP<>8d*"), strict=False))  # contestants may share a marker

mpl.rcParams.update({"font.size": 9, "axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True, "savefig.dpi": 130})
mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def _by_case(ax: Axes, results: Sequence[CaseResult]) -> np.ndarray:
    """Labels the y axis with the cases from top to bottom. Returns the y coordinate of each case."""
    heights = np.arange(len(results))[::-1]
    ax.set_yticks(heights, [str(result.case) for result in results])
    ax.set_ylim(-0.7, len(results) - 0.3)
    return heights


def _tall_figure(results: Sequence[CaseResult]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, 1.4 + 0.22 * len(results)), layout="constrained")
    return figure, figure.subplots()


def _legend(figure: Figure, ax: Axes, columns: int = 7) -> None:
    """Adds a legend outside the axes, where it covers no points."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=min(len(labels), columns))


def _points(ax: Axes, run: Run, name: str, points: Sequence[tuple[float, float]], line: float = 0) -> None:
    """Draws the points of a contestant, those of gatecell on top."""
    style = {"marker": MARKERS[name], "color": COLOURS[name], "markersize": 5, "zorder": 4 if name == OURS else 3}
    if points:
        ax.plot(*zip(*points, strict=True), **style, linestyle="-" if line else "", label=marked_title(run, name))


def _ratio_ticks(low: float, high: float) -> list[float]:
    """1 and round numbers on both sides of it, with enough distance for their labels."""
    distance = math.log(max(high, 1.05) / min(low, 0.95)) / 22
    ticks = [1.0]
    for side in (TICKS, TICKS[::-1]):
        last = 1.0
        for tick in side:
            outward = tick > 1 if side is TICKS else tick < 1
            if outward and low <= tick <= high and abs(math.log(tick / last)) >= distance:
                ticks.append(last := tick)
    return ticks


def ratios(run: Run) -> Figure | None:
    """For each case the time of the fastest peer / that of gatecell, with its spread. The colour shows the peer."""
    results = [r for r in run.cases if r.fastest_peer and OURS in r.timed]
    if not results:
        return None
    figure, ax = _tall_figure(results)
    for height, result in zip(_by_case(ax, results), results, strict=True):
        peer = result.fastest_peer
        assert peer
        ratio = result.ratio(peer)
        ax.plot([ratio.low, ratio.high], [height, height], color=COLOURS[peer], alpha=0.5, linewidth=3)
        ax.plot(ratio.median, height, MARKERS[peer], color=COLOURS[peer], markersize=5)
    for peer in sorted({r.fastest_peer for r in results if r.fastest_peer}):
        ax.plot([], [], MARKERS[peer], color=COLOURS[peer], label=CONTESTANTS[peer].title)
    ax.axvline(1, color="black", linewidth=1)
    ax.set_xscale("log")
    ticks = _ratio_ticks(*ax.get_xlim())
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("time of the fastest peer / time of gatecell (right of 1: gatecell is faster)")
    ax.set_title(f"Fastest peer compared with gatecell, {pluralize(run.threads, 'thread')}")
    _legend(figure, ax)
    return figure


def shares(run: Run) -> Figure | None:
    """For each case and contestant the share of the machine's limit: the shortest possible time / the measured time."""
    results = [r for r in run.cases if r.timed]
    if not results:
        return None
    figure, ax = _tall_figure(results)
    heights = _by_case(ax, results)
    for name in run.raw["contestants"]:
        points = [(r.share(name), h) for r, h in zip(results, heights, strict=True) if name in r.counted]
        _points(ax, run, name, points)
    ax.axvline(1, color="black", linewidth=1)
    ax.set_xlim(0, None)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_xlabel("share of the predicted limit (right is better)")
    ax.set_title(f"Share of the limit, {pluralize(run.threads, 'thread')}")
    _legend(figure, ax)
    return figure


def _series(run: Run) -> Iterator[tuple[str, list[CaseResult]]]:
    """Series of at least three cases that differ only in H, with I = H: a title and the cases by H."""
    groups: dict[str, list[CaseResult]] = {}
    for result in run.cases:
        case = result.case
        if case.input_size == case.hidden_size:
            same = str(replace(case, hidden_size=1, input_size=1)).replace(",H=1", "")
            groups.setdefault(same, []).append(result)
    for title, results in groups.items():
        if len(results) > 2:
            yield title, sorted(results, key=lambda r: r.case.hidden_size)


def sizes(run: Run) -> Figure | None:
    """Time against H with the predicted limit, in one panel for each series."""
    series = list(_series(run))
    if not series:
        return None
    columns = min(4, len(series))
    rows = -(-len(series) // columns)
    figure = Figure(figsize=(max(8, 3.3 * columns), 3.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(series) :]:
        ax.remove()
    for ax, (title, results) in zip(axes.flat, series, strict=False):
        for name in run.raw["contestants"]:
            points = [(r.case.hidden_size, r.seconds(name).median * 1e6) for r in results if name in r.timed]
            _points(ax, run, name, points, line=1)
        hidden = [r.case.hidden_size for r in results]
        ax.plot(hidden, [r.limit * 1e6 for r in results], "--", color="grey", label="limit")
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xticks(hidden, [str(h) for h in hidden])
        ax.set_title(title)
        ax.set_xlabel("H (I = H)")
    figure.supylabel("median of a call, us")
    figure.suptitle(f"Time against H, {pluralize(run.threads, 'thread')}")
    _legend(figure, axes.flat[0])
    return figure


def scaling(small: Run, large: Run) -> Figure | None:
    """Time of the run with fewer threads (`small`) / time of the run with more, for each case and contestant."""
    before = {str(r.case): r for r in small.cases}
    results = [r for r in large.cases if set(r.timed) & set(before[str(r.case)].timed if str(r.case) in before else ())]
    if not results:
        return None
    figure, ax = _tall_figure(results)
    heights = _by_case(ax, results)
    for name in large.raw["contestants"]:
        points = [
            (before[str(r.case)].seconds(name).median / r.seconds(name).median, height)
            for r, height in zip(results, heights, strict=True)
            if name in r.timed and str(r.case) in before and name in before[str(r.case)].timed
        ]
        _points(ax, large, name, points)
    ax.axvline(1, color="black", linewidth=1)
    ax.axvline(large.threads / small.threads, color="grey", linewidth=1, linestyle="--")
    ax.set_xlim(0, None)
    fewer, more = pluralize(small.threads, "thread"), pluralize(large.threads, "thread")
    ax.set_xlabel(f"time with {fewer} / time with {more} (dashed: perfect)")
    ax.set_title(f"From {fewer} to {more}")
    _legend(figure, ax)
    return figure


def figures(runs: Sequence[Run]) -> Iterator[tuple[str, Figure]]:
    """Pairs of a file name without suffix and a figure.

    There are up to three figures for each run. If the second of two consecutive runs has more threads, both have the
    same --isa, and they share cases, there is a figure of both.
    """
    kinds: tuple[Callable[[Run], Figure | None], ...] = (ratios, sizes, shares)
    for number, run in enumerate(runs, 1):
        for kind in kinds:
            if figure := kind(run):
                yield f"{number}-{kind.__name__}-{run.threads}-threads", figure
    for small, large in pairwise(runs):
        if small.threads < large.threads and small.isa == large.isa and (figure := scaling(small, large)):
            yield f"scaling-{small.threads}-to-{large.threads}-threads", figure
