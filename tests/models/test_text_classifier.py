"""Tests two-layer bidirectional LSTM and GRU classifiers on a batch of paragraphs of different lengths.

The LSTM packs its rows; the GRU gets their lengths.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import text_classifier
import text_classifier_torch
from end_to_end import assert_beats_majority, assert_model_parity, load
from text import pad_rows, read_labelled, tokens
from text_classifier_torch import LIBRARIES, SIZES
from training import WEIGHTS

TEXTS, LABELS = read_labelled("paragraphs")
BATCH = pad_rows([tokens(text) for text in TEXTS])


@pytest.fixture(params=["lstm", "gru"], scope="module")
def models(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """The ported model and its twin."""
    name = f"{request.param.capitalize()}Classifier"
    both = getattr(text_classifier, name)(**SIZES), getattr(text_classifier_torch, name)(**SIZES)
    return load(*both, WEIGHTS / f"text_{request.param}.pt")


def test_parity_and_accuracy_on_held_out_paragraphs(models: tuple[Any, Any]) -> None:
    logits = assert_model_parity(*models, *BATCH)
    assert_beats_majority([LIBRARIES[i] for i in logits.argmax(1)], LABELS)


def test_padding_does_not_change_results(models: tuple[Any, Any]) -> None:
    """Neither its length nor its words do."""
    batch, lengths = BATCH
    wider = np.pad(batch, ((0, 0), (0, 7)))
    wider[np.arange(wider.shape[1]) >= lengths[:, None]] = 1
    np.testing.assert_array_equal(models[0](wider, lengths), models[0](batch, lengths))
