"""from_gates takes one bias for each gate or two, as PyTorch and Keras have them.

Adding both up would change the results of a GRU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.equations import sigmoid
from helpers.gate_matrices import ROWS, STEPS, Array, network, random_gates
from helpers.state_dicts import assert_same_arrays

TWO: dict[str, Callable[[Array, Array], Any]] = {  # ways to write two biases of the shape (H,)
    "rows": lambda b_ih, b_hh: np.stack([b_ih, b_hh]),
    "pair": lambda b_ih, b_hh: (b_ih, b_hh),
    "columns": lambda b_ih, b_hh: (b_ih[:, None], b_hh[:, None]),
    "vector and column": lambda b_ih, b_hh: (b_ih, b_hh[:, None]),
    "lists": lambda b_ih, b_hh: [b_ih.tolist(), b_hh.tolist()],
    "pair of lists": lambda b_ih, b_hh: (b_ih.tolist(), b_hh.tolist()),
    "tensor": lambda b_ih, b_hh: torch.from_numpy(np.stack([b_ih, b_hh])),
    "parameters": lambda b_ih, b_hh: tuple(torch.nn.Parameter(torch.from_numpy(b)) for b in (b_ih, b_hh)),
}


@pytest.mark.parametrize("form", TWO)
@pytest.mark.parametrize("hidden", [1, 2, 3])
@pytest.mark.parametrize("mode", ["LSTM", "GRU", "RNN"])
def test_two_biases_are_torchs(mode: str, hidden: int, form: str) -> None:
    """Splits a torch module into its gates and builds the state dict again.

    H is small, so that shapes could be confused.
    """
    torch.manual_seed(0)
    module = getattr(torch.nn, mode)(3, hidden, dtype=torch.float64)
    expected = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    order = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}[mode]
    w_ih, w_hh, b_ih, b_hh = (np.split(array, len(order)) for array in expected.values())
    gates = {
        name: (np.concatenate([w_hh[k], w_ih[k]], axis=1), TWO[form](b_ih[k], b_hh[k])) for k, name in enumerate(order)
    }
    got = gatecell.from_gates(mode.lower(), gates)
    assert_same_arrays(got, expected)
    x = np.random.default_rng(0).standard_normal((STEPS, ROWS, 3))
    with torch.no_grad():
        y = module(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(network(mode.lower(), got)(x)[0], y, rtol=0, atol=4e-13)


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_the_shape_tells_one_bias_from_two(hidden: int) -> None:
    weight, bias = np.ones((hidden, hidden + 1)), np.arange(1.0, 2 * hidden + 1).reshape(2, hidden)
    for one in (bias[0], bias[0][:, None], tuple(bias[0].tolist()), [[b] for b in bias[0].tolist()]):
        got = gatecell.from_gates("rnn", {"h": (weight, one)})
        np.testing.assert_array_equal([got["bias_ih_l0"], got["bias_hh_l0"]], [bias[0], 0 * bias[0]])
    for two in (bias, tuple(bias), bias.tolist()):
        got = gatecell.from_gates("rnn", {"h": (weight, two)})
        np.testing.assert_array_equal([got["bias_ih_l0"], got["bias_hh_l0"]], bias)


def test_forms_of_bias_may_differ_from_gate_to_gate() -> None:
    gates = random_gates("ifco")
    (w_i, b_i), (w_f, b_f), (w_c, b_c), (w_o, _) = gates.values()
    given = {"o": w_o, "i": (w_i, (b_i[:, 0], b_f)), "f": (w_f, b_f), "c": (w_c, np.stack([b_c[:, 0], b_i[:, 0]]))}
    got = gatecell.from_gates("lstm", given)
    np.testing.assert_array_equal(got["bias_ih_l0"], np.concatenate([b_i, b_f, b_c, 0 * b_c])[:, 0])
    np.testing.assert_array_equal(got["bias_hh_l0"], np.concatenate([b_f, 0 * b_c, b_i, 0 * b_c])[:, 0])


@pytest.mark.parametrize("columns", ["hx", "xh"])
def test_a_keras_gru_with_reset_after(columns: str, isa: str) -> None:
    """Kernels (I, 3H) and (H, 3H) with the gates z r h, biases (2, 3H).

    h' = z h + (1-z) tanh(K x + b_0 + r (R h + b_1))
    """
    rng = np.random.default_rng(0)
    inputs, hidden, steps = 12, 16, 25
    kernel, recurrent = rng.uniform(-0.4, 0.4, (inputs, 3 * hidden)), rng.uniform(-0.4, 0.4, (hidden, 3 * hidden))
    bias, x = rng.uniform(-1, 1, (2, 3 * hidden)), rng.standard_normal((steps, 1, inputs))
    gates = {}
    for name, k in zip("zrh", np.split(np.arange(3 * hidden), 3), strict=True):
        of_h, of_x = recurrent[:, k].T, kernel[:, k].T
        gates[name] = np.concatenate([of_h, of_x] if columns == "hx" else [of_x, of_h], axis=1), bias[:, k]
    h, expected = np.zeros((1, hidden)), []
    for t in range(steps):
        (x_z, x_r, x_h), (h_z, h_r, h_h) = (
            np.split(x[t] @ kernel + bias[0], 3, 1),
            np.split(h @ recurrent + bias[1], 3, 1),
        )
        z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
        h = z * h + (1 - z) * np.tanh(x_h + r * h_h)
        expected.append(h)
    y = network("gru", gatecell.from_gates("gru", gates, columns), isa=isa)(x)[0]
    np.testing.assert_allclose(y, expected, rtol=0, atol=4e-13)
    added = {name: (weight, both.sum(0)) for name, (weight, both) in gates.items()}
    assert np.abs(network("gru", gatecell.from_gates("gru", added, columns))(x)[0] - expected).max() > 0.5
