"""Arguments that commands share, and their types."""

from __future__ import annotations

import argparse
from pathlib import Path

_LARGEST = 2**31 - 1  # the largest int in C++


def add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="weights: .pt, .pth, .safetensors, .npz, ...")


def add_threads(parser: argparse.ArgumentParser) -> None:
    default = "GATECELL_NUM_THREADS, else the number of cores"
    parser.add_argument("--threads", metavar="N", type=positive, help=f"default: {default}")


def add_strict(parser: argparse.ArgumentParser) -> None:
    what = "tensors beside a layer that are not understood, and layers that cannot be read"
    parser.add_argument("--no-strict", dest="strict", action="store_false", help=f"ignore {what}; default: an error")


def with_dot(prefix: str) -> str:
    """The prefix with its final dot, which a user may leave out."""
    return prefix + "." if prefix and not prefix.endswith(".") else prefix


def positive(text: str) -> int:
    """The type of an argument that is a whole number from 1 to the largest int in C++."""
    if not text.isdecimal() or not 0 < int(text) <= _LARGEST:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {_LARGEST}, got {text!r}")
    return int(text)
