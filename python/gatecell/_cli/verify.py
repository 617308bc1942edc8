"""`gatecell verify FILE`: checks a file's checksums, and compares its layers with another implementation.

The differences must be within the promised bound, see _bound.py. The result is "undecided" in two cases, in which the
bound would show nothing. The network is chaotic: float32 alone changes the other implementation's outputs by 1e-4 of
their size or more (by S/100 times as much where S, the largest sum of |w||x| + |b| of a gate, is above 100). Or sums
are too large for the dtype: the bound is a tenth of the outputs' size or more. The outputs' size is the largest
absolute output, at least 1.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import gatecell
from gatecell import FoundLayer

from ._arguments import add_file, add_strict
from ._bound import LARGE, Bound, Furthest, furthest
from ._networks import Layer, check_all, layers_of, load_network, own_options, own_weights
from ._output import counted, print_columns, print_json, printable
from ._reference import Outputs, hx_of, outputs_by_name, run_numpy, run_torch

HELP = "check a file's checksums, and its recurrent layers against another implementation"
STEPS, SEED = 20, 0
CHAOTIC, USELESS = 1e-4, 0.1  # differences from which on the result is undecided; times max(1, the largest output)
_OTHERS = {"float64": ("NumPy", run_numpy), "torch": ("PyTorch", run_torch)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument("--prefix", default="", metavar="P", help="only the layers with names that start with P.")
    parser.add_argument(
        "--against", choices=_OTHERS, default="float64", help="NumPy's float64 (the default) or PyTorch's"
    )
    add_strict(parser)


def execute(arguments: argparse.Namespace) -> int:
    path: Path = arguments.file
    weights = gatecell.load(path, prefix=arguments.prefix, check=True)
    with np.errstate(all="ignore"):  # infinities and NaNs are valid results
        found = layers_of(path, weights)
        if arguments.strict:
            check_all(path, found, weights)
        layers = [_verify(layer, weights, arguments.against) for layer in found]
    facts = {
        "file": str(path),
        "format": weights.format,
        "checksums": "right" if weights.checked else "none",
        "against": arguments.against,
        "steps": STEPS,
        "seed": SEED,
        "layers": layers,
        "ok": all(layer["ok"] for layer in layers),
    }
    if arguments.json:
        print_json(facts)
    else:
        _print(facts)
    return 0 if facts["ok"] else 1


def _verify(layer: FoundLayer, weights: Mapping[str, Any], against: str) -> dict[str, Any]:
    """Runs one layer and the other implementation with the same random input, and compares them."""
    if against == "torch" and own_options(layer):
        raise ValueError(f"torch has no {layer}: verify --against float64")
    net = load_network(layer, weights, batch_first=False)
    dtype = str(net.dtype)
    own = {name: array.astype(net.dtype, order="C", copy=False) for name, array in own_weights(layer, weights).items()}
    rng = np.random.default_rng(SEED)
    rows = 16 + 512 // net.hidden_size  # 500 outputs of a small network, too: the errors of few can be small by chance
    x = rng.standard_normal((STEPS, rows, net.input_size)).astype(dtype)
    sizes = (net.spec.state_size, net.hidden_size) if isinstance(net, gatecell.LSTM) else (net.spec.state_size,)
    state = tuple(rng.uniform(-1, 1, (net.spec.direction_runs, rows, size)).astype(dtype) for size in sizes)
    other_name, other = _OTHERS[against]
    reference = other(net, own, x, state, "float64")
    got = outputs_by_name(*net(x, hx_of(state)))
    rounding = _difference(other(net, own, x, state, "float32"), reference)
    differences = {name: _number(np.abs(np.float64(got[name]) - reference[name]).max()) for name in reference}
    bound = Bound(dtype, rounding, net.largest_sum(x, hx_of(state)))
    worst = furthest(got, reference, bound)
    if all(np.array_equal(array, own[name], equal_nan=True) for name, array in net.state_dict().items()):
        problem = _problem(worst, bound, max(float(np.abs(array).max()) for array in reference.values()), other_name)
    else:  # gates(), which run_numpy calls, and largest_sum() have used the network's weights
        problem = "the network's weights differ from the file's weights"
    return {
        "prefix": layer.prefix,
        "network": str(layer),
        "dtype": dtype,
        "isa": net.isa,
        "rows": rows,
        "assumed": [_assumed(net, choice) for choice in layer.choose],
        "differences": differences,
        "share_of_bound": _number(worst.share),
        "furthest": {
            "output": worst.output,
            "difference": _number(worst.difference),
            "allowed": _number(worst.allowed),
        },
        "rounding": _number(rounding),
        "rounding_of": f"float32 {other_name}",
        "largest_sum": _number(bound.largest_sum),
        "ok": problem is None,
        "problem": problem,
    }


def _assumed(net: Layer, choice: str) -> str:
    """What `verify` assumes about an entry of FoundLayer.choose: "nonlinearity", or "or an LSTM with ..."."""
    name, _, rest = choice.partition(" ")
    return f"no {rest.partition(' ')[2]}" if name == "or" else f"{name}={getattr(net, name)!r}"


def _problem(worst: Furthest, bound: Bound, largest: float, other_name: str) -> str | None:
    """The reason why the layer does not pass; None if it does. `largest` is the reference's largest output."""
    if not math.isfinite(largest):
        return "the outputs are not finite: the weights hold NaN, infinities or very large numbers"
    size, sums = max(1, largest), bound.largest_sum
    if not bound.rounding < CHAOTIC * size * max(1, sums / LARGE):
        return (
            f"undecided: the network is chaotic, float32 alone changes {other_name}'s outputs by {bound.rounding:.1e}"
        )
    if bound.allowed(np.array(largest)) >= USELESS * size:
        return f"undecided: sums as large as S = {sums:.4g}, the largest of a gate, leave {bound.dtype} too few digits"
    if not math.isfinite(worst.difference):
        return f"{worst.output} is not finite, but float64 {other_name}'s is"
    if worst.share > 1:
        differs = f"{worst.output} differs from float64 {other_name} by {worst.difference:.1e}"
        return f"{differs}; allowed {worst.allowed:.1e}, {bound.describe(other_name)}"
    return None


