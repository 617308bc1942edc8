"""A fixture that several tests of the benchmarks use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write_program() -> Callable[[Path, str], None]:
    """A function that writes an executable file with these lines of Python."""

    def write(path: Path, lines: str) -> None:
        path.write_text(f"#!{sys.executable}\n{lines}")
        path.chmod(0o755)

    return write
