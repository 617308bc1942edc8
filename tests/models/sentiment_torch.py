"""A PyTorch model that says from the letters of a word whether it is pleasant or unpleasant, and its training.

    python tests/models/sentiment_torch.py vaderSentiment-3.3.2-py2.py3-none-any.whl

Training takes 20 seconds. It reads the lexicon in the wheel (pip download --no-deps vaderSentiment==3.3.2) and does
not install it. The committed weights: Python 3.11.7, torch 2.13.0 (CPU), seed 0, 1 thread.
"""

from __future__ import annotations

import random
import re
import sys
import zipfile
import zlib

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from text import DATA, letters, pad_rows, read_labelled
from training import WEIGHTS, fit, save

SIZES = {"letters": 27, "embedding": 16, "hidden": 64}
HELD_OUT, KEPT = 6, 600  # a hash holds out one word in six; 600 of them are kept
EPOCHS, BATCH, RATE = 30, 64, 4e-3


class SentimentRnn(nn.Module):
    """letters (B, T), 0 after the end of a word, and lengths (B) -> probability (B) that the word is pleasant."""

    def __init__(self, letters: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, embedding, padding_idx=0)
        self.rnn = nn.RNN(embedding, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, letters, lengths):
        x = self.dropout(self.embedding(letters))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, h_n = self.rnn(packed)
        return functional.sigmoid(self.linear(self.dropout(h_n[-1]))).squeeze(1)


def lexicon(wheel: str) -> list[tuple[str, str, bool]]:
    """(label, word, held out) for words of three or more letters a to z only.

    The label is the sign of the mean of ten people's ratings.
    """
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read("vaderSentiment/vader_lexicon.txt").decode().splitlines()
    rated = [line.split("\t")[:2] for line in lines]
    words = [(word, float(mean) > 0) for word, mean in rated if re.fullmatch("[a-z]{3,}", word)]
    return [
        ("pleasant" if good else "unpleasant", word, zlib.crc32(word.encode()) % HELD_OUT == 0)
        for word, good in sorted(words)
    ]


def main() -> None:
    torch.set_num_threads(1)
    words = lexicon(sys.argv[1])
    kept = [f"{label}\t{word}\n" for label, word, held_out in words if held_out]
    random.Random(0).shuffle(kept)
    (DATA / "words.tsv").write_text("".join(kept[:KEPT]), encoding="utf-8")
    known = [(letters(word), float(label == "pleasant")) for label, word, held_out in words if not held_out]
    torch.manual_seed(0)
    model = SentimentRnn(**SIZES)

    def loss(numbers: torch.Tensor) -> torch.Tensor:
        rows, target = zip(*(known[i] for i in numbers), strict=True)
        return functional.binary_cross_entropy(model(*map(torch.from_numpy, pad_rows(rows))), torch.tensor(target))

    fit(model, loss, len(known), EPOCHS, BATCH, RATE)
    save(model, WEIGHTS / "sentiment.pt")
    held_out, labels = read_labelled("words")
    with torch.no_grad():
        guess = model(*map(torch.from_numpy, pad_rows([letters(word) for word in held_out]))) > 0.5
    right = sum((label == "pleasant") == good for label, good in zip(labels, guess, strict=True)) / len(labels)
    print(f"{len(known)} words for training, {len(labels)} held out, {right:.1%} right")


if __name__ == "__main__":
    main()
