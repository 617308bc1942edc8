"""What the examples share: the file of a package that is installed but never imported, and errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NoReturn

from gatecell._cli._outcome import outcome


def package_file(requirement: str, path: str) -> Path:
    """A file of a package such as "silero-vad==6.2.3". Raises FileNotFoundError that says how to install it."""
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
    """Run a script's main and end the process, as the command line does."""
    sys.exit(outcome(main, Path(sys.argv[0]).stem))
