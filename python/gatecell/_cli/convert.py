"""`gatecell convert FILE OUT.safetensors`: writes the arrays of a file as .safetensors."""

from __future__ import annotations

import argparse
from pathlib import Path

import gatecell

from ._arguments import add_file, with_dot
from ._output import counted, print_columns, print_json, printable, size

HELP = "write the tensors of a file as .safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument("out", metavar="OUT.safetensors", type=Path, help="output, written as a whole or not at all")
    parser.add_argument("--prefix", default="", metavar="P", help="only tensors under P; their names lose P")
    parser.add_argument("--force", action="store_true", help="overwrite OUT.safetensors if it exists")


def execute(arguments: argparse.Namespace) -> int:
    path, out, prefix = arguments.file, arguments.out, with_dot(arguments.prefix)
    if out.suffix != ".safetensors":
        raise ValueError(f"{out}: expected a name that ends in .safetensors, the format that is written")
    if out.exists() and not arguments.force:
        raise ValueError(f"{out} exists: --force overwrites it")
    weights = gatecell.load(path, prefix=prefix, check=True)
    if not weights:
        raise ValueError(f"{path}: there are no tensors to write")
    gatecell.save(out, {name[len(prefix) :]: array for name, array in weights.items()})
    written = out.stat().st_size
    if arguments.json:
        facts = {"file": str(path), "out": str(out), "prefix": prefix, "tensors": len(weights), "bytes": written}
        print_json({**facts, "skipped": weights.skipped})
        return 0
    without = f", without {printable(prefix)} in their names" if prefix else ""
    print(f"{printable(str(out))}: {counted(len(weights), 'tensor')}, {size(written)}{without}")
    if weights.skipped:
        print(f"{counted(len(weights.skipped), 'object')} left out")
        print_columns(list(weights.skipped.items()))
    return 0
