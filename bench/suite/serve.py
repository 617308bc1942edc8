"""The worker's side of processes.py: reads requests from standard input and writes answers to standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answers requests, one line of JSON each, until there are no more. An exception gives {"error": text}."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output that a library prints goes to standard error, not among the answers
    for line in sys.stdin:
        try:
            result = answer(json.loads(line))
        except Exception as error:  # any exception of a library is a result of the comparison
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), file=answers, flush=True)
