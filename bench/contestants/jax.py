"""JAX: no recurrent layers for CPUs, so the equations, written with care and compiled by `jax.jit`.

The input products of all steps are one matrix product before `lax.scan`. The weights are constants of the program: as
arguments they cost a single step a tenth more. `scan` is not unrolled: by 2, 4, 8 or 16 steps it was nowhere clearly
faster, and slower at H=64.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from suite.cases import Arrays, Case

from . import Built, UnsupportedError

State = tuple[jax.Array, ...]  # h, of an LSTM h and c
Step = Callable[[State, jax.Array], tuple[State, jax.Array]]

jax.config.update("jax_cpu_enable_async_dispatch", False)  # halves the time of a short call: no hand-over to a thread


def sigmoid(x: jax.Array) -> jax.Array:
    return 0.5 * jnp.tanh(0.5 * x) + 0.5  # 2 to 8 % off a call's time with jax.nn.sigmoid


def make_step(case: Case, weights: Arrays) -> Step:
    """From the states and a step's input product with both biases, for a GRU `bias_ih` only."""
    w_hh, b_hh = weights["weight_hh"], weights["bias_hh"]

    def lstm(state: State, gates: jax.Array) -> tuple[State, jax.Array]:
        h, c = state
        i, f, g, o = jnp.split(gates + h @ w_hh.T, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        h = sigmoid(o) * jnp.tanh(c)
        if case.proj_size:
            h = h @ weights["weight_hr"].T
        return (h, c), h

    def gru(state: State, gates: jax.Array) -> tuple[State, jax.Array]:
        (h,) = state
        r, z, n = jnp.split(gates, 3, axis=1)
        h_r, h_z, h_n = jnp.split(h @ w_hh.T + b_hh, 3, axis=1)
        n = jnp.tanh(n + sigmoid(r + h_r) * h_n)
        h = n + sigmoid(z + h_z) * (h - n)
        return (h,), h

    def rnn(state: State, gates: jax.Array) -> tuple[State, jax.Array]:
        h = jnp.tanh(gates + state[0] @ w_hh.T)
        return (h,), h

    return {"lstm": lstm, "gru": gru, "rnn": rnn}[case.cell]


def build(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> Built:
    """`threads` is not asked: XLA takes the CPUs which the process may use."""
    if case.ragged or case.streams or case.variant:
        raise UnsupportedError(f"not written for {case.variant or 'ragged cases and streams'}")
    jax.config.update("jax_enable_x64", case.float64)
    chains = case.num_layers * case.directions
    sizes = [case.output_size, case.hidden_size] if case.cell == "lstm" else [case.hidden_size]

    @jax.jit
    def forward(x: jax.Array, *states: jax.Array) -> tuple[jax.Array, ...]:
        y = x.swapaxes(0, 1) if case.batch_first else x
        if case.no_hx:
            states = tuple(jnp.zeros((chains, case.batch, size), case.dtype) for size in sizes)
        finals = []
        for layer in range(case.num_layers):
            ys = []
            for direction, suffix in enumerate((f"_l{layer}", f"_l{layer}_reverse")[: case.directions]):
                own = {name.removesuffix(suffix): w for name, w in weights.items() if name.endswith(suffix)}
                bias = own["bias_ih"] + (0 if case.cell == "gru" else own["bias_hh"])
                initial = tuple(state[layer * case.directions + direction] for state in states)
                gates = y @ own["weight_ih"].T + bias
                final, out = jax.lax.scan(make_step(case, own), initial, gates, reverse=bool(direction))
                finals.append(final)
                ys.append(out)
            y = jnp.concatenate(ys, axis=2)
        y = y.swapaxes(0, 1) if case.batch_first else y
        return y, *(jnp.stack(chain) for chain in zip(*finals, strict=True))

    arrays = [jnp.asarray(array) for array in inputs.values()]  # x, h_0, c_0

    def call() -> tuple[jax.Array, ...]:
        results = forward(*arrays)
        results[0].block_until_ready()  # one execution: its results are ready together
        return results

    return Built(call, lambda results: [np.asarray(result) for result in results])
