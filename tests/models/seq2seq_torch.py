"""A PyTorch encoder and decoder that convert dates to ISO 8601 character by character, and their training.

    python tests/models/seq2seq_torch.py

Training takes two minutes. The committed weights: Python 3.11.7, torch 2.13.0 (CPU), seed 0, 1 thread.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from dates import LENGTH, SOURCE, TARGET, numbers, pairs, text
from text import pad_rows
from training import WEIGHTS, fit, save

SIZES = {"source": len(SOURCE), "target": len(TARGET), "embedding": 16, "hidden": 64}
EPOCHS, BATCH, RATE = 2, 64, 1e-2
START = 0


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
        character = torch.full((len(source), 1), start)
        characters = []
        for _ in range(steps):
            y, state = self.decoder(self.target_embedding(character), state)
            character = self.linear(y).argmax(-1)
            characters.append(character)
        return torch.cat(characters, dim=1)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    known = [(numbers(source, SOURCE), numbers(target, TARGET)) for source, target in pairs(held_out=False)]
    model = Seq2Seq(**SIZES)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        sources, targets = zip(*(known[i] for i in rows), strict=True)
        target = torch.tensor(targets)
        previous = torch.cat([torch.full((len(target), 1), START), target[:, :-1]], dim=1)
        logits = model(*map(torch.from_numpy, pad_rows(sources)), previous)
        return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())

    fit(model, loss, len(known), EPOCHS, BATCH, RATE)
    save(model, WEIGHTS / "seq2seq.pt")
    sources, targets = zip(*pairs(held_out=True), strict=True)
    with torch.no_grad():
        batch = pad_rows([numbers(source, SOURCE) for source in sources])
        rows = model.translate(*map(torch.from_numpy, batch), START, LENGTH)
    right = sum(text(row) == target for row, target in zip(rows, targets, strict=True)) / len(targets)
    print(f"{len(known)} dates for training, {len(targets)} held out, {right:.1%} right in all characters")


if __name__ == "__main__":
    main()
