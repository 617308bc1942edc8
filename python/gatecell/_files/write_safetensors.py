"""Writes safetensors files. Format: https://github.com/huggingface/safetensors#format"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.arrays import to_numpy
from .safetensors import DTYPES

_CODES = {np.dtype(code): name for name, code in DTYPES.items() if name != "BF16"}


def write(path: Path, state_dict: Mapping[str, Any]) -> None:
    """Does the work of gatecell.save."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"expected a dict of arrays by name, got {type(state_dict).__name__}")
    arrays = {name: _storable(name, value) for name, value in state_dict.items()}
    # Arrays with the widest items come first, so each array begins at a multiple of its item size.
    order = sorted(arrays, key=lambda name: -arrays[name].itemsize)
    offsets, end = {}, 0
    for name in order:
        offsets[name] = [end, end + arrays[name].nbytes]
        end += arrays[name].nbytes
    header = {
        name: {"dtype": _CODES[array.dtype], "shape": array.shape, "data_offsets": offsets[name]}
        for name, array in arrays.items()
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with draft.open("xb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                file.write(np.ascontiguousarray(arrays[name]).data if arrays[name].size else b"")
        draft.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # the error names `path`, not the draft
    finally:
        draft.unlink(missing_ok=True)


def _storable(name: Any, value: Any) -> NDArray[Any]:
    if not isinstance(name, str):
        raise TypeError(f"expected names, got the key {name!r}")
    if name == "__metadata__":
        raise ValueError("the name '__metadata__' is reserved by the format")
    array = value if isinstance(value, np.ndarray) else to_numpy(value, name, force=True)
    little = array.dtype.newbyteorder("<")
    if little not in _CODES:
        raise TypeError(f"{name}: expected one of {', '.join(map(str, _CODES))}, got {array.dtype}")
    return array.astype(little, copy=False)
