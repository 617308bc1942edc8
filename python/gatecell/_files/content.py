"""What a reader finds in a file."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any] | None"]


class Content(NamedTuple):
    """Arrays by name, None for those outside the prefix; the rest is what `Weights` has under these names."""

    arrays: Arrays
    skipped: dict[str, str]
    metadata: dict[str, Any]
    options: dict[str, dict[str, Any]]
    format: str = ""
