"""Tests attention over rows of different lengths: parity of logits and weights, and zero weights for padding."""

from __future__ import annotations

import numpy as np

from attention import AttentionClassifier
from attention_torch import SIZES
from attention_torch import AttentionClassifier as TorchClassifier
from digits import inked_pixels, load_images
from end_to_end import assert_beats_majority, assert_model_parity, load
from training import WEIGHTS


def test_parity_and_accuracy_on_held_out_digits() -> None:
    images, labels = load_images()
    x, lengths = inked_pixels(images)
    models = load(AttentionClassifier(**SIZES), TorchClassifier(**SIZES), WEIGHTS / "attention.pt")
    logits, weights = assert_model_parity(*models, x, lengths)
    assert_beats_majority(logits.argmax(1), labels)
    padding = np.arange(x.shape[1]) >= lengths[:, None]
    assert padding.any()
    assert not weights[padding].any()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
