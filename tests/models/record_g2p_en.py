"""Writes g2p_en_words.txt again: the first word of each line, and its sounds as the NumPy code of g2p-en gives them.

    pip install --no-deps g2p-en==2.1.0 && python tests/models/record_g2p_en.py

The package imports nltk, which needs downloads, and inflect, although the network uses neither. This script replaces
them by empty modules.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

WORDS = Path(__file__).with_name("g2p_en_words.txt")
REPLACED = ("nltk", "nltk.corpus", "nltk.tokenize", "inflect")


class Placeholder:
    """Has every attribute and can be called; both give another Placeholder."""

    def __getattr__(self, name: str) -> Any:
        return Placeholder()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Placeholder()


def main() -> None:
    for name in REPLACED:
        module = ModuleType(name)
        module.__getattr__ = Placeholder().__getattr__  # type: ignore[method-assign]
        sys.modules[name] = module

    from g2p_en.g2p import G2p

    g2p = G2p()  # it finds an empty dictionary and downloads nothing
    words = [line.split()[0] for line in WORDS.read_text(encoding="utf-8").splitlines()]
    WORDS.write_text("".join(" ".join([word, *g2p.predict(word)]) + "\n" for word in words), encoding="utf-8")


if __name__ == "__main__":
    main()
