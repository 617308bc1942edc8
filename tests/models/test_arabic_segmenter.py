"""Compares the example arabic_segmenter with a PyTorch twin that has the same weights, and its CRF with pytorch-crf."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.metadata import metadata
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gatecell.examples._start import package_file
from helpers import parity
from packages import load_example, require_package

example = load_example("arabic_segmenter")
require_package("pytorch-crf==0.7.2")
CRF = import_module("torchcrf").CRF
README = metadata("arabic-morph-segmenter").get_payload()
# The first and the last match are headings of tables.
SEGMENTED = dict(re.findall(r"^\| (\S+) \| (\S+(?: \+ \S+)*) \|$", README, re.M)[1:-1])


class Twin(nn.Module):
    """The PyTorch model of the package; it packs its rows."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, 128, padding_idx=0)
        self.lstm = nn.LSTM(128, 256, batch_first=True, bidirectional=True, num_layers=2)
        self.classifier = nn.Linear(512, 3)
        self.crf = CRF(3, batch_first=True)

    def emissions(self, letters: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(letters), lengths, True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.classifier(y)


def twin() -> tuple[Twin, dict[str, Any]]:
    checkpoint = torch.load(package_file(example.REQUIREMENT, example.FILE), weights_only=True)
    model = Twin(len(checkpoint["char2id"]))
    model.load_state_dict(checkpoint["model_state_dict"])
    return model.eval(), checkpoint


@torch.inference_mode()
def test_emissions_and_labels_agree() -> None:
    """Words are those of the README and random ones of one letter and more, as one batch and one by one."""
    reference, checkpoint = twin()
    exact = twin()[0].double()
    model, numbers, labels = example.load()
    assert (numbers, labels) == (checkpoint["char2id"], checkpoint["id2label"])
    generator, letters = np.random.default_rng(0), [*numbers, "\u2603"]
    words = [*SEGMENTED, *("".join(generator.choice(letters[2:], size)) for size in (1, 2, 3, 5, 8, 13, 21, 1))]
    for some in [words, *([word] for word in words)]:
        rows = [torch.tensor([numbers.get(letter, numbers["<UNK>"]) for letter in word]) for word in some]
        tensor = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=numbers["<PAD>"])
        lengths = [len(word) for word in some]
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        single, double = (net.emissions(tensor, lengths)[mask].numpy() for net in (reference, exact))
        own_error = float(np.abs(single - double).max())
        ours = model.emissions(*example.batch(some, numbers))[mask.numpy()]
        parity.assert_parity({"y": ours}, {"y": double}, own_error, "float32", some)
        best = reference.crf.decode(reference.emissions(tensor, lengths), mask=mask)
        assert model(*example.batch(some, numbers)) == best


def test_viterbi_search_on_scores_of_every_kind() -> None:
    """Scores and transitions are random, so that the best label of a letter is often not on the best path."""
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    crf = CRF(5, batch_first=True)
    ours = example.CRF(5)
    for _ in range(20):
        weights = {
            name: generator.normal(0, 2, value.shape).astype(np.float32) for name, value in crf.state_dict().items()
        }
        crf.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        ours.load_state_dict(weights)
        lengths = [7, *generator.integers(1, 8, 19).tolist()]
        emissions = generator.normal(0, 2, (20, 7, 5)).astype(np.float32)
        mask = torch.arange(7) < torch.tensor(lengths)[:, None]
        paths = ours.decode(emissions, lengths)
        assert paths == crf.decode(torch.from_numpy(emissions), mask=mask)
        assert any(path != row[: len(path)].tolist() for path, row in zip(paths, emissions.argmax(2), strict=True))


def test_words_of_the_packages_readme(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(SEGMENTED) == 8
    monkeypatch.setattr(sys, "argv", ["arabic_segmenter", *SEGMENTED])
    example.main()
    assert capsys.readouterr().out == "".join(f"{word}  {parts}\n" for word, parts in SEGMENTED.items())
