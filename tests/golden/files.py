"""The weights in the files of files/, as NumPy arrays: those of a GRU, and a counter. make_files.py writes the files.

bfloat16 represents all values exactly.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "files"
SHARDED = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
_SHAPES = {"weight_ih_l0": (9, 2), "weight_hh_l0": (9, 3), "bias_ih_l0": (9,), "bias_hh_l0": (9,)}
WEIGHTS = {
    f"rnn.{name}": ((np.arange(np.prod(shape)) - 8) / 16 + i).astype("float32").reshape(shape)
    for i, (name, shape) in enumerate(_SHAPES.items())
} | {"steps": np.array(7)}
