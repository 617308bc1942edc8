"""`gatecell info FILE`: shows the content of a file of weights.

It is fast, because it packs nothing and copies only the arrays that `gatecell.load` converts or unpacks.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import gatecell
from gatecell import FoundLayer

from ._arguments import add_file
from ._networks import empty_network, parameter_count
from ._output import counted, first_lines, one_line, print_columns, print_json, printable, size

HELP = "show what a file of weights holds: recurrent layers, tensors, sizes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)


def execute(arguments: argparse.Namespace) -> int:
    facts = _facts(arguments.file)
    if arguments.json:
        print_json(facts)
    else:
        _print(facts)
    return 0


def _facts(path: Path) -> dict[str, Any]:
    weights = gatecell.load(path)
    tensors = [
        {
            "name": name,
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "bytes": math.prod(array.shape) * array.itemsize,
        }
        for name, array in weights.items()
    ]
    layers = gatecell.find_layers(weights)
    return {
        "file": str(path),
        "format": weights.format,
        "bytes": path.stat().st_size,
        "layers": [_layer(layer) for layer in layers],
        "refused": layers.refused,
        "tensors": tensors,
        "elements": sum(math.prod(array.shape) for array in weights.values()),
        "skipped": weights.skipped,
        "frozen": layers.hint,
    }


def _layer(layer: FoundLayer) -> dict[str, Any]:
    net = empty_network(layer)
    return {
        "prefix": layer.prefix,
        "cell": layer.cell,
        "network": str(layer),
        "input_size": layer.input_size,
        "hidden_size": layer.hidden_size,
        "num_layers": layer.num_layers,
        "bidirectional": layer.bidirectional,
        "proj_size": layer.proj_size,
        "bias": layer.bias,
        "dtype": str(layer.dtype),
        "flags": dict(layer.flags),
        "choose": list(layer.choose),
        "beside": list(layer.beside),
        "parameters": parameter_count(net),
        "packed_bytes": net.spec.packed_nbytes(str(net.dtype), net.isa),
        "isa": net.isa,
    }


def _print(facts: dict[str, Any]) -> None:
    layers, tensors, skipped = facts["layers"], facts["tensors"], facts["skipped"]
    print(f"{printable(facts['file'])}: {facts['format']}, {size(facts['bytes'])}")
    print(f"\n{counted(len(layers), 'recurrent layer')}")
    for layer in layers:
        packed = f"{size(layer['packed_bytes'])} packed for {layer['isa']}"
        print(f"  {printable(layer['prefix']) or repr('')}")
        print(f"    {layer['network']}, {layer['dtype']}, {counted(layer['parameters'], 'parameter')}, {packed}")
        if layer["choose"]:
            print(f"    not in the file: {', '.join(layer['choose'])}")
        if layer["beside"]:
            print(f"    not understood beside it: {printable(', '.join(first_lines(layer['beside'])))}")
    for prefix, reason in facts["refused"].items():
        print(f"  {printable(prefix) or repr('')}\n    cannot be read: {one_line(reason)}")
    if facts["frozen"]:
        print(f"  {facts['frozen']}")
    total = sum(tensor["bytes"] for tensor in tensors)
    print(f"\n{counted(len(tensors), 'tensor')}, {counted(facts['elements'], 'element')}, {size(total)}")
    print_columns(
        [(tensor["name"], tuple(tensor["shape"]), tensor["dtype"], size(tensor["bytes"])) for tensor in tensors],
        right=[3],
    )
    if skipped:
        print(f"\n{counted(len(skipped), 'object')} left out")
        print_columns(list(skipped.items()))
