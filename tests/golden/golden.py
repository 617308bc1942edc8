"""Reads and writes the golden files of networks/: a text header, then raw little-endian arrays (see README.md).

It needs only NumPy, so that parity can be tested without torch. tests/cpp reads the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = "gatecell golden 1"


class Golden(NamedTuple):
    options: dict[str, str]
    arrays: dict[str, NDArray[np.floating]]


def write_golden(path: Path, options: Mapping[str, object], arrays: Mapping[str, NDArray[np.floating]]) -> None:
    lines = [MAGIC, *(f"option {name} {value}" for name, value in options.items())]
    lines += [f"array {name} {array.dtype} {' '.join(map(str, array.shape))}" for name, array in arrays.items()]
    with path.open("wb") as file:
        file.write("\n".join([*lines, "data", ""]).encode())
        for array in arrays.values():
            file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())


def read_golden(path: Path) -> Golden:
    options, shapes, arrays = {}, {}, {}
    with path.open("rb") as file:
        if file.readline().decode().rstrip() != MAGIC:
            raise ValueError(f"{path}: expected a file that starts with {MAGIC!r}")
        while (words := file.readline().decode().split()) != ["data"]:
            if words[0] == "option":
                options[words[1]] = words[2]
            else:
                shapes[words[1]] = np.dtype(words[2]).newbyteorder("<"), tuple(map(int, words[3:]))
        for name, (dtype, shape) in shapes.items():
            arrays[name] = np.fromfile(file, dtype, int(np.prod(shape))).reshape(shape).astype(dtype.newbyteorder("="))
    return Golden(options, arrays)
