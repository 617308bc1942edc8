"""Prints facts as JSON or as text in columns. Control characters in names from files are escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_LINES = 50
_WIDEST = 80  # characters of a column; a longer cell goes beyond it, so that one long name does not widen every line


def print_json(facts: Mapping[str, Any]) -> None:
    """Prints one JSON object. Raises ValueError for NaN and infinities: pass None for these."""
    print(json.dumps(facts, allow_nan=False))


def print_columns(rows: Sequence[Sequence[object]], indent: str = "  ", right: Sequence[int] = ()) -> None:
    """Prints a table. All rows have the same number of cells. `right` numbers the columns that are aligned right."""
    texts = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = [
            text.rjust(width) if number in right else text.ljust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print((indent + "  ".join(cells)).rstrip())


def printable(text: str) -> str:
    """The text with escapes for characters that control a terminal, such as line ends and colours."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """An error's lines joined to one line, which is shortened if it is long."""
    lines = [line.strip() for line in text.splitlines()]
    return printable(shortened("; ".join(line for line in lines if line).replace(":; ", ": ")))


def shortened(text: str) -> str:
    """The beginning and the end of a long text. Names in a file may have megabytes."""
    return text if len(text) <= 1000 else f"{text[:600]} ... {text[-300:]}"


def first_lines(lines: list[str]) -> list[str]:
    """The first _LINES lines, and the number of the others as a last line."""
    return lines if len(lines) <= _LINES else [*lines[:_LINES], f"... and {len(lines) - _LINES} more"]


def size(count: float) -> str:
    """A number of bytes with a unit: 512 B, 1.23 kB, 45.6 MB."""
    units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    while count >= 999.5 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.0f} B" if units[0] == "B" else f"{count:#.3g}".rstrip(".") + f" {units[0]}"


def counted(count: int, what: str) -> str:
    """A number with its noun: 1 tensor, 1,234 tensors."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")
