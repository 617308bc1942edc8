"""Packages that tests need beside those of the extra [test]: without them skipped, which in CI fails (conftest.py)."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import pytest


def need(requirement: str) -> None:
    """Skip the test, or the file of tests, unless there is this package in this version: "silero-vad==6.2.3"."""
    package, _, wanted = requirement.partition("==")
    try:
        found = version(package)
    except PackageNotFoundError:
        found = None
    if found != wanted:
        what = f"found {package} {found}: pip install --no-deps -r tests/models/requirements.txt"
        pytest.skip(what, allow_module_level=True)


def installed(name: str) -> ModuleType:
    """The example of this name; the test is skipped without its package."""
    example = import_module(f"gatecell.examples.{name}")
    need(example.REQUIREMENT)
    return example
