"""Formats a run of latency.py as text: one table for each topic, one line for each contestant."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from contestants import CONTESTANTS
from suite.call_times import PERCENTILES
from suite.tables import duration, pluralize, table

Entry = dict[str, Any]


def _median(entry: Entry, figure: str) -> float:
    return float(median(load[figure] for load in entry["loads"]))


def _times(sampled: dict[str, Any], names: list[str]) -> list[str]:
    return ["-" if sampled[name] is None else duration(sampled[name]) for name in names]


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"


def _topic(run: Entry, title: str, headers: list[str], cells: Callable[[Entry], list[str]]) -> str:
    """A table. If `cells` raises KeyError, the contestant has no such figures, and its line says why."""
    rows = []
    for name, entry in run["contestants"].items():
        try:
            row = cells(entry)
        except KeyError:
            why = "failed" if entry["failed"] else entry["missing"]
            row = [why, *["-"] * (len(headers) - 1)]
        rows.append([CONTESTANTS[name].title, *row])
    return f"{title}\n\n{table(rows, ['', *headers])}"


def loading(run: Entry) -> str:
    def cells(entry: Entry) -> list[str]:
        load, first = _median(entry, "load_seconds"), _median(entry, "first_call_seconds")
        usual = entry["alone"]["p50"]
        return [duration(load), duration(first), duration(usual), f"{first / usual:,.0f}"]

    title = "Loading: medians of the time to make the network from weights in memory; the library is already imported."
    return _topic(run, title, ["load", "first call", "later call", "first / later"], cells)


def one_caller(run: Entry) -> str:
    names = list(PERCENTILES)

    def cells(entry: Entry) -> list[str]:
        return [cell for where in ("alone", "with_busy_thread") for cell in _times(entry[where], names)]

    title = (
        "Time of a call, alone and while another Python thread of the process is busy (-: too few calls for this "
        "percentile)."
    )
    return _topic(run, title, [*names, *(f"busy: {name}" for name in names)], cells)


def _labels(run: Entry) -> list[str]:
    return [pluralize(count, "thread") for count in run["callers"]]


def rates(run: Entry) -> str:
    def cells(entry: Entry) -> list[str]:
        return [f"{entry['callers'][str(count)]['calls_per_second']:,.0f}" for count in run["callers"]]

    return _topic(run, "Several Python threads call one network: calls per second of all of them.", _labels(run), cells)


def several_callers(run: Entry) -> str:
    def cells(entry: Entry) -> list[str]:
        return [" / ".join(_times(entry["callers"][str(count)], list(PERCENTILES))) for count in run["callers"]]

    return _topic(run, f"The same: {' / '.join(PERCENTILES)} of the time of a call.", _labels(run), cells)


def footprint(run: Entry) -> str:
    def cells(entry: Entry) -> list[str]:
        memory = _median(entry, "resident_bytes") - _median(entry, "baseline_bytes")
        disk = ["unknown"] * 2
        if "installed_bytes" in entry:
            disk = [_megabytes(entry["installed_bytes"]), str(len(entry["distributions"]))]
        return [duration(entry["import_seconds"]), _megabytes(memory), *disk]

    baselines = [_median(entry, "baseline_bytes") for entry in run["contestants"].values() if "loads" in entry]
    numpy = f"{_megabytes(min(baselines))}; " if baselines else ""
    title = (
        f"Import; resident memory after one call, minus that of Python with NumPy and the weights ({numpy}with onnx"
        " if that made the model); installed files, with those of all required packages except NumPy."
    )
    return _topic(run, title, ["import", "memory", "disk", "packages"], cells)


def failures(run: Entry) -> list[str]:
    """A sentence for each contestant that failed."""
    return [f"{CONTESTANTS[n].title}: {e['missing']}" for n, e in run["contestants"].items() if e.get("failed")]


def report(run: Entry) -> str:
    threads = pluralize(run["threads"], "thread")
    head = f"{run['case']}, {threads}, {run['machine']['cpus']} CPUs ({run['machine']['cpu']})."
    return "\n\n".join([head, *(topic(run) for topic in (loading, one_caller, rates, several_callers, footprint))])
