"""Cuts Arabic words into prefixes, stem and suffixes: arabic-morph-segmenter (F. Alshargi, MIT), a BiLSTM with a CRF.

    pip install --no-deps arabic-morph-segmenter==0.1.0
    python -m gatecell.examples.arabic_segmenter وبكتابهم والناس

Each letter gets a label: P, S or X (prefix, stem, suffix). A two-layer bidirectional LSTM gives scores for
the letters of all words in one padded batch. The CRF's Viterbi search finds the best sequence of labels for each word.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

import gatecell
from gatecell import nn
from gatecell.examples._start import package_file, start

REQUIREMENT = "arabic-morph-segmenter==0.1.0"
FILE = "arabic_morph_segmenter/assets/arabic_morph_segmenter_bilstm_crf.pt"
WORDS = ["وبكتابهم", "والناس"]


class CRF(nn.Module):
    """The decoding half of a linear-chain conditional random field (Lafferty et al. 2001), as in pytorch-crf."""

    def __init__(self, num_labels: int) -> None:
        super().__init__()
        self.start_transitions: Any = nn.Parameter(np.zeros(num_labels, np.float32))
        self.end_transitions: Any = nn.Parameter(np.zeros(num_labels, np.float32))
        self.transitions: Any = nn.Parameter(np.zeros((num_labels, num_labels), np.float32))  # [before, after]

    def decode(self, emissions: Any, lengths: Any) -> list[list[int]]:
        """The best sequence of labels for each row (Viterbi 1967).

        emissions: scores of each label (B, T, labels). lengths: (B) integers of at least 1.
        """
        rows, same = np.arange(len(emissions)), np.arange(len(self.transitions))
        score = self.start_transitions + emissions[:, 0]  # of the best sequence that ends with each label
        before = []  # for each t, the label before each label in the best sequence; unchanged after a row's end
        for t in range(1, emissions.shape[1]):
            scores = score[:, :, None] + self.transitions + emissions[:, t, None, :]
            live = (t < np.asarray(lengths))[:, None]
            before.append(np.where(live, scores.argmax(axis=1), same))
            score = np.where(live, scores.max(axis=1), score)
        labels = [(score + self.end_transitions).argmax(axis=1)]
        for label_before in reversed(before):
            labels.append(label_before[rows, labels[-1]])
        paths = np.stack(labels[::-1], axis=1)
        return [path[:length].tolist() for path, length in zip(paths, lengths, strict=True)]


class Segmenter(nn.Module):
    def __init__(self, letters: int, emb_dim: int, hidden_dim: int, num_labels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, emb_dim, padding_idx=0)
        self.lstm = nn.LSTM(emb_dim, hidden_dim, num_layers=2, bidirectional=True, batch_first=True)
        self.classifier = nn.Linear(2 * hidden_dim, num_labels)
        self.crf = CRF(num_labels)

    def emissions(self, letters: Any, lengths: Any) -> Any:
        """The scores of each label (B, T, labels) for letters (B, T), which are padded behind their lengths."""
        y, _ = self.lstm(self.embedding(letters), lengths=lengths)
        return self.classifier(y)

    def forward(self, letters: Any, lengths: Any) -> list[list[int]]:
        return self.crf.decode(self.emissions(letters, lengths), lengths)


def load() -> tuple[Segmenter, dict[str, int], dict[int, str]]:
    """The network with the package's weights, the number of each letter, and the label of each number."""
    checkpoint = gatecell.load(package_file(REQUIREMENT, FILE))
    numbers, labels, config = (checkpoint.metadata[name] for name in ("char2id", "id2label", "config"))
    model = Segmenter(len(numbers), config["emb_dim"], config["hidden_dim"], config["num_labels"])
    model.load_state_dict(checkpoint, prefix="model_state_dict")
    return model, numbers, labels


def batch(words: Sequence[str], numbers: dict[str, int]) -> tuple[Any, list[int]]:
    """The numbers of the letters of all words, (words, letters of the longest word), padded, and the words' lengths."""
    lengths = [len(word) for word in words]
    letters = np.full((len(words), max(lengths)), numbers["<PAD>"])
    for row, word in zip(letters, words, strict=True):
        row[: len(word)] = [numbers.get(letter, numbers["<UNK>"]) for letter in word]
    return letters, lengths


def segment(words: Sequence[str]) -> list[str]:
    """Each word as text "prefixes + stem + suffixes", without the parts that it lacks."""
    model, numbers, labels = load()
    cut = []
    for word, path in zip(words, model(*batch(words, numbers)), strict=True):
        parts = dict.fromkeys("PSX", "")
        for letter, number in zip(word, path, strict=True):
            parts[labels[number]] += letter
        cut.append(" + ".join(filter(None, parts.values())))
    return cut


def main() -> None:
    about = "Cuts Arabic words into prefixes, stem and suffixes."
    parser = argparse.ArgumentParser(prog="python -m gatecell.examples.arabic_segmenter", description=about)
    parser.add_argument("words", nargs="*", metavar="word", default=WORDS, help=f"(default: {' '.join(WORDS)})")
    words = [word for text in parser.parse_args().words for word in text.split()]
    if not words:
        raise ValueError("expected words, got none")
    for word, parts in zip(words, segment(words), strict=True):
        print(f"{word}  {parts}")


if __name__ == "__main__":
    start(main)
