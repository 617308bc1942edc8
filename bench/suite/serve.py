"""A worker's end of processes.py: requests from standard input, a line of JSON each, answers to standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Until there are no more requests. An exception of `answer` is answered as {"error": text}."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        try:
            result = answer(json.loads(line))
        except Exception as error:  # whatever a library throws is a result of the comparison
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), file=answers, flush=True)
