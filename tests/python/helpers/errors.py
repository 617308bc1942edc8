"""Checks of error messages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest


@contextlib.contextmanager
def expect_error(*words: object, error: type[Exception] | tuple[type[Exception], ...] = ValueError) -> Iterator[None]:
    """Checks that the block raises `error` with a message that holds all these words."""
    with pytest.raises(error) as caught:
        yield
    missing = [word for word in map(str, words) if word not in str(caught.value)]
    assert not missing, f"{missing} not in {str(caught.value)!r}"


def error_lines(call: Callable[[], object]) -> list[str]:
    """The lines of the message of the ValueError that the call raises."""
    with pytest.raises(ValueError, match=r".") as caught:
        call()
    return str(caught.value).splitlines()
