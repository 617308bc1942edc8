"""Tests a model of a simple RNN. Its last state goes through a linear layer and a sigmoid."""

from __future__ import annotations

from end_to_end import assert_beats_majority, assert_model_parity, load
from sentiment import SentimentRnn
from sentiment_torch import SIZES
from sentiment_torch import SentimentRnn as TorchRnn
from text import letters, pad_rows, read_labelled
from training import WEIGHTS


def test_parity_and_accuracy_on_held_out_words() -> None:
    words, labels = read_labelled("words")
    models = load(SentimentRnn(**SIZES), TorchRnn(**SIZES), WEIGHTS / "sentiment.pt")
    probability = assert_model_parity(*models, *pad_rows([letters(word) for word in words]))
    assert_beats_majority(probability > 0.5, [label == "pleasant" for label in labels])
