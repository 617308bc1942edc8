"""Tests three LSTM layers with 128 input features and 256 units. It trains them, as their weights are too large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from digits import load_images
from end_to_end import assert_beats_majority, assert_model_parity, load
from stack import StackedLstm
from stack_torch import SIZES, train
from stack_torch import StackedLstm as TorchLstm

KNOWN = 240  # of the 360 digits are used for training


def test_parity_and_accuracy_on_held_out_digits(tmp_path: Path) -> None:
    images, labels = load_images()
    x = (images / 16).astype(np.float32)
    torch.save(train(x[:KNOWN], labels[:KNOWN]).state_dict(), tmp_path / "stack.pt")
    models = load(StackedLstm(**SIZES), TorchLstm(**SIZES), tmp_path / "stack.pt")
    logits = assert_model_parity(*models, x)
    assert_beats_majority(logits[KNOWN:].argmax(1), labels[KNOWN:])
