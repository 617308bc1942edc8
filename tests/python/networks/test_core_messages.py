"""Promise 7: messages of the extension about arrays, options and counts that do not fit.

They name the array or the option, what was expected and what came. A message that the C++
tests compare as a whole is compared here by its words: they show that the extension passes it on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from gatecell import _core
from gatecell._base.spec import make_spec
from helpers.errors import expect_error

L, B, INPUTS, HIDDEN, PROJECTED = 2, 3, 5, 8, 4
SPEC = make_spec("lstm", INPUTS, HIDDEN, L, proj_size=PROJECTED)


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


class Core:
    """The objects of the extension that belong to one network."""

    def __init__(self) -> None:
        net = gatecell.from_torch(torch.nn.LSTM(INPUTS, HIDDEN, L, proj_size=PROJECTED))
        self.net = net._core
        self.stream = net.stream(B)._core
        pool = gatecell.StreamPool(net, 4)
        self.ids = np.array([pool.open() for _ in range(B)])
        self.pool = pool._core

    def forward(self, x: Any, h_0: Any = None, c_0: Any = None, lengths: Any = None, out: Any = None) -> None:
        self.net.forward(x, h_0, c_0, lengths, out, False, 1)

    def packed(self, data: Any, lengths: Any, state_rows: Any = None, h_0: Any = None) -> None:
        self.net.forward_packed(data, h_0, None, np.array(lengths), state_rows, 1)

    def load(self, wrong: int, array: Any) -> None:
        weights = [zeros(*shape) for shape in SPEC.shapes().values()]
        weights[wrong : wrong + 1] = array
        _core.Network32(SPEC, weights, gatecell.available_isas()[-1])


X = zeros(6, B, INPUTS)
C_TRANSPOSED = zeros(HIDDEN, B, L).T
UNEVEN = np.lib.stride_tricks.as_strided(zeros(200), (6, B, INPUTS), (62, 20, 4))
# A text is the whole message. A tuple has words of it.
BAD: dict[str, tuple[Callable[[Core], None], str | tuple[str, ...]]] = {
    "stream's h": (
        lambda core: core.stream.set_state(zeros(L, 2, PROJECTED), None),
        "expected h (2, 3, 4), got (2, 2, 4)",
    ),
    "stream's c": (
        lambda core: core.stream.set_state(zeros(L, B, PROJECTED), zeros(L, B, 7)),
        "expected c (2, 3, 8), got (2, 3, 7)",
    ),
    "stream's c by columns": (
        lambda core: core.stream.set_state(None, C_TRANSPOSED),
        "expected c (2, 3, 8) C-contiguous, got strides (4, 8, 24)",
    ),
    "stream's rows": (
        lambda core: core.stream.reset(np.arange(3)[::2]),
        "expected rows (2,) C-contiguous, got strides (16,)",
    ),
    "pool's h": (
        lambda core: core.pool.set_state(core.ids, zeros(L, 2, PROJECTED), None),
        "expected h (2, 3, 4), got (2, 2, 4)",
    ),
    "pool's c": (lambda core: core.pool.set_state(core.ids, None, zeros(2, 3)), "expected c (2, 3, 8), got (2, 3)"),
    "pool's ids": (lambda core: core.pool.get_state(core.ids[None]), "expected ids (3,), got (1, 3)"),
    "pool's first h": (lambda core: core.pool.open(zeros(L, PROJECTED), None), "expected h (2, 1, 4), got (2, 4)"),
    "pool's first c": (lambda core: core.pool.open(None, zeros(0)), "expected c (2, 1, 8), got (0,)"),
    "pool's lengths": (lambda core: core.pool.run(core.ids, np.ones(2, int), X[0]), "expected lengths (3,), got (2,)"),
    "pool's x": (lambda core: core.pool.run(core.ids, np.ones(3, int), X), "expected x (3, 5), got (6, 3, 5)"),
    "pool's negative lengths": (
        lambda core: core.pool.run(core.ids, np.array([4, 0, -1]), X[0]),
        ("lengths", "4", "-1", "row 2"),
    ),
    "input's rank": (lambda core: core.forward(X[0]), "expected input of 3 dimensions, got 2"),
    "input": (lambda core: core.forward(X[..., 1:]), "expected input (6, 3, 5), got (6, 3, 4)"),
    "input by columns": (
        lambda core: core.forward(zeros(INPUTS, B, 6).T),
        "expected input with adjacent features, got strides (4, 24, 72)",
    ),
    "input between numbers": (
        lambda core: core.forward(UNEVEN),
        "expected input with strides in multiples of 4, got (62, 20, 4)",
    ),
    "h_0": (lambda core: core.forward(X, zeros(1, B, PROJECTED)), "expected h_0 (2, 3, 4), got (1, 3, 4)"),
    "c_0": (
        lambda core: core.forward(X, None, C_TRANSPOSED),
        "expected c_0 (2, 3, 8) C-contiguous, got strides (4, 8, 24)",
    ),
    "lengths": (lambda core: core.forward(X, lengths=np.ones(6, int)), "expected lengths (3,), got (6,)"),
    "long lengths": (
        lambda core: core.forward(X, lengths=np.array([6, 7, 1])),
        ("lengths", "6", "7", "row 1"),
    ),
    "out": (lambda core: core.forward(X, out=zeros(6, B, HIDDEN)), "expected out (6, 3, 4), got (6, 3, 8)"),
    "data": (lambda core: core.packed(zeros(4, INPUTS), [3, 2]), "expected data (5, 5), got (4, 5)"),
    "growing lengths": (
        lambda core: core.packed(zeros(5, INPUTS), [2, 3]),
        ("lengths", "2", "3", "row 1"),
    ),
    "lengths that grow again": (
        lambda core: core.packed(zeros(6, INPUTS), [3, 1, 2]),
        ("packed lengths", "2", "row 2", "1"),
    ),
    "state_rows": (
        lambda core: core.packed(zeros(5, INPUTS), [3, 2], np.array([0, 2])),
        ("state_rows", "1", "2", "row 1"),
    ),
    "number of weights": (lambda core: core.load(0, []), "expected 10 weights, got 9"),
    "a weight": (lambda core: core.load(6, [zeros(32, 5)]), "expected weight_hh_l1 (32, 4), got (32, 5)"),
    "a bias": (lambda core: core.load(3, [zeros(16)]), "expected bias_hh_l0 (32,), got (16,)"),
    "a weight by columns": (
        lambda core: core.load(4, [zeros(HIDDEN, PROJECTED).T]),
        "expected weight_hr_l0 (4, 8) C-contiguous, got strides (4, 16)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_array(case: str) -> None:
    use, expected = BAD[case]
    core = Core()
    before = core.stream.get_state(), core.pool.get_state(core.ids)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        use(core)
    message = str(caught.value)
    assert message == expected if isinstance(expected, str) else all(word in message for word in expected), message
    np.testing.assert_equal((core.stream.get_state(), core.pool.get_state(core.ids)), before)
    assert len(core.pool) == B


def test_errors_name_the_option() -> None:
    for change, *words in (
        ({"cell": "tanh"}, "expected cell 'lstm', 'gru', 'rnn_tanh' or 'rnn_relu', got 'tanh'"),
        ({"cell": "gru"}, "proj_size", "an LSTM", "a GRU"),
        ({"cell": "rnn_relu"}, "proj_size", "an LSTM", "an RNN"),
        ({"cell": "gru", "proj_size": 0, "peepholes": "full"}, "peepholes", "an LSTM", "a GRU"),
        ({"cell": "gru", "proj_size": 0, "coupled_gates": True}, "coupled_gates", "an LSTM", "a GRU"),
        ({"cell": "gru", "proj_size": 0, "cell_clip": 1.0}, "cell_clip", "an LSTM", "a GRU"),
        ({"reset": "none"}, "reset", "'after'", "a GRU", "an LSTM"),
        ({"proj_size": 8}, "proj_size", 7, 8),
        ({"num_layers": 0}, "num_layers", 1, 0),
        ({"gate_clip": -1.5}, "gate_clip", -1.5),
        ({"gate_clip": 10**400}, "gate_clip", "inf"),
        ({"hidden_size": 2**40}, "input_size=5", "hidden_size=1099511627776", "num_layers=2"),
    ):
        with expect_error(*words):
            _core.Spec(**{**SPEC.fields(), **change})


def test_errors_name_the_count_or_instruction_set() -> None:
    net = gatecell.from_torch(torch.nn.GRU(2, 3))
    both = gatecell.from_torch(torch.nn.GRU(2, 3, bidirectional=True))
    isas = ", ".join(gatecell.available_isas())
    for make, *words in (
        (lambda: _core.Stream32(net._core, 0, 1), "rows", 1, 0),
        (lambda: _core.Pool32(net._core, -2, 1), "capacity", 1, -2),
        (lambda: _core.Stream32(both._core, 1, 1), "one direction", "stream", "bidirectional"),
        (lambda: _core.Pool32(both._core, 1, 1), "one direction", "pool", "bidirectional"),
        (
            lambda: _core.Network32(net.spec, net._core.weights(), "avx3"),
            f"expected an instruction set of this machine ({isas}), got 'avx3'",
        ),
    ):
        with expect_error(*words):
            make()
