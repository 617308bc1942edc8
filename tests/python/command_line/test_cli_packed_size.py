"""The memory that `Spec.packed_nbytes` says before there are weights is the memory that a network then has."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import gatecell

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "LSTM": [
        {},
        {"proj_size": 3},
        {"peepholes": "diagonal"},
        {"peepholes": "full"},
        {"coupled_gates": True},
        {"peepholes": "full", "coupled_gates": True, "proj_size": 2},
        {"peepholes": "diagonal", "coupled_gates": True, "gate_clip": 3.0},
    ],
    "GRU": [{}, {"reset": "before"}, {"reset": "none"}, {"gate_clip": 1.0}, {"reset": "before", "gate_clip": 1.0}],
    "RNN": [{}, {"nonlinearity": "relu"}, {"gate_clip": 2.0}],
}
CASES = [(name, options) for name, several in OPTIONS.items() for options in several]


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_packed_size_is_the_size_of_a_network(name: str, options: dict[str, Any], isa: str, dtype: str) -> None:
    for hidden, layers, bidirectional, bias in itertools.product((4, 7, 33, 64), (1, 3), (False, True), (False, True)):
        flags: dict[str, Any] = {"num_layers": layers, "bidirectional": bidirectional, "bias": bias, "dtype": dtype}
        net = getattr(gatecell, name)(19, hidden, **flags, **options, isa=isa)
        expected = net.spec.packed_nbytes(dtype, isa)
        net.load_state_dict({key: np.zeros(shape, dtype) for key, shape in net.spec.shapes().items()})
        assert expected == net._core.nbytes, (hidden, layers, bidirectional, bias)
