"""JAX has no recurrent layers for CPUs. This module writes their equations and compiles them with `jax.jit`.

The input products of all steps are one matrix product before `lax.scan`. The weights are constants of the compiled
program: as arguments they make a single step a tenth slower. `scan` is not unrolled: with 2, 4, 8 or 16 steps no case
was clearly faster, and H=64 was slower.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from suite.arrays import Arrays
from suite.cases import Case

from . import ReadyNetwork, UnsupportedError

State = tuple[jax.Array, ...]  # h; for an LSTM h and c
Step = Callable[[State, jax.Array], tuple[State, jax.Array]]

jax.config.update("jax_cpu_enable_async_dispatch", False)  # halves the time of a short call, which then uses no thread


def sigmoid(x: jax.Array) -> jax.Array:
    return 0.5 * jnp.tanh(0.5 * x) + 0.5  # a call is 2 to 8 % faster than with jax.nn.sigmoid


def make_step(case: Case, weights: Arrays) -> Step:
    """The step function. Its `sums` are a step's input product plus both biases, for a GRU plus `bias_ih` only."""
    w_hh, b_hh = weights["weight_hh"], weights["bias_hh"]

    def lstm(state: State, sums: jax.Array) -> tuple[State, jax.Array]:
        h, c = state
        i, f, g, o = jnp.split(sums + h @ w_hh.T, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        h = sigmoid(o) * jnp.tanh(c)
        if case.proj_size:
            h = h @ weights["weight_hr"].T
        return (h, c), h

    def gru(state: State, sums: jax.Array) -> tuple[State, jax.Array]:
        (h,) = state
        r, z, n = jnp.split(sums, 3, axis=1)
        h_r, h_z, h_n = jnp.split(h @ w_hh.T + b_hh, 3, axis=1)
        n = jnp.tanh(n + sigmoid(r + h_r) * h_n)
        h = n + sigmoid(z + h_z) * (h - n)
        return (h,), h

    def rnn(state: State, sums: jax.Array) -> tuple[State, jax.Array]:
        h = jnp.tanh(sums + state[0] @ w_hh.T)
        return (h,), h

    return {"lstm": lstm, "gru": gru, "rnn": rnn}[case.cell]


def build(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """Ignores `threads`: XLA uses all CPUs that the process may use."""
    if case.ragged or case.streams or case.variant:
        raise UnsupportedError(f"not written for {case.variant or 'ragged cases and streams'}")
    jax.config.update("jax_enable_x64", case.float64)
    sizes = [case.output_size, case.hidden_size] if case.cell == "lstm" else [case.hidden_size]

    @jax.jit
    def forward(x: jax.Array, *states: jax.Array) -> tuple[jax.Array, ...]:
        y = x.swapaxes(0, 1) if case.batch_first else x
        if case.no_hx:
            states = tuple(jnp.zeros((case.direction_runs, case.batch, size), case.dtype) for size in sizes)
        finals = []
        for layer in range(case.num_layers):
            ys = []
            for direction, suffix in enumerate((f"_l{layer}", f"_l{layer}_reverse")[: case.directions]):
                own = {name.removesuffix(suffix): w for name, w in weights.items() if name.endswith(suffix)}
                bias = own["bias_ih"] + (0 if case.cell == "gru" else own["bias_hh"])
                initial = tuple(state[layer * case.directions + direction] for state in states)
                sums = y @ own["weight_ih"].T + bias
                final, out = jax.lax.scan(make_step(case, own), initial, sums, reverse=bool(direction))
                finals.append(final)
                ys.append(out)
            y = jnp.concatenate(ys, axis=2)
        y = y.swapaxes(0, 1) if case.batch_first else y
        return y, *(jnp.stack(states) for states in zip(*finals, strict=True))

    arrays = [jnp.asarray(array) for array in inputs.values()]  # x, h_0, c_0

    def call() -> tuple[jax.Array, ...]:
        results = forward(*arrays)
        results[0].block_until_ready()  # the other results are ready at the same time
        return results

    return ReadyNetwork(call, lambda results: [np.asarray(result) for result in results])
