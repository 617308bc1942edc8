"""Fixtures and rules of the whole suite: every ISA of this machine, no silent skip in CI, Hypothesis profiles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import gatecell

# `pytest -m quick` runs the files in QUICK without the tests in NOT_QUICK, which run all combinations of options or
# sizes.
QUICK = [
    *("networks/test_parity.py", "networks/test_input_forms.py", "networks/test_bits.py"),
    *("streams/test_stream.py", "streams/test_stream_reset.py", "streams/test_stream_pool.py"),
    *("weights/test_state_dict.py", "files/test_load.py", "command_line/test_cli.py"),
]
QUICK_FILES = {Path(__file__).parent / "python" / name for name in QUICK}
assert all(path.is_file() for path in QUICK_FILES)
NOT_QUICK = [
    "test_every_option_keeps_the_bound",
    "test_rows_that_measure_the_bound_are_within_it",
    "test_cells_of_every_size_keep_the_bound",
]
IN_CI = os.environ.get("CI") == "true"
MACHINE = "this machine has no "  # CI accepts only skips with such a reason

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)  # a run that failed must fail again
settings.load_profile("ci" if IN_CI else "default")


@pytest.fixture(params=gatecell.available_isas(), scope="session")
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["float32", "float64"], scope="session")
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def two_cpus() -> None:
    """Skips tests of calls on two threads where the process has one CPU, because every call then uses one thread."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip(f"{MACHINE}second CPU for this process")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks the tests of the quick run, which takes a minute on one core: chosen tests, best ISA, float32."""
    if item.path in QUICK_FILES and getattr(item, "originalname", "") not in NOT_QUICK:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        best = gatecell.available_isas()[0]
        if params.get("isa", best) == best and "float64" not in str(params.get("dtype")):
            item.add_marker("quick")


def fail_if_skipped(report: Any) -> Any:
    """With CI=true a missing package or tool fails the test, so that a suite that tests nothing is not green."""
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
