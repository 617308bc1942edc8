"""PyTorch models that say whether a paragraph is from Python, NumPy or PyTorch, and their training.

    python tests/models/text_classifier_torch.py

Training both takes two minutes. The committed weights: Python 3.11.7, NumPy 2.4.6, torch 2.13.0 (CPU), seed 0,
1 thread.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from docstrings import LIBRARIES, paragraphs
from text import BUCKETS, DATA, pad_rows, read_labelled, tokens
from training import WEIGHTS, fit, save

SIZES = {"words": BUCKETS + 1, "embedding": 16, "hidden": 32, "classes": len(LIBRARIES)}
WORDS = range(6, 41)  # numbers of words of a paragraph
MOST, KEPT = 3000, 80  # paragraphs of each library: at most for training, and held out
EPOCHS, BATCH, RATE = 6, 32, 1e-2


class LstmClassifier(nn.Module):
    """tokens (B, T), 0 after the end of a row, and lengths (B) -> logits (B, classes)."""

    def __init__(self, words: int, embedding: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, num_layers=2, bidirectional=True, batch_first=True, dropout=0.3)
        self.dropout = nn.Dropout(0.3)
        self.linear = nn.Linear(2 * hidden, classes)

    def forward(self, tokens, lengths):
        x = self.dropout(self.embedding(tokens))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (h_n, _) = self.lstm(packed)
        last = torch.cat([h_n[-2], h_n[-1]], dim=1)  # the last layer's, forward and backward
        return self.linear(self.dropout(last))


class GruClassifier(nn.Module):
    """The same with a GRU."""

    def __init__(self, words: int, embedding: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, embedding, padding_idx=0)
        self.gru = nn.GRU(embedding, hidden, num_layers=2, bidirectional=True, batch_first=True, dropout=0.3)
        self.dropout = nn.Dropout(0.3)
        self.linear = nn.Linear(2 * hidden, classes)

    def forward(self, tokens, lengths):
        x = self.dropout(self.embedding(tokens))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, h_n = self.gru(packed)
        last = torch.cat([h_n[-2], h_n[-1]], dim=1)  # the last layer's, forward and backward
        return self.linear(self.dropout(last))


def main() -> None:
    torch.set_num_threads(1)
    kept = [(library, text) for library, texts in paragraphs(True, WORDS).items() for text in texts[:KEPT]]
    (DATA / "paragraphs.tsv").write_text("".join(f"{library}\t{text}\n" for library, text in kept), encoding="utf-8")
    texts = [(library, text) for library, texts in paragraphs(False, WORDS).items() for text in texts[:MOST]]
    rows = [tokens(text) for _, text in texts]
    target = torch.tensor([LIBRARIES.index(library) for library, _ in texts])
    held_out, labels = read_labelled("paragraphs")
    for name, kind in (("text_lstm", LstmClassifier), ("text_gru", GruClassifier)):
        torch.manual_seed(0)
        model = kind(**SIZES)

        def loss(numbers: torch.Tensor, model: nn.Module = model) -> torch.Tensor:
            batch = map(torch.from_numpy, pad_rows([rows[i] for i in numbers]))
            return nn.functional.cross_entropy(model(*batch), target[numbers])

        fit(model, loss, len(rows), EPOCHS, BATCH, RATE)
        save(model, WEIGHTS / f"{name}.pt")
        with torch.no_grad():
            guess = model(*map(torch.from_numpy, pad_rows([tokens(text) for text in held_out]))).argmax(1)
        right = sum(LIBRARIES[i] == label for i, label in zip(guess, labels, strict=True)) / len(labels)
        print(f"{name}: {len(rows)} paragraphs for training, {len(labels)} held out, {right:.1%} right")


if __name__ == "__main__":
    main()
