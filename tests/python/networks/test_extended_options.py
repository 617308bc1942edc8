"""The options of extended cells: state dicts, copies and repr with them, and values that are errors.

Promise 7 (no wrong number without a word).
"""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gatecell
from helpers.bits import assert_same_bits, bits
from helpers.errors import expect_error
from helpers.extended_case import ExtendedCase
from helpers.extended_grids import CELLS, EVERY, KINDS, kind_id
from helpers.option_table import BOUNDS, DEFAULTS, OPTIONS_OF, VALUES


def assert_same_weights(got: Any, expected: Any) -> None:
    assert list(got) == list(expected)  # the keys have the same order, too
    for name, weight in expected.items():
        assert got[name].dtype == weight.dtype
        np.testing.assert_array_equal(bits(got[name]), bits(weight), err_msg=name)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", EVERY, ids=kind_id)
def test_state_dicts_come_back(kind: dict[str, Any], bias: bool, dtype: str) -> None:
    """Checks names, order, shapes and bits. A network made from the state dict and the options is the same."""
    case = ExtendedCase(**kind, bias=bias, num_layers=2, bidirectional=True, dtype=dtype)
    network, weights, inputs = case.network(gatecell), case.state_dict(), case.inputs()
    assert_same_weights(network.state_dict(), weights)
    flags = {name: value for name, value in case.options.items() if name in (*DEFAULTS, "nonlinearity")}
    twin = getattr(gatecell, case.class_name).from_state_dict(weights, **flags)
    assert_same_weights(twin.state_dict(), weights)
    assert_same_bits(twin(*inputs), network(*inputs))


