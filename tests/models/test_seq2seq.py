"""Tests an encoder and decoder: all steps at once with the correct characters as input, and step by step greedily."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dates import LENGTH, SOURCE, TARGET, numbers, pairs, text
from end_to_end import assert_beats_majority, assert_model_parity, load
from seq2seq import Seq2Seq
from seq2seq_torch import SIZES, START
from seq2seq_torch import Seq2Seq as TorchSeq2Seq
from text import pad_rows
from training import WEIGHTS

SOURCES, TARGETS = zip(*pairs(held_out=True), strict=True)
BATCH = pad_rows([numbers(source, SOURCE) for source in SOURCES])
ANSWERS = np.array([numbers(target, TARGET) for target in TARGETS])


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    return load(Seq2Seq(**SIZES), TorchSeq2Seq(**SIZES), WEIGHTS / "seq2seq.pt")


def test_teacher_forced(models: tuple[Any, Any]) -> None:
    previous = np.pad(ANSWERS[:, :-1], ((0, 0), (1, 0)), constant_values=START)
    logits = assert_model_parity(*models, *BATCH, previous)
    assert_beats_majority(logits.argmax(2).ravel(), ANSWERS.ravel())


def test_greedy_step_by_step(models: tuple[Any, Any]) -> None:
    ported, twin = models
    rows = ported.translate(*BATCH, START, LENGTH)
    with torch.no_grad():
        np.testing.assert_array_equal(rows, twin.translate(*map(torch.from_numpy, BATCH), START, LENGTH))
    assert_beats_majority([text(row) for row in rows], TARGETS)


def test_greedy_steps_equal_one_call_with_the_characters_they_wrote(models: tuple[Any, Any]) -> None:
    ported, _ = models
    rows = ported.translate(*BATCH, START, LENGTH)
    previous = np.pad(rows[:, :-1], ((0, 0), (1, 0)), constant_values=START)
    np.testing.assert_array_equal(ported(*BATCH, previous).argmax(2), rows)
