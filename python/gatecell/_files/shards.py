"""Reads an index of shards: JSON in which `weight_map` gives the file of each array."""

from __future__ import annotations

import json
from typing import Any

from .content import Content, Source

_MAX_INDEX = 100_000_000  # bytes
_INVALID = "not a valid index of shards: "


def read(source: Source) -> Content:
    """The arrays of all shards that hold a name under the prefix."""
    try:
        index = json.loads(source.content[:_MAX_INDEX].decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_INVALID}{error}") from error
    if not isinstance(index, dict) or "weight_map" not in index:
        raise ValueError(
            "this is JSON without a weight_map, so it is no index of shards; if it holds a state dict in lists of "
            "numbers, read it with json.load and pass that part to from_state_dict"
        )
    places = index["weight_map"]
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise ValueError(f"{_INVALID}expected a weight_map of names to files")
    arrays: dict[str, Any] = dict.fromkeys(places)
    wanted = {name: place for name, place in places.items() if name.startswith(source.prefix)}
    skipped: dict[str, str] = {}
    metadata = index["metadata"] if isinstance(index.get("metadata"), dict) else {}
    options: dict[str, dict[str, Any]] = {}
    for shard in dict.fromkeys(wanted.values()):
        if shard in ("", ".", "..") or "/" in shard or "\\" in shard or "\0" in shard:
            raise ValueError(f"{_INVALID}the shard {shard!r} is not a name of a file beside the index")
        part = source.read_beside(shard)
        for name in (name for name, place in wanted.items() if place == shard):
            if part.arrays.get(name) is None:
                raise ValueError(f"{_INVALID}the shard {shard!r} lacks {name!r}")
            arrays[name] = part.arrays[name]
        others = (name for name, array in part.arrays.items() if array is not None and name not in places)
        skipped |= part.skipped | dict.fromkeys(others, f"in the shard {shard!r}, but not in the index")
        metadata |= part.metadata
        options |= part.options
    return Content(arrays, skipped, metadata, options, "safetensors in shards")
