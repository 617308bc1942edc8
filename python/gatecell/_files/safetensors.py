"""Reads safetensors files: 8 bytes of header length, a JSON header, then the tensors' bytes.

gatecell has its own reader because the safetensors package cannot give bfloat16 to NumPy. The reader trusts nothing in
the file: every problem is a ValueError. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bfloat16 import widened
from .content import Content, Source
from .sizes import are_sizes, overflows

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # widened to float32
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "?",
    "C64": "<c8",
}
_MAX_HEADER = 100_000_000  # the format's own limit


def read(source: Source) -> Content:
    """The tensors of the file as read-only views of its memory map, and the metadata. bfloat16 becomes float32.

    A tensor outside the prefix may be of any dtype. Raises ValueError, or RecursionError for a header that is nested
    too deeply.
    """
    arrays, metadata = _tensors(np.frombuffer(source.content, np.uint8), source.prefix)
    return Content(arrays, {}, metadata, {}, "safetensors")


def _tensors(content: NDArray[np.uint8], prefix: str) -> tuple[dict[str, NDArray[Any] | None], dict[str, str]]:
    header, data = _split(content)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("expected __metadata__ to map names to text")
    spans = {name: _span(name, entry, name.startswith(prefix)) for name, entry in header.items()}
    end = 0
    for name, (begin, stop) in sorted(spans.items(), key=lambda item: item[1]):
        if begin != end:
            raise ValueError(f"{name!r} begins at byte {begin}, expected {end}: gaps and overlaps are not allowed")
        end = stop
    if end != data.size:
        raise ValueError(f"expected {end} bytes of tensors, got {data.size}")
    arrays = {
        name: _array(data[slice(*span)], **header[name]) if name.startswith(prefix) else None
        for name, span in spans.items()
    }
    return arrays, metadata


def _split(content: NDArray[np.uint8]) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    size = int.from_bytes(content[:8].tobytes(), "little")
    limit = min(_MAX_HEADER, content.size - 8)
    if size > limit:
        raise ValueError(f"expected a header of at most {max(limit, 0)} bytes, got {size}")
    header = json.loads(content[8 : 8 + size].tobytes().decode("utf-8"), object_pairs_hook=_unique)
    if not isinstance(header, dict):
        raise ValueError(f"expected a JSON object as header, got {type(header).__name__}")
    return header, content[8 + size :]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name appears twice in the header")
    return result


def _span(name: str, entry: Any, wanted: bool) -> tuple[int, int]:
    """Checks a tensor's entry in the header and returns the tensor's first byte in the data and the byte after it.

    An entry that is not `wanted` may have any dtype and shape.
    """
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name!r}: expected dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or (wanted and dtype not in DTYPES):
        raise ValueError(f"{name!r}: dtype {dtype!r} is not supported; supported: {', '.join(DTYPES)}")
    if not are_sizes(offsets) or len(offsets) != 2 or (wanted and (not are_sizes(shape) or overflows(shape))):
        raise ValueError(f"{name!r}: expected sizes as shape and two data_offsets")
    begin, end = offsets
    if begin > end:
        raise ValueError(f"{name!r}: data_offsets run backwards, from {begin} to {end}")
    if not wanted:
        return begin, end
    size = np.dtype(DTYPES[dtype]).itemsize * math.prod(shape)
    if end - begin != size:
        raise ValueError(f"{name!r}: expected {size} bytes of {dtype} {tuple(shape)}, got {end - begin}")
    return begin, end


def _array(data: NDArray[np.uint8], dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    array = data.view(DTYPES[dtype]).reshape(shape)
    return widened(array) if dtype == "BF16" else array
