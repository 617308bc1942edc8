"""Files of weights: one function, one dict of NumPy arrays, whatever the format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._safetensors import load_safetensors


def load(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays in a `.safetensors` or `.npz` file by name; bfloat16 comes as float32.

    Arrays of a `.safetensors` file are read-only views of its memory map. Raises ValueError for another suffix or a
    damaged file, OSError for one that cannot be opened.
    """
    return read(path, "")


def read(path: str | os.PathLike[str], prefix: str) -> dict[str, Any]:
    """As load, with None for the arrays whose names do not start with `prefix`: they need not even be readable."""
    path = Path(path)
    if path.suffix == ".safetensors":
        return load_safetensors(path, prefix)
    if path.suffix == ".npz":
        return _load_npz(path, prefix)
    raise ValueError(f"expected a .safetensors or .npz file, got {str(path)!r}")


def _load_npz(path: Path, prefix: str) -> dict[str, Any]:
    with path.open("rb") as file:
        try:
            with np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
                return {name: archive[name] if name.startswith(prefix) else None for name in archive.files}
        except Exception as error:  # zipfile, zlib and NumPy each have their own
            raise ValueError(f"{path}: not a valid .npz file: {error}") from error
