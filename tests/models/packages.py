"""Packages that tests need beside those of gatecell's extra [test]: without them they are skipped, in CI they fail."""

from __future__ import annotations

import os
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
        if os.environ.get("CI") == "true":
            raise ImportError(what)
        pytest.skip(what, allow_module_level=True)


def installed(name: str) -> ModuleType:
    """The example of this name; the test is skipped without its package."""
    example = import_module(f"gatecell.examples.{name}")
    need(example.REQUIREMENT)
    return example
