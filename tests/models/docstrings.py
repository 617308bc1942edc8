"""English paragraphs from docstrings of the standard library, NumPy and PyTorch, for the training scripts.

Files are read as text and not imported. Each file is used either for training or as held-out data, so that no held-out
paragraph comes from a file that the training used.
"""

from __future__ import annotations

import ast
import random
import re
import sysconfig
import zlib
from collections.abc import Iterator
from pathlib import Path

LIBRARIES = ("python", "numpy", "torch")
HELD_OUT = 5  # a hash of its name holds out one file in five
# Files with these words in their path are by other authors or have little prose.
LEFT_OUT = ("test", "-packages", "idlelib", "_vendor")
PROSE = re.compile(r"(?!.*--)[A-Z`][A-Za-z0-9 ,.;:'\"()`_/*-]+[.:]")  # excludes headings, which have an underline


def paragraphs(held_out: bool, words: range) -> dict[str, list[str]]:
    """The paragraphs of each library that have a number of words in `words`, each once, shuffled with a fixed seed."""
    found = {library: set(_prose(library, held_out)) for library in LIBRARIES}
    if held_out:  # without paragraphs that are also in a file for training
        for library in LIBRARIES:
            found[library] -= set(_prose(library, False))
    chosen = {}
    for library, texts in found.items():
        chosen[library] = [text for text in sorted(texts) if len(text.split()) in words]
        random.Random(0).shuffle(chosen[library])
    return chosen


def _prose(library: str, held_out: bool) -> Iterator[str]:
    root = Path(sysconfig.get_path("stdlib") if library == "python" else sysconfig.get_path("purelib") + "/" + library)
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if any(part in name for part in LEFT_OUT) or (zlib.crc32(name.encode()) % HELD_OUT == 0) != held_out:
            continue
        for docstring in _docstrings(path):
            for paragraph in docstring.split("\n\n"):
                text = " ".join(paragraph.split())
                if PROSE.fullmatch(text):
                    yield text


def _docstrings(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):  # a few files are wrong on purpose
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ast.get_docstring(node) or ""
