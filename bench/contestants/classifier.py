"""The text classifier of tests/models for bench/models.py: the ported class or the PyTorch class.

The case gives the layer, its sizes and the lengths of the rows. Words and weights are random; the time does not depend
on them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from suite.arrays import Arrays
from suite.cases import Case

from . import UnsupportedError

CLASSES = {"lstm": "LstmClassifier", "gru": "GruClassifier"}
WORDS, LABELS = 2001, 3


def make(module: str, case: Case) -> Any:
    """The model without its weights. Raises UnsupportedError if the case is not one of the classifiers."""
    layer = case.num_layers == 2 and case.bidirectional and not (case.variant or case.proj_size or case.float64)
    if case.cell not in CLASSES or not (layer and case.batch_first and case.no_hx and case.ragged):
        raise UnsupportedError("only for lstm or gru with layers=2,bidirectional,batch_first,no_hx,ragged")
    folder = str(Path(__file__).parents[2] / "tests" / "models")
    if folder not in sys.path:
        sys.path.append(folder)
    sizes = {"words": WORDS, "embedding": case.input_size, "hidden": case.hidden_size, "classes": LABELS}
    return getattr(import_module(module), CLASSES[case.cell])(**sizes)


def state_dict(case: Case, weights: Arrays) -> Arrays:
    rng = np.random.default_rng(3)
    shapes = {
        "embedding.weight": (WORDS, case.input_size),
        "linear.weight": (LABELS, 2 * case.hidden_size),
        "linear.bias": (LABELS,),
    }
    others = {name: rng.standard_normal(shape).astype(case.dtype) for name, shape in shapes.items()}
    return {f"{case.cell}.{name}": array for name, array in weights.items()} | others


def words(case: Case, lengths: np.ndarray) -> np.ndarray:
    """Word numbers (B, T), 0 after the end of a row."""
    drawn = np.random.default_rng(4).integers(1, WORDS, (case.batch, case.steps))
    return np.where(np.arange(case.steps) < lengths[:, None], drawn, 0)
