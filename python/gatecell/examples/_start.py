"""Functions for the examples: finding a file of an installed package without importing it, and starting a script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NoReturn

from gatecell._cli._outcome import outcome


def package_file(requirement: str, path: str) -> Path:
    """The path of a file of an installed package. requirement: name and version, such as "silero-vad==6.2.3".

    Raises FileNotFoundError that says how to install the package.
    """
    name = requirement.partition("==")[0]
    try:
        file = Path(str(distribution(name).locate_file(path)))
    except PackageNotFoundError:
        file = None
    if file is None or not file.is_file():
        what = f"the package {name} is not installed" if file is None else f"the package {name} lacks {path}"
        raise FileNotFoundError(f"{what}: pip install --no-deps {requirement}")
    return file


def start(main: Callable[[], None]) -> NoReturn:
    """Runs a script's main and ends the process with its exit code. Errors print one line, as in the command line."""
    sys.exit(outcome(main, Path(sys.argv[0]).stem))
