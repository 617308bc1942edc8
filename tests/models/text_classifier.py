"""The classes of text_classifier_torch.py ported to gatecell: other imports, np.concatenate."""

from __future__ import annotations

import numpy as np

from gatecell import nn
from gatecell.nn.utils.rnn import pack_padded_sequence


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
        last = np.concatenate([h_n[-2], h_n[-1]], axis=1)  # the last layer's, forward and backward
        return self.linear(self.dropout(last))


class GruClassifier(nn.Module):
    """The same with a GRU. It gets the lengths and does not pack."""

    def __init__(self, words: int, embedding: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, embedding, padding_idx=0)
        self.gru = nn.GRU(embedding, hidden, num_layers=2, bidirectional=True, batch_first=True, dropout=0.3)
        self.dropout = nn.Dropout(0.3)
        self.linear = nn.Linear(2 * hidden, classes)

    def forward(self, tokens, lengths):
        x = self.dropout(self.embedding(tokens))
        _, h_n = self.gru(x, lengths=lengths)
        last = np.concatenate([h_n[-2], h_n[-1]], axis=1)  # the last layer's, forward and backward
        return self.linear(self.dropout(last))
