"""Fixtures and policies of the whole suite: every ISA of this machine, no silent skip in CI, Hypothesis profiles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import gatecell

# What `pytest -m quick` runs: these files without these tests, for which every pair of options and sizes stands.
QUICK = ["parity", "bits", "stream", "stream_reset", "stream_pool", "state_dict", "files", "cli"]
assert all((Path(__file__).parent / f"python/test_{name}.py").is_file() for name in QUICK)
NOT_QUICK = ["test_every_option", "test_the_rows_that_measure_the_bound", "test_cells"]
IN_CI = os.environ.get("CI") == "true"
MACHINE = "this machine has no "  # only skips with such a reason are accepted in CI

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)  # a red run must be red again
settings.load_profile("ci" if IN_CI else "default")


@pytest.fixture(params=gatecell.available_isas(), scope="session")
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["float32", "float64"], scope="session")
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def two_cpus() -> None:
    """For tests of calls on two threads: with one CPU every call runs alone."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip(f"{MACHINE}second CPU for this process")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks what answers in a minute on one core: chosen tests, on the best ISA and in float32."""
    if item.path.stem.removeprefix("test_") in QUICK and getattr(item, "originalname", "") not in NOT_QUICK:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        best = gatecell.available_isas()[0]
        if params.get("isa", best) == best and "float64" not in str(params.get("dtype")):
            item.add_marker("quick")


def fail_if_skipped(report: Any) -> Any:
    """With CI=true a missing package or tool is a failure: a suite that tests nothing must not be green."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if MACHINE not in reason:
            report.outcome, report.longrepr = "failed", f"skipped in CI: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[Any]:
    return fail_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[Any]:
    return fail_if_skipped((yield))
