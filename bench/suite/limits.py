"""The least time a case can take, from what `Machine.measure` gave: arithmetic only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suite.cases import Case

Limits = dict[str, Any]  # see Machine.measure
LEAST_READ, MOST_READ = 4096, 512 * 2**20  # bytes read to measure a bandwidth; the most by all threads together


def _weights(case: Case) -> tuple[int, int]:
    """Input weights of all layers and directions; recurrent weights, and the projection's, of one direction."""
    gate_rows = case.gates * case.hidden_size
    inputs = sum(gate_rows * case.layer_input(layer) for layer in range(case.num_layers)) * case.directions
    return inputs, gate_rows * case.output_size + case.proj_size * case.hidden_size


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
    """Seconds a call takes at the machine's limits, in three parts, and what binds the first two: "FMA" or a level."""

    input_seconds: float
    recurrent_seconds: float
    activation_seconds: float
    input_binds: str
    recurrent_binds: str

    @property
    def seconds(self) -> float:
        return self.input_seconds + self.recurrent_seconds + self.activation_seconds


# B rows, T steps, n threads, s bytes a number; F multiply-add rate; b(w) bandwidth of threads each reading w / n bytes
# again and again: that of the level of cache where they lie, measured at this very size, because a level's edge is not
# sharp and part of what just exceeds it is still found there
#
#   W_x   input weights of all layers and directions
#   W_h   recurrent weights of all layers and directions, with the projection; w_h those of one direction of one layer
#
#   products(W, rows, b) = max(2 W rows / F, W s / b)               each weight is used for all rows or read again
#
#   input      = products(W_x, T B, b(W_x + W_h))                   from where the last call left the network
#   recurrent  = products(W_h, B, b(W_x + W_h))                     the first step, likewise
#              + (T - 1) products(W_h, B, b(w_h))                   the others read one direction again and again
#   activation = units of all layers and directions * B T * seconds a unit
#
# F, b and seconds a unit are those of all threads together: the work is split without loss, nobody waits for anybody.
# Biases, x, h and y are left out. Layers and directions have w_h of the same size, so one comparison decides for all.
def predict(case: Case, limits: Limits) -> Prediction:
    """The least time for a call of `case`, from what `Machine.measure` gave for its number of threads."""
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

    input_seconds, input_binds = products(inputs, case.steps * case.batch, network_share)
    first_seconds, first_binds = products(recurrent, case.batch, network_share)
    step_seconds, step_binds = products(recurrent, case.batch, direction_share)
    units = chains * case.hidden_size * case.batch * case.steps
    return Prediction(
        input_seconds=input_seconds,
        recurrent_seconds=first_seconds + (case.steps - 1) * step_seconds,
        activation_seconds=units * limits["activations"][case.cell][dtype],
        input_binds=input_binds,
        recurrent_binds=step_binds if case.steps > 1 else first_binds,
    )
