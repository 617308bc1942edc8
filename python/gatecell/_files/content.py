"""What a reader of one format gets, and what it returns."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any] | None"]


class Source(NamedTuple):
    """A file to read."""

    content: mmap.mmap
    prefix: str  # only arrays with names that start with it are read
    check: bool  # whether to compare checksums, if the format has any
    suffix: str  # of the file's name
    read_beside: Callable[[str], Content]  # reads another file of the same folder, which must not be an index


class Content(NamedTuple):
    """Arrays by name, with None for an array outside the prefix. The other fields are as in `Weights`."""

    arrays: Arrays
    skipped: dict[str, str]
    metadata: dict[str, Any]
    options: dict[str, dict[str, Any]]
    format: str = ""
    has_checksums: bool = False  # whether `Source.check` has an effect
