"""The class of sentiment_torch.py ported to gatecell: other imports."""

from __future__ import annotations

from gatecell import nn
from gatecell.nn import functional
from gatecell.nn.utils.rnn import pack_padded_sequence


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
