"""Converts texts to numbers. Words get their numbers from a hash, without a vocabulary (Weinberger et al., 2009)."""

from __future__ import annotations

import re
import string
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"
CHARACTERS = "\n" + string.ascii_letters + string.digits + " ,.;:'\"()`_/*-"  # all characters of the paragraphs
BUCKETS = 2000  # word numbers 1 to 2000; 0 is padding
Ints = NDArray[np.int64]


def tokens(text: str) -> list[int]:
    """The numbers, 1 to BUCKETS, of the text's words and punctuation marks in lower case."""
    return [1 + zlib.crc32(word.encode()) % BUCKETS for word in re.findall(r"\w+|[^\w\s]", text.lower())]


def letters(word: str) -> list[int]:
    """The letters a to z as 1 to 26."""
    return [1 + ord(letter) - ord("a") for letter in word]


def characters(paragraphs: Sequence[str]) -> list[int]:
    """The characters of all paragraphs, each followed by a newline, as positions in CHARACTERS."""
    return [CHARACTERS.index(character) for text in paragraphs for character in text + "\n"]


def pad_rows(rows: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    """The rows as one array (B, T) with zeros after the end of each row, and the lengths (B)."""
    lengths = np.array([len(row) for row in rows])
    batch = np.zeros((len(rows), lengths.max()), np.int64)
    for target, row in zip(batch, rows, strict=True):
        target[: len(row)] = row
    return batch, lengths


def read_labelled(name: str) -> tuple[list[str], list[str]]:
    """Texts and labels of data/<name>.tsv."""
    lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    labels, texts = zip(*(line.split("\t") for line in lines), strict=True)
    return list(texts), list(labels)
