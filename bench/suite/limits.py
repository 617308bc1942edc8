"""Computes the least time that a case can take, from the result of `Machine.measure`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from suite.arrays import make_lengths
from suite.cases import Case

Limits = dict[str, Any]  # see Machine.measure
# Bytes that are read to measure a bandwidth: at least LEAST_READ in one thread, at most MOST_READ in all together.
LEAST_READ, MOST_READ = 4096, 512 * 2**20


def _weights(case: Case) -> tuple[int, int]:
    """The number of input weights of all direction runs, and the number of all other weights of one direction run.

    A direction run is one direction of one layer. The other weights are recurrent, peephole and projection weights.
    They have the same number in each layer.
    """
    layers = [case.weight_shapes(layer) for layer in range(case.num_layers)]
    inputs = sum(math.prod(shapes["weight_ih"]) for shapes in layers) * case.directions
    others = [shape for name, shape in layers[0].items() if name.startswith("weight") and name != "weight_ih"]
    return inputs, sum(map(math.prod, others))


def shares(case: Case, threads: int) -> tuple[int, int]:
    """Bytes of one thread's share: of all weights, and of the recurrent weights of one direction run.

    Both are clipped to sizes for which a bandwidth can be measured.
    """
    inputs, direction = _weights(case)
    weights = (inputs + direction * case.direction_runs, direction)
    network, recurrent = (
        min(max(n * case.dtype.itemsize // threads, LEAST_READ), MOST_READ // threads) for n in weights
    )
    return network, recurrent


@dataclass(frozen=True)
class Prediction:
    """The least time of a call in three parts, and the limits of the first two parts.

    `input_binds` and `recurrent_binds` are "FMA" if arithmetic takes longest, or the name of the memory level that is
    read. `recurrent_binds` is the limit of the second step, or of the only one. In a ragged batch later steps have
    fewer rows.
    """

    input_seconds: float
    recurrent_seconds: float
    activation_seconds: float
    input_binds: str
    recurrent_binds: str

    @property
    def seconds(self) -> float:
        return self.input_seconds + self.recurrent_seconds + self.activation_seconds


# The formulas of `predict`:
#
#   B_t   number of rows that have a step t (B unless ragged)
#   N     sum of B_t over all steps
#   n     number of threads
#   s     bytes of a number
#   F     multiply-add rate of all threads together
#   b(w)  bandwidth of all threads together if each of them reads its own w / n bytes again and again. It is measured
#         for exactly this size, because a cache that is slightly too small still holds a part of the data.
#   W_x   input weights of all direction runs
#   W_h   recurrent weights of all direction runs, with peepholes and projection
#   w_h   recurrent weights of one direction run, with peepholes and projection
#
#   products(W, rows, b) = max(2 W rows / F, W s / b)               each weight is read once and used for all rows
#
#   input      = products(W_x, N, b(W_x + W_h))                     the weights are where the call before left them
#   recurrent  = products(W_h, B_1, b(W_x + W_h))                   the first step, likewise
#              + sum over t > 1 of products(W_h, B_t, b(w_h))       later steps read one direction run again and again
#   activation = hidden units of all direction runs * N * seconds per unit
#
# A step of streams counts as a call of one step, because the x of the next step does not exist yet.
# The formulas assume that the threads split the work without loss and never wait for each other.
# Biases, x, h and y are left out. Activations are those of the plain cell; coupled gates and reset=none save one.
# w_h has the same size in all direction runs, so one comparison decides for all.
def predict(case: Case, limits: Limits) -> Prediction:
    """The least time for a call of `case`. `limits` is the result of `Machine.measure`."""
    if case.streams:
        step = predict(replace(case, steps=1, streams=False), limits)
        parts = ("input_seconds", "recurrent_seconds", "activation_seconds")
        return replace(step, **{part: case.steps * getattr(step, part) for part in parts})
    dtype, threads = case.dtype.name, limits["threads"]
    itemsize = case.dtype.itemsize

    def products(weights: int, rows: int, share: int) -> tuple[float, str]:
        """The time of these products and its limit. `share`: bytes that a thread reads before it reads them again."""
        level = next(level for level in limits["levels"] if level["bytes"] is None or share <= level["bytes"])
        arithmetic = 2 * weights * rows / limits["fma"][dtype]
        reading = weights * itemsize / limits["reads"][str(share)]
        return max((arithmetic, "FMA"), (reading, level["name"]))

    inputs, direction = _weights(case)
    recurrent = direction * case.direction_runs
    network_share, direction_share = shares(case, threads)

    lengths = make_lengths(case)
    live = [int((lengths > step).sum()) for step in range(lengths.max())]  # B_t
    input_seconds, input_binds = products(inputs, sum(live), network_share)
    steps = [products(recurrent, rows, direction_share if step else network_share) for step, rows in enumerate(live)]
    units = case.direction_runs * case.hidden_size * sum(live)
    return Prediction(
        input_seconds=input_seconds,
        recurrent_seconds=sum(seconds for seconds, _ in steps),
        activation_seconds=units * limits["activations"][case.cell][dtype],
        input_binds=input_binds,
        recurrent_binds=steps[min(1, len(steps) - 1)][1],
    )
