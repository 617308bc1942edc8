"""Draws how much faster gatecell becomes with more threads, for scaling.py."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import matplotlib as mpl
from matplotlib.figure import Figure

from suite.plots import MARKERS
from suite.results import CaseResult


def draw(results: Sequence[CaseResult]) -> Figure:
    """For each case the time on one thread / the time, against the threads, and a dashed line where both are equal."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    ax = figure.subplots()
    counts = sorted({int(threads) for result in results for threads in result.raw["contestants"]})
    styles = zip(cycle(mpl.color_sequences["tab10"]), cycle(MARKERS.values()), strict=False)  # without an end
    for result, (colour, marker) in zip(results, styles, strict=False):
        points = [(int(threads), result.ratio("1", threads).median) for threads in result.timed if "1" in result.timed]
        if points:
            ax.plot(*zip(*points, strict=True), marker=marker, color=colour, markersize=5, label=str(result.case))
    ax.plot(counts, counts, "--", color="grey", label="perfect")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.set_xticks(counts, [str(count) for count in counts])
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlabel("threads")
    ax.set_ylabel("time on one thread / time")
    ax.set_title("gatecell with more threads")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper")
    return figure