def _difference(got: Outputs, reference: Outputs) -> float:
    return float(np.max([np.abs(np.float64(got[name]) - expected).max() for name, expected in reference.items()]))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _print(facts: dict[str, Any]) -> None:
    checksums = {"none": "this format has no checksums", "right": "checksums right"}[facts["checksums"]]
    print(f"{printable(facts['file'])}: {facts['format']}, {checksums}")
    other_name = _OTHERS[facts["against"]][0]
    print(f"random input of {STEPS} steps, random initial state, compared with float64 {other_name}")
    for layer in facts["layers"]:
        print(f"\n{printable(layer['prefix']) or repr('')}: {layer['network']}, {layer['dtype']} on {layer['isa']}")
        share = "" if layer["share_of_bound"] is None else f", {layer['share_of_bound']:.2f} of the bound"
        rows = [("assumed", ", ".join(layer["assumed"]))] if layer["assumed"] else []
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in layer["differences"].items())
        rows += [("largest differences", shown + share), (f"{other_name}'s own float32", _shown(layer["rounding"]))]
        if layer["largest_sum"] and layer["largest_sum"] > LARGE:
            rows.append(
                ("largest gate sum", f"S = {layer['largest_sum']:.4g}, above {LARGE}: floors are S/10 times as high")
            )
        print_columns([*rows, ("result", "FAILED: " + layer["problem"] if layer["problem"] else "agrees")])
    failed = sum(not layer["ok"] for layer in facts["layers"])
    if failed:
        print(f"\n{failed} of {counted(len(facts['layers']), 'layer')} FAILED")


def _shown(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.1e}"
