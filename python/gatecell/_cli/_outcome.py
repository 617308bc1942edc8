"""Ends a program with an exit code, and prints an error as one line on stderr in place of a traceback.

Exit codes: 0 success; 1 failure; 130 interrupted; 141 the reader of the output has closed it.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from ._output import one_line

ERRORS = (ValueError, TypeError, OSError, RuntimeError, MemoryError)
INTERRUPTED, PIPE_CLOSED = 130, 141  # a shell's codes for programs that SIGINT or SIGPIPE ended


def outcome(run: Callable[[], int | None], name: str) -> int:
    """Calls `run` and returns its result as the exit code. For any of ERRORS prints "name: message" and returns 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # escapes characters that the terminal's encoding lacks
    try:
        code = run() or 0
        if sys.stdout:  # None if the caller has closed it
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _empty_stdout()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except ERRORS as error:
        _empty_stdout()  # here, not at the end of the interpreter: the error may be that stdout cannot be written
        print(f"{name}: {one_line(_message(error))}", file=sys.stderr)
        return 1


def _message(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _empty_stdout() -> None:
    """Empties stdout's buffer, if need be into /dev/null, so that the interpreter reports no error at its end."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
