"""Compares the example g2p_en with recorded results of the package's own code, word by word and as one batch.

record_g2p_en.py writes the recorded results.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from packages import load_example

RECORDED = [
    line.split() for line in Path(__file__).with_name("g2p_en_words.txt").read_text(encoding="utf-8").splitlines()
]
WORDS = [word for word, *_ in RECORDED]
SOUNDS = [sounds for _, *sounds in RECORDED]

g2p_en = load_example("g2p_en")


def test_a_batch_of_all_words() -> None:
    assert g2p_en.pronounce(g2p_en.load(), WORDS) == SOUNDS


def test_word_by_word() -> None:
    model = g2p_en.load()
    assert [g2p_en.pronounce(model, [word])[0] for word in WORDS] == SOUNDS


def test_the_longest_word_is_cut_at_the_same_sound_as_in_the_package() -> None:
    assert max(map(len, SOUNDS)) == g2p_en.LONGEST


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["g2p_en", "Colonel  tsunami"])
    g2p_en.main()
    said = {word: " ".join(sounds) for word, sounds in zip(WORDS, SOUNDS, strict=True)}
    assert capsys.readouterr().out == f"Colonel  {said['colonel']}\ntsunami  {said['tsunami']}\n"


def test_no_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("42", "?!", ""):
        monkeypatch.setattr(sys, "argv", ["g2p_en", word])
        with pytest.raises(ValueError, match=re.escape(f"expected words of the letters a to z, got {word!r}")):
            g2p_en.main()
