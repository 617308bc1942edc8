"""The table of options in the core, from which the tests take options, gates and shapes: literal values for its rows.

A new option needs no row here.
"""

from __future__ import annotations

from typing import Any

import pytest

from helpers.equations import IMPLEMENTED
from helpers.extended_case import ExtendedCase
from helpers.option_table import OPTIONS_OF, VALUES
from helpers.torch_case import MODES

KNOWN: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {  # cells and values of each option
    "peepholes": (("LSTM",), (None, "diagonal", "full")),
    "coupled_gates": (("LSTM",), (False, True)),
    "reset": (("GRU",), ("after", "before", "none")),
    "gate_clip": (MODES, (None, 0.5)),
    "cell_clip": (("LSTM",), (None, 0.375)),
}


def test_the_equations_have_every_option() -> None:
    assert set(VALUES) == IMPLEMENTED


@pytest.mark.parametrize("name", KNOWN)
def test_cells_and_values(name: str) -> None:
    cells, values = KNOWN[name]
    assert {mode for mode, names in OPTIONS_OF.items() if name in names} == set(cells)
    assert VALUES[name] == values
    assert [type(value) for value in VALUES[name]] == [type(value) for value in values]


def test_the_cells_are_torchs() -> None:
    assert set(OPTIONS_OF) == set(MODES)


GATES: list[tuple[dict[str, Any], str, dict[str, tuple[int, ...]]]] = [  # options, gates, shapes
    (
        {"peepholes": "diagonal"},
        "ifgo",
        {"weight_ih": (28, 5), "weight_hh": (28, 7), "bias_ih": (28,), "bias_hh": (28,), "weight_peephole": (21,)},
    ),
    (
        {"peepholes": "full", "coupled_gates": True, "proj_size": 3, "bias": False},
        "igo",
        {"weight_ih": (21, 5), "weight_hh": (21, 3), "weight_peephole": (14, 7), "weight_hr": (3, 7)},
    ),
    ({"cell_clip": 1.0, "bias": False}, "ifgo", {"weight_ih": (28, 5), "weight_hh": (28, 7)}),
    ({"mode": "GRU", "reset": "before", "bias": False}, "rzn", {"weight_ih": (21, 5), "weight_hh": (21, 7)}),
    (
        {"mode": "GRU", "reset": "none"},
        "zn",
        {"weight_ih": (14, 5), "weight_hh": (14, 7), "bias_ih": (14,), "bias_hh": (14,)},
    ),
    ({"mode": "RNN_RELU", "gate_clip": 1.0, "bias": False}, "h", {"weight_ih": (7, 5), "weight_hh": (7, 7)}),
]


@pytest.mark.parametrize(("options", "gates", "shapes"), GATES)
def test_gates_and_shapes(options: dict[str, Any], gates: str, shapes: dict[str, tuple[int, ...]]) -> None:
    case = ExtendedCase(**options)
    assert case.gates == gates
    assert list(case.shapes().items()) == [(name + "_l0", shape) for name, shape in shapes.items()]
