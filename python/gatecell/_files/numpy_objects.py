"""Makes the NumPy arrays in torch.save's pickles from the recorded calls.

The calls come from ndarray.__reduce__: multiarray._reconstruct and a state, or numeric._frombuffer (protocol 5).
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pickle_objects import Call
from .sizes import are_sizes, overflows

_RECONSTRUCT = {f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")}
_FROM_BUFFER = {f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")}
_EMPTY = {"builtins.bytes", "__builtin__.bytes"}


def is_array(call: Call) -> bool:
    """Whether the call makes an array of numbers. An array of text or objects is treated like an unknown class."""
    parts = _parts(call)
    return parts is not None and _dtype(parts[1]) is not None


def array(call: Call, encoded: dict[int, bytes]) -> NDArray[Any]:
    """The array that the call makes, read-only.

    Old pickles hold the bytes of an array as a text. Calls may share one text: `encoded` caches its bytes by id(text).
    """
    parts = _parts(call)
    dtype = _dtype(parts[1]) if parts else None
    if parts is None or dtype is None:
        raise ValueError("is not an array of numbers")
    shape, _, order, data = parts
    if not are_sizes(shape):
        raise ValueError("is a NumPy array with a shape that is not up to 32 sizes")
    content = encoded_bytes(data, encoded)
    if overflows(shape) or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"expected the bytes of {dtype} {tuple(shape)}, got {len(content)}")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if order == "F" else "C")


def _parts(call: Call) -> tuple[Any, Any, Any, Any] | None:
    """The shape, dtype, order and bytes among a call's arguments; None if the call makes no array."""
    if call.name in _FROM_BUFFER and len(call.args) == 4:
        data, dtype, shape, order = call.args
        return shape, dtype, order, data
    if call.name in _RECONSTRUCT and type(call.state) is tuple and len(call.state) == 5:
        _, shape, dtype, fortran, data = call.state
        return shape, dtype, "F" if fortran is True else "C", data
    return None


def _dtype(call: Any) -> np.dtype[Any] | None:
    kind = call.args[0] if type(call) is Call and call.name == "numpy.dtype" and call.args else None
    if type(kind) is not str or not re.fullmatch("[iu][1248]|f[248]|c8|c16|b1", kind):
        return None
    order = call.state[1] if type(call.state) is tuple and len(call.state) > 1 else "="
    return np.dtype((">" if order == ">" else "<") + kind)


def encoded_bytes(data: Any, encoded: dict[int, bytes]) -> bytes:
    """The bytes of an array. Protocol 2 writes bytes as a text to be encoded, and no bytes as a call of bytes()."""
    if type(data) is bytes:
        return data
    if type(data) is Call and data.name in _EMPTY and not data.args:
        return b""
    if type(data) is not Call or data.name != "_codecs.encode" or len(data.args) != 2 or type(data.args[0]) is not str:
        raise ValueError("is a NumPy array without bytes")
    (text, _) = data.args
    if id(text) not in encoded:
        encoded[id(text)] = text.encode("latin-1")
    return encoded[id(text)]
