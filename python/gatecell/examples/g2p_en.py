"""Gives the pronunciation of English words: the GRU encoder and decoder of g2p-en (K. Park and J. Kim, Apache 2.0).

    pip install --no-deps g2p-en==2.1.0
    python -m gatecell.examples.g2p_en recurrent networks colonel

The encoder reads the letters. Its last state is the first state of the decoder, which gives one sound of the ARPAbet in
each step and gets it as input of the next step. The package first looks up words in a dictionary. This is its network
for the words that the dictionary lacks.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

import gatecell
from gatecell import nn
from gatecell.examples._start import package_file, start

REQUIREMENT = "g2p-en==2.1.0"
GRAPHEMES = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
VOWELS = ["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"]
CONSONANTS = ["B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH"]
CONSONANTS += ["V", "W", "Y", "Z", "ZH"]
SOUNDS = sorted([*CONSONANTS, *(vowel + stress for vowel in VOWELS for stress in "012"), "UW"])  # as in CMUdict
PHONEMES = ["<pad>", "<unk>", "<s>", "</s>", *SOUNDS]
BEGIN, END = PHONEMES.index("<s>"), PHONEMES.index("</s>")
LONGEST = 20  # the largest number of sounds of a word
WORDS = ["recurrent", "networks", "colonel"]


class G2p(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enc_emb = nn.Embedding(len(GRAPHEMES), 256)
        self.enc = nn.GRU(256, 256, batch_first=True)
        self.dec_emb = nn.Embedding(len(PHONEMES), 256)
        self.dec = nn.GRUCell(256, 256)
        self.fc = nn.Linear(256, len(PHONEMES))

    def forward(self, letters: Any, lengths: Any) -> Any:
        """The numbers of the sounds (words, LONGEST) for numbers of letters (words, T), padded behind the lengths.

        Sounds behind an END have no meaning.
        """
        _, h_n = self.enc(self.enc_emb(letters), lengths=lengths)
        h, said = h_n[0], np.full(len(letters), BEGIN)
        sounds = np.full((len(letters), LONGEST), END)
        ended = np.zeros(len(letters), bool)
        for step in range(LONGEST):
            h = self.dec(self.dec_emb(said), h)
            said = self.fc(h).argmax(axis=1)
            sounds[:, step] = said
            ended |= said == END
            if ended.all():
                break
        return sounds


def torch_name(name: str) -> str:
    """The name in the class G2p of a weight of the package.

    "enc_w_ih" is "enc.weight_ih_l0", "dec_b_hh" is "dec.bias_hh", "fc_w" is "fc.weight".
    """
    if name.endswith("_emb"):
        return f"{name}.weight"
    layer, kind, *parts = name.split("_")
    parts += ["l0"] if layer == "enc" else []
    return f"{layer}." + "_".join([{"w": "weight", "b": "bias"}[kind], *parts])


def load() -> G2p:
    """The network with the package's weights. Their gate order and equations are PyTorch's."""
    weights = gatecell.load(package_file(REQUIREMENT, "g2p_en/checkpoint20.npz"))
    model = G2p()
    model.load_state_dict({torch_name(name): array for name, array in weights.items()})
    return model


def pronounce(model: G2p, words: Sequence[str]) -> list[list[str]]:
    """The sounds of each word. A character other than a to z counts as <unk>."""
    numbers = {letter: number for number, letter in enumerate(GRAPHEMES)}
    rows = [[*(numbers.get(letter, 1) for letter in word), numbers["</s>"]] for word in words]
    lengths = [len(row) for row in rows]
    letters = np.array([row + [0] * (max(lengths) - len(row)) for row in rows])
    sounds = model(letters, lengths).tolist()
    return [[PHONEMES[sound] for sound in row[: [*row, END].index(END)]] for row in sounds]


def main() -> None:
    about = "Gives the pronunciation of English words in the ARPAbet."
    parser = argparse.ArgumentParser(prog="python -m gatecell.examples.g2p_en", description=about)
    parser.add_argument("words", nargs="*", metavar="word", default=WORDS, help=f"(default: {' '.join(WORDS)})")
    words = [word for text in parser.parse_args().words for word in text.split()]
    for word in words or [""]:
        if not re.search("[a-z]", word.lower()):
            raise ValueError(f"expected words of the letters a to z, got {word!r}")
    width = max(map(len, words))
    for word, sounds in zip(words, pronounce(load(), [word.lower() for word in words]), strict=True):
        print(f"{word:{width}}  {' '.join(sounds)}")


if __name__ == "__main__":
    start(main)
