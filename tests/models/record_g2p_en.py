"""Writes g2p_en_words.txt anew: each line's first word, and what the NumPy code of g2p-en itself says to it.

    pip install --no-deps g2p-en==2.1.0 && python tests/models/record_g2p_en.py

The package needs nltk and its downloads for all but the network: empty modules stand in for those.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

WORDS = Path(__file__).with_name("g2p_en_words.txt")
STAND_INS = ("nltk", "nltk.corpus", "nltk.tokenize", "inflect")


class Nothing:
    """Whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        return Nothing()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Nothing()


def main() -> None:
    for name in STAND_INS:
        module = ModuleType(name)
        module.__getattr__ = Nothing().__getattr__  # type: ignore[method-assign]
        sys.modules[name] = module

    from g2p_en.g2p import G2p

    g2p = G2p()  # which finds an empty dictionary and downloads nothing
    words = [line.split()[0] for line in WORDS.read_text(encoding="utf-8").splitlines()]
    WORDS.write_text("".join(" ".join([word, *g2p.predict(word)]) + "\n" for word in words), encoding="utf-8")


if __name__ == "__main__":
    main()
