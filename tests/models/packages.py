"""Skips tests that need packages which are not installed. In CI a skipped test is a failure (tests/conftest.py).

These are packages that the extra [test] does not install.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import pytest


def require_package(requirement: str) -> None:
    """Skips the test, or the file of tests, unless this version is installed. For example "silero-vad==6.2.3"."""
    package, _, wanted = requirement.partition("==")
    try:
        found = version(package)
    except PackageNotFoundError:
        found = None
    if found != wanted:
        reason = f"found {package} {found}: pip install --no-deps -r tests/models/requirements.txt"
        pytest.skip(reason, allow_module_level=True)


def load_example(name: str) -> ModuleType:
    """The module gatecell.examples.<name>. Skips the test if the example's package is not installed."""
    example = import_module(f"gatecell.examples.{name}")
    require_package(example.REQUIREMENT)
    return example
