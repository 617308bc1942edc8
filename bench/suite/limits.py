"""The least time a case can take, from what `Machine.measure` gave: arithmetic only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from suite.cases import Case, make_lengths

Limits = dict[str, Any]  # see Machine.measure
LEAST_READ, MOST_READ = 4096, 512 * 2**20  # bytes read to measure a bandwidth; the most by all threads together


def _weights(case: Case) -> tuple[int, int]:
    """Input weights of all layers and directions; recurrent, peephole and projection weights of one direction."""
    gate_rows = case.gates * case.hidden_size
    inputs = sum(gate_rows * case.layer_input(layer) for layer in range(case.num_layers)) * case.directions
    peepholes = math.prod(case.peephole_shape) if case.peepholes else 0
    return inputs, gate_rows * case.output_size + peepholes + case.proj_size * case.hidden_size


def shares(case: Case, threads: int) -> tuple[int, int]:
    """Bytes of a thread's share of all weights, and of one direction's recurrent ones; sizes that can be measured."""
    inputs, direction = _weights(case)
    chains = case.num_layers * case.directions
    weights = (inputs + direction * chains, direction)
    network, recurrent = (
        min(max(n * case.dtype.itemsize // threads, LEAST_READ), MOST_READ // threads) for n in weights
    )
    return network, recurrent


@dataclass(frozen=True)
class Prediction:
    """Seconds a call takes at the machine's limits, in three parts, and what binds the first two: "FMA" or a level.

    Of the steps after the first, the second tells what binds; in a ragged batch fewer rows remain for later ones.
    """

    input_seconds: float
    recurrent_seconds: float
    activation_seconds: float
    input_binds: str
    recurrent_binds: str

    @property
    def seconds(self) -> float:
        return self.input_seconds + self.recurrent_seconds + self.activation_seconds


# B_t rows that have a step t (all B unless ragged), N their sum over the steps, n threads, s bytes a number; F
# multiply-add rate; b(w) bandwidth of threads each reading w / n bytes again and again: that of the level of cache
# where they lie, measured at this very size, because a level's edge is not sharp and part of what just exceeds it is
# still found there
#
#   W_x   input weights of all layers and directions
#   W_h   recurrent weights of all layers and directions, with peepholes and projection; w_h those of one direction
#         of one layer
#
#   products(W, rows, b) = max(2 W rows / F, W s / b)               each weight is used for all rows or read again
#
#   input      = products(W_x, N, b(W_x + W_h))                     from where the last call left the network
#   recurrent  = products(W_h, B_1, b(W_x + W_h))                   the first step, likewise
#              + sum over t > 1 of products(W_h, B_t, b(w_h))       the others read one direction again and again
#   activation = units of all layers and directions * N * seconds a unit
#
# A step of streams is a call of one step: the next one's x is not there yet.
# F, b and seconds a unit are those of all threads together: the work is split without loss, nobody waits for anybody.
# Biases, x, h and y are left out; activations are those of the plain cell, of which coupled gates and reset=none save
# one. Layers and directions have w_h of the same size, so one comparison decides for all.
def predict(case: Case, limits: Limits) -> Prediction:
    """The least time for a call of `case`, from what `Machine.measure` gave for its number of threads."""
    if case.streams:
        step = predict(replace(case, steps=1, streams=False), limits)
        parts = ("input_seconds", "recurrent_seconds", "activation_seconds")
        return replace(step, **{part: case.steps * getattr(step, part) for part in parts})
    dtype, threads = case.dtype.name, limits["threads"]
    itemsize = case.dtype.itemsize

    def products(weights: int, rows: int, share: int) -> tuple[float, str]:
        """`share`: what a thread reads before it reads the same again."""
        level = next(level for level in limits["levels"] if level["bytes"] is None or share <= level["bytes"])
        arithmetic = 2 * weights * rows / limits["fma"][dtype]
        reading = weights * itemsize / limits["reads"][str(share)]
        return max((arithmetic, "FMA"), (reading, level["name"]))

    chains = case.num_layers * case.directions
    inputs, direction = _weights(case)
    recurrent = direction * chains
    network_share, direction_share = shares(case, threads)

    lengths = make_lengths(case)
    live = [int((lengths > step).sum()) for step in range(lengths.max())]  # B_t
    input_seconds, input_binds = products(inputs, sum(live), network_share)
    steps = [products(recurrent, rows, direction_share if step else network_share) for step, rows in enumerate(live)]
    units = chains * case.hidden_size * sum(live)
    return Prediction(
        input_seconds=input_seconds,
        recurrent_seconds=sum(seconds for seconds, _ in steps),
        activation_seconds=units * limits["activations"][case.cell][dtype],
        input_binds=input_binds,
        recurrent_binds=steps[min(1, len(steps) - 1)][1],
    )
