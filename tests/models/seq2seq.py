"""The class of seq2seq_torch.py ported to gatecell: other imports, np.full, np.concatenate."""

from __future__ import annotations

import numpy as np

from gatecell import nn
from gatecell.nn.utils.rnn import pack_padded_sequence


class Seq2Seq(nn.Module):
    """An encoder LSTM reads the source. A decoder LSTM starts from its final state and writes the target."""

    def __init__(self, source: int, target: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.source_embedding = nn.Embedding(source, embedding, padding_idx=0)
        self.target_embedding = nn.Embedding(target, embedding)
        self.encoder = nn.LSTM(embedding, hidden, batch_first=True)
        self.decoder = nn.LSTM(embedding, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, target)

    def encode(self, source, lengths):
        x = self.source_embedding(source)
        _, state = self.encoder(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        return state

    def forward(self, source, lengths, previous):
        """source (B, S), lengths (B), previous characters (B, T) -> logits (B, T, target) of the next characters."""
        y, _ = self.decoder(self.target_embedding(previous), self.encode(source, lengths))
        return self.linear(y)

    def translate(self, source, lengths, start, steps):
        """The target (B, steps), decoded greedily: the likeliest character of a step is the input of the next step."""
        state = self.encode(source, lengths)
        character = np.full((len(source), 1), start)
        characters = []
        for _ in range(steps):
            y, state = self.decoder(self.target_embedding(character), state)
            character = self.linear(y).argmax(-1)
            characters.append(character)
        return np.concatenate(characters, axis=1)
