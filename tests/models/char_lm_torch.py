"""A PyTorch language model of characters that writes docstrings, and its training.

    python tests/models/char_lm_torch.py

Training takes two minutes. The committed weights: Python 3.11.7, NumPy 2.4.6, torch 2.13.0 (CPU), seed 0, 1 thread.
"""

from __future__ import annotations

import random

import torch
from torch import nn

from docstrings import paragraphs
from text import CHARACTERS, characters, read_labelled
from training import WEIGHTS, fit, save

SIZES = {"characters": len(CHARACTERS), "embedding": 32, "hidden": 128}
WORDS = range(4, 61)  # numbers of words of a paragraph
STEPS, EPOCHS, BATCH, RATE = 100, 3, 32, 1e-2


class CharacterModel(nn.Module):
    """tokens (B, T) and the initial state -> logits (B, T, characters) of the next characters, and the final state."""

    def __init__(self, characters: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, characters)

    def forward(self, tokens, state=None):
        y, state = self.lstm(self.embedding(tokens), state)
        return self.linear(y), state

    def sample(self, first, noise):
        """The characters that follow `first`, one for each step of `noise` (steps, characters).

        With Gumbel noise they are drawn from the softmax of the logits (Gumbel, 1954).
        """
        token, state, tokens = first, None, []
        for row in noise:
            y, state = self.lstm(self.embedding(torch.tensor([token])), state)
            token = int((self.linear(y[0]) + row).argmax())
            tokens.append(token)
        return tokens


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    known = [text for texts in paragraphs(False, WORDS).values() for text in texts]
    random.Random(0).shuffle(known)
    tokens = torch.tensor(characters(known))
    windows = tokens.unfold(0, STEPS + 1, STEPS)
    model = CharacterModel(**SIZES)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        batch = windows[rows]
        return nn.functional.cross_entropy(model(batch[:, :-1])[0].flatten(0, 1), batch[:, 1:].flatten())

    fit(model, loss, len(windows), EPOCHS, BATCH, RATE, decay=0.01)
    save(model, WEIGHTS / "char_lm.pt")
    held_out = torch.tensor(characters(read_labelled("paragraphs")[0]))
    with torch.no_grad():
        guess = model(held_out[None, :-1])[0].argmax(-1)[0]
        noise = -torch.log(-torch.log(torch.rand(300, len(CHARACTERS))))
        sample = "".join(CHARACTERS[token] for token in model.sample(0, noise))
    right = (guess == held_out[1:]).float().mean()
    print(f"{len(tokens)} characters for training, {len(held_out)} held out, {right:.1%} right\n{sample}")


if __name__ == "__main__":
    main()
