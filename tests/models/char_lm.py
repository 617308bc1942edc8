"""The class of char_lm_torch.py ported to gatecell: other imports, a stream instead of calls of one step."""

from __future__ import annotations

from gatecell import nn


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
        token, stream, tokens = first, self.lstm.stream(), []
        for row in noise:
            y = stream.step(self.embedding(token))
            token = int((self.linear(y) + row).argmax())
            tokens.append(token)
        return tokens
