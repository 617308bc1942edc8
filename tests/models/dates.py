"""Pairs of texts: a date in a common format, and in ISO 8601. They are generated for two centuries."""

from __future__ import annotations

import calendar
import datetime
import string

import numpy as np
from numpy.typing import NDArray

FORMATS = ("{month} {day}, {year}", "{day} {month:.3} {year}", "{day}.{number}.{year}", "the {day}. of {month} {year}")
FIRST, DAYS = datetime.date(1900, 1, 1), 73_000  # to November 2099
HELD_OUT = 250  # every 250th day is held out

SOURCE = ["", *string.ascii_letters, *string.digits, *" ,."]  # number 0 is padding
TARGET = ["", *string.digits, "-"]  # number 0 marks the start of a text
LENGTH = len("2000-12-31")


def pairs(held_out: bool) -> list[tuple[str, str]]:
    """Pairs such as ("12 Mar 1990", "1990-03-12"). Each day is in one format; the formats alternate."""
    found = []
    for i in range(DAYS):
        if (i % HELD_OUT == 0) == held_out:
            day = FIRST + datetime.timedelta(i)
            form = FORMATS[i // HELD_OUT % len(FORMATS) if held_out else i % len(FORMATS)]
            text = form.format(day=day.day, month=calendar.month_name[day.month], number=day.month, year=day.year)
            found.append((text, day.isoformat()))
    return found


def numbers(text: str, alphabet: list[str]) -> list[int]:
    """The positions of the characters in the alphabet."""
    return [alphabet.index(character) for character in text]


def text(row: NDArray[np.int64]) -> str:
    """The text of a row of character numbers, as a decoder returns it."""
    return "".join(TARGET[i] for i in row)