@pytest.mark.parametrize(
    "twin_of",
    [copy.copy, copy.deepcopy, *(lambda net, n=n: pickle.loads(pickle.dumps(net, n)) for n in (2, 5))],
    ids=["copy", "deepcopy", "pickle 2", "pickle 5"],
)
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_copies_have_the_same_weights_and_results(
    kind: dict[str, Any], twin_of: Callable[[Any], Any], dtype: str
) -> None:
    case = ExtendedCase(**kind, num_layers=2, bidirectional=True, dtype=dtype)
    network, inputs = case.network(gatecell), case.inputs()
    twin = twin_of(network)
    assert_same_weights(twin.state_dict(), network.state_dict())
    assert_same_bits(twin(*inputs), network(*inputs))
    for name, value in case.options.items():
        assert getattr(network, name) == getattr(twin, name) == value
    assert repr(twin) == repr(network)


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_copied_streams_give_the_same_steps(kind: dict[str, Any], dtype: str) -> None:
    case = ExtendedCase(**kind, num_layers=2, dtype=dtype)
    network, (x, hx) = case.network(gatecell), case.inputs()
    stream = network.stream(3, hx)
    stream.run(x[:3])
    for twin in (copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        np.testing.assert_array_equal(twin.run(x[3:])[0], network(x, hx)[0][3:], strict=True)


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_repr_shows_the_options_that_pytorch_lacks(kind: dict[str, Any]) -> None:
    case = ExtendedCase(**kind)
    for shown in (repr(case.network(gatecell)), repr(getattr(gatecell, f"{case.class_name}Cell")(**case.cell_options))):
        for name, default in DEFAULTS.items():
            value = kind.get(name, default)
            assert (f"{name}={value!r}" in shown or f"{name}={value}" in shown) == (value != default)


@pytest.mark.parametrize("kind", CELLS, ids=kind_id)
def test_cells_keep_their_weights(kind: dict[str, Any], dtype: str) -> None:
    case = ExtendedCase(**kind, dtype=dtype)
    weights = {name.removesuffix("_l0"): weight for name, weight in case.state_dict().items()}
    cell = getattr(gatecell, f"{case.class_name}Cell")(**case.cell_options, dtype=dtype)
    cell.load_state_dict(weights)
    assert_same_weights(cell.state_dict(), weights)
    assert_same_weights(pickle.loads(pickle.dumps(cell)).state_dict(), weights)


OWNED = sorted({(mode.partition("_")[0], name) for mode, names in OPTIONS_OF.items() for name in names})
BAD_OPTIONS: list[tuple[str, dict[str, Any], Any, tuple[Any, ...]]] = [
    *(
        (owner, {name: VALUES[name][-1]}, TypeError, (name,))
        for owner, name in itertools.product(("LSTM", "GRU", "RNN"), DEFAULTS)
        if (owner, name) not in OWNED
    ),
    *(
        (owner, {name: value}, TypeError, (name, "bool"))
        for owner, name in OWNED
        if DEFAULTS[name] is False
        for value in (1, None, "yes")
    ),
    *(
        ("LSTM", {"peepholes": value}, error, ("peepholes", "None, 'diagonal' or 'full'", repr(value)))
        for value, error in (("none", ValueError), ("Full", ValueError), ("", ValueError))
    ),
    *(("LSTM", {"peepholes": value}, (TypeError, ValueError), ("peepholes",)) for value in (True, 1, np.ones(3))),
    *(
        ("GRU", {"reset": value}, ValueError, ("reset", "'after'", "'before'", "'none'", repr(value)))
        for value in ("", "After", "between")
    ),
    *(("GRU", {"reset": value}, (TypeError, ValueError), ("reset",)) for value in (None, 1, True)),
    *(
        (owner, {name: value}, ValueError, (name, "positive", value))
        for owner, name in OWNED
        if name in BOUNDS
        for value in (0, 0.0, -1.5, float("inf"), float("nan"), 10**400)
    ),
    *(
        (owner, {name: value}, TypeError, (name,))
        for owner, name in OWNED
        if name in BOUNDS
        for value in ("1", True, [1.0], 1j)
    ),
]


@pytest.mark.parametrize("what", ["{}", "{}Cell"])
@pytest.mark.parametrize(("owner", "options", "error", "words"), BAD_OPTIONS)
def test_bad_options_are_errors(what: str, owner: str, options: Any, error: Any, words: Any) -> None:
    with expect_error(*words, error=error):
        getattr(gatecell, what.format(owner))(5, 7, **options)


@pytest.mark.parametrize("number", [2, np.float32(0.5), np.float64(0.5), np.int64(3)])
def test_clips_may_be_any_real_number(number: Any) -> None:
    for owner, name in OWNED:
        if name in BOUNDS:
            case = ExtendedCase({"RNN": "RNN_TANH"}.get(owner, owner), **{name: float(number)})
            network = getattr(gatecell, owner)(5, 7, **{name: number})
            network.load_state_dict(case.state_dict())
            case.check(network)
            assert getattr(pickle.loads(pickle.dumps(network)), name) == float(number)


def test_options_must_be_keywords() -> None:
    with pytest.raises(TypeError):
        gatecell.LSTM(5, 7, 1, True, False, 0.0, False, 0, None, None, "full")
    with pytest.raises(TypeError):
        gatecell.GRUCell(5, 7, True, None, None, "before")


BAD_SHAPES: list[tuple[dict[str, Any], str, tuple[int, ...], tuple[int, ...]]] = [
    ({"peepholes": "diagonal"}, "weight_peephole_l0", (21,), (20,)),
    ({"peepholes": "diagonal"}, "weight_peephole_l0", (21,), (21, 7)),
    ({"peepholes": "diagonal", "coupled_gates": True}, "weight_peephole_l0", (14,), (21,)),
    ({"peepholes": "full"}, "weight_peephole_l0_reverse", (21, 7), (21, 6)),
    ({"peepholes": "full"}, "weight_peephole_l0", (21, 7), (21,)),
    ({"peepholes": "full", "coupled_gates": True}, "weight_peephole_l0", (14, 7), (21, 7)),
    ({"coupled_gates": True}, "weight_ih_l0", (21, 5), (28, 5)),
    ({"mode": "GRU", "reset": "none"}, "weight_hh_l0", (14, 7), (21, 7)),
    ({"mode": "GRU", "reset": "none"}, "bias_ih_l0_reverse", (14,), (21,)),
    ({"mode": "GRU", "reset": "before"}, "weight_hh_l0", (21, 7), (14, 7)),
]


@pytest.mark.parametrize(("kind", "name", "expected", "found"), BAD_SHAPES)
def test_bad_shapes_of_weights_are_errors(kind: dict[str, Any], name: str, expected: Any, found: Any) -> None:
    case = ExtendedCase(**kind, bidirectional=True)
    network, inputs = case.network(gatecell), case.inputs()
    before = network(*inputs)
    with expect_error(f"wrong shape: {name}: expected {expected}, got {found}"):
        network.load_state_dict(case.state_dict() | {name: np.zeros(found)})
    assert_same_bits(network(*inputs), before)


@pytest.mark.parametrize("peepholes", ["diagonal", "full"])
def test_missing_and_unexpected_peepholes_are_errors(peepholes: str) -> None:
    case = ExtendedCase(peepholes=peepholes, num_layers=2)
    weights = case.state_dict()
    plain = {name: weight for name, weight in weights.items() if "peephole" not in name}
    with expect_error("missing: weight_peephole_l0", "missing: weight_peephole_l1"):
        case.network(gatecell).load_state_dict(plain)
    with expect_error("unexpected: weight_peephole_l0", "unexpected: weight_peephole_l1"):
        gatecell.LSTM(5, 7, 2).load_state_dict(weights)
