"""The result of a reader of one format."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any] | None"]


class Content(NamedTuple):
    """Arrays by name, with None for an array outside the prefix. The other fields are as in `Weights`."""

    arrays: Arrays
    skipped: dict[str, str]
    metadata: dict[str, Any]
    options: dict[str, dict[str, Any]]
    format: str = ""
