"""The cases of PyTorch's cells that the suite runs.

grid() has every combination of the flags of a call at one size. size_cases() has every allowed pair of sizes and
options.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from helpers.torch_case import MODES, SCALES, Case

KINDS = (*({"mode": mode} for mode in MODES), {"mode": "LSTM", "proj_size": 3})
STACKS = tuple({"num_layers": n, "bidirectional": both} for n in (1, 2, 3) for both in (False, True))
CALLS = {"bias": (True, False), "batch_first": (False, True), "rows": (3, None), "state": (True, False)}

# Numbers of features: 1, odd numbers, and the lanes of each vector (4, 8, 16; half of that in float64) with neighbours.
FEATURES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)
SIZES = {
    "mode": MODES,
    "input_size": FEATURES,
    "hidden_size": FEATURES,
    "proj_size": (0, *FEATURES[:-1]),
    "rows": (None, 1, 2, 3, 5, 7, 17, 33),
    "steps": (1, 2, 3, 5, 12),
    "num_layers": (1, 2, 3),
    "bidirectional": (False, True),
    "batch_first": (False, True),
    "bias": (False, True),
    "state": (False, True),
    "scale": SCALES,
    "dtype": ("float32", "float64"),
}


def allowed(choice: Mapping[str, Any]) -> bool:
    """Whether a choice of options, complete or not, is a network that exists and is not chaotic."""
    mode, proj = choice.get("mode", "LSTM"), choice.get("proj_size", 0)
    large = choice.get("scale") == "large"
    return (not proj or (mode == "LSTM" and proj < choice.get("hidden_size", 99))) and not (
        large and choice.get("steps", 1) > 5
    )


def grid(kind: Mapping[str, Any], stack: Mapping[str, Any], dtype: str) -> Iterator[Case]:
    """Cases with every combination of the flags of a call and each scale of the weights, at one size."""
    for scale, *flags in itertools.product(SCALES, *CALLS.values()):
        yield Case(**kind, **stack, **dict(zip(CALLS, flags, strict=True)), dtype=dtype, scale=scale)


def pairwise(
    factors: Mapping[str, Sequence[Any]], allowed: Callable[[Mapping[str, Any]], bool], seed: int
) -> Iterator[dict[str, Any]]:
    """Choices of one value for each factor. Every allowed pair of values of two factors occurs in one of them.

    The algorithm is greedy: each choice takes the values that add the most new pairs.
    """
    rng = random.Random(seed)
    items = [[(name, value) for value in values] for name, values in factors.items()]
    pairs = (pair for one, other in itertools.combinations(items, 2) for pair in itertools.product(one, other))
    # A dict is used as a set that keeps its order.
    open_pairs = dict.fromkeys(frozenset(pair) for pair in pairs if allowed(dict(pair)))
    while open_pairs:
        choice = dict(next(iter(open_pairs)))
        for name in rng.sample(list(factors), len(factors)):
            if name not in choice:
                values = [v for v in factors[name] if allowed(choice | {name: v})]
                rng.shuffle(values)
                new = {v: sum(frozenset(((name, v), pair)) in open_pairs for pair in choice.items()) for v in values}
                choice[name] = max(values, key=new.__getitem__)
        for pair in itertools.combinations(choice.items(), 2):
            open_pairs.pop(frozenset(pair), None)
        yield choice


def size_cases() -> list[Case]:
    """One case for each choice of pairwise()."""
    return [Case(**choice, seed=seed) for seed, choice in enumerate(pairwise(SIZES, allowed, seed=0))]
