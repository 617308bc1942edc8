"""`gatecell demo`: runs two trained networks. The exit code is 1 if a score or a difference is outside its bound."""

from __future__ import annotations

import argparse

from ._output import print_json

HELP = "run two trained networks and compare them with PyTorch's recorded outputs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The demo has no arguments."""


def execute(arguments: argparse.Namespace) -> int:
    from . import _demo

    results = _demo.run()
    kept = all(facts["passed"] and facts["agrees"] for facts in results)
    if arguments.json:
        print_json({"networks": results, "ok": kept})
    else:
        print("Two small networks trained with PyTorch, on data they have not seen, with gatecell and NumPy alone.")
        for facts in results:
            _demo.report(facts)
    return 0 if kept else 1
