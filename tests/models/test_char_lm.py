"""Tests a language model of characters: parity on held-out text, and the text that it writes with a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from char_lm import CharacterModel
from char_lm_torch import SIZES
from char_lm_torch import CharacterModel as TorchModel
from end_to_end import assert_beats_majority, assert_model_parity, load
from text import CHARACTERS, characters, read_labelled
from training import WEIGHTS

STEPS = 100


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    return load(CharacterModel(**SIZES), TorchModel(**SIZES), WEIGHTS / "char_lm.pt")


def test_parity_and_accuracy_on_held_out_text(models: tuple[Any, Any]) -> None:
    tokens = np.array(characters(read_labelled("paragraphs")[0]))
    rows = np.lib.stride_tricks.sliding_window_view(tokens, STEPS + 1)[::STEPS].copy()
    logits, _ = assert_model_parity(*models, rows[:, :-1])
    assert_beats_majority(logits.argmax(2).ravel(), rows[:, 1:].ravel())


def test_a_stream_writes_the_same_text_as_torch(models: tuple[Any, Any]) -> None:
    """Both use the same random numbers."""
    ported, twin = models
    noise = np.random.default_rng(0).gumbel(size=(500, len(CHARACTERS))).astype(np.float32)
    first = CHARACTERS.index("\n")
    written = ported.sample(first, noise)
    with torch.no_grad():
        assert written == twin.sample(first, torch.from_numpy(noise))
    assert len(set(written)) > 10
