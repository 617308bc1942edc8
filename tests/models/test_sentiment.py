"""A simple RNN's last state, a sigmoid, a threshold."""

from __future__ import annotations

from end_to_end import WEIGHTS, assert_beats_majority, assert_model_parity, load
from sentiment import SentimentRnn
from sentiment_torch import SIZES
from sentiment_torch import SentimentRnn as TorchRnn
from text import labelled, letters, padded


def test_parity_and_accuracy_on_held_out_words() -> None:
    words, labels = labelled("words")
    models = load(SentimentRnn(**SIZES), TorchRnn(**SIZES), WEIGHTS / "sentiment.pt")
    probability = assert_model_parity(*models, *padded([letters(word) for word in words]))
    assert_beats_majority(probability > 0.5, [label == "pleasant" for label in labels])
