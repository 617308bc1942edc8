"""A model of the same class in torch.nn and in gatecell.nn."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch

from gatecell import nn


def tagger_class(nn: Any) -> Any:
    """A model class made from the module `nn`, which is torch.nn or gatecell.nn."""

    class Encoder(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(10, 4, padding_idx=0)
            self.norm = None
            self.lstm = nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
            self.norm = nn.BatchNorm1d(10)

        def forward(self, x: Any) -> Any:
            y, _ = self.lstm(self.embedding(x))
            return self.norm(y.swapaxes(1, 2)).swapaxes(1, 2)

    class Tagger(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = Encoder()
            self.dropout = nn.Dropout(0.1)
            self.heads = nn.ModuleList([nn.Linear(10, 3) for _ in range(3)])
            self.heads.append(nn.Sequential(OrderedDict(a=nn.Linear(10, 3), b=nn.ReLU())))
            self.act = nn.Sequential(nn.PReLU(), nn.Identity(), nn.Softmax(dim=-1))

        def forward(self, x: Any) -> Any:
            y = self.dropout(self.encoder(x))
            return self.act(sum(head(y) for head in self.heads))

    return Tagger


Tagger = tagger_class(nn)


def torch_tagger(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return tagger_class(torch.nn)().eval()


def tagger(seed: int = 0) -> Any:
    model = Tagger()
    model.load_state_dict(torch_tagger(seed).state_dict())
    return model


TOKENS = np.array([[1, 2, 3], [0, 9, 2]])
