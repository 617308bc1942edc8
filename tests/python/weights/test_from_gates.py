"""from_gates: matrices over [h(t-1), x], as textbooks write them, become weights of a network.

The network obeys the equations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.equations import run, sigmoid
from helpers.extended_case import ExtendedCase
from helpers.gate_matrices import HIDDEN, INPUT, ROWS, STEPS, Array, network, random_gates
from helpers.state_dicts import assert_same_arrays

CELLS: dict[str, tuple[str, str, dict[str, Any]]] = {  # the cell, the names of its gates, the options of the network
    "lstm": ("lstm", "fico", {}),
    "coupled lstm": ("lstm", "ico", {"coupled_gates": True}),
    "gru": ("gru", "rzn", {}),
    "gru, reset before": ("gru", "rzn", {"reset": "before"}),
    "gru without r": ("gru", "zn", {"reset": "none"}),
    "rnn": ("rnn", "h", {}),
}
every_cell = pytest.mark.parametrize("kind", CELLS)


def in_torchs_order(order: str, gates: Mapping[str, tuple[Array, Array]], columns: str) -> dict[str, Array]:
    """The state dict of these gates. c is the name of g here."""
    of_h, of_x = slice(HIDDEN), slice(HIDDEN, None)
    if columns == "xh":
        of_h, of_x = slice(INPUT, None), slice(INPUT)
    blocks = [gates["c" if name == "g" else name] for name in order]
    weights, bias = np.concatenate([weight for weight, _ in blocks]), np.concatenate([bias[:, 0] for _, bias in blocks])
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return dict(zip(names, (weights[:, of_x], weights[:, of_h], bias, 0 * bias), strict=True))


@every_cell
@pytest.mark.parametrize("columns", ["hx", "xh"])
def test_networks_obey_the_equations(kind: str, columns: str, dtype: str, isa: str) -> None:
    cell, names, options = CELLS[kind]
    gates = random_gates(names, dtype)
    x = np.random.default_rng(1).standard_normal((STEPS, ROWS, INPUT)).astype(dtype)
    net = network(cell, gatecell.from_gates(cell, gates, columns), isa=isa, **options)
    assert net.dtype == dtype
    mode = "RNN_TANH" if cell == "rnn" else cell.upper()
    case = ExtendedCase(mode, INPUT, HIDDEN, steps=STEPS, rows=ROWS, **options)
    expected = run(case, in_torchs_order(case.gates, gates, columns), x, None, "float64")["y"]
    np.testing.assert_allclose(net(x)[0], expected, rtol=0, atol=2e-6 if dtype == "float32" else 4e-13)


@every_cell
def test_cells_take_the_weights_too(kind: str) -> None:
    cell, names, options = CELLS[kind]
    state_dict = gatecell.from_gates(cell, random_gates(names))
    x = np.random.default_rng(1).standard_normal((ROWS, INPUT))
    one = getattr(gatecell, cell.upper() + "Cell").from_state_dict(state_dict, **options)
    h = one(x)[0] if cell == "lstm" else one(x)
    np.testing.assert_array_equal(h, network(cell, state_dict, **options)(x[None])[0][0])


@every_cell
def test_every_number_is_where_torch_has_it(kind: str) -> None:
    """Every number is where torch has it. Only the missing biases are new: they are zeros."""
    cell, names, _ = CELLS[kind]
    gates = random_gates(names)
    order = "".join(
        name for name in {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}[cell] if name in names.replace("c", "g")
    )
    for columns in ("hx", "xh"):
        got, expected = gatecell.from_gates(cell, gates, columns), in_torchs_order(order, gates, columns)
        assert list(got) == list(expected)
        for name, array in got.items():
            np.testing.assert_array_equal(array, expected[name], strict=True)
            assert array.flags.c_contiguous
            assert array.flags.writeable


@pytest.mark.parametrize(
    ("cell", "names", "others"),
    [("lstm", "fico", ["figo", "ogif", "coif"]), ("gru", "rzn", ["rzh", "ruc", "nur", "hzr"]), ("rnn", "h", ["a"])],
)
def test_gates_may_come_in_any_order(cell: str, names: str, others: list[str]) -> None:
    gates = random_gates(names)
    meant = {"g": "c"} if cell == "lstm" else {"h": "n", "c": "n", "u": "z"} if cell == "gru" else {"a": "h"}
    for other in others:
        assert_same_arrays(
            gatecell.from_gates(cell, {name: gates[meant.get(name, name)] for name in other}),
            gatecell.from_gates(cell, gates),
        )


def test_columns_are_hx_by_default() -> None:
    assert_same_arrays(
        gatecell.from_gates("rnn", random_gates("h")), gatecell.from_gates("rnn", random_gates("h"), columns="hx")
    )


KINDS: dict[str, Callable[[Array, Array], Any]] = {
    "vector b": lambda weight, bias: (weight, bias[:, 0]),
    "list beside an array": lambda weight, bias: (weight, bias.tolist()),
    "array beside a list": lambda weight, bias: (weight.tolist(), bias[:, 0]),
    "lists of arrays": lambda weight, bias: (list(weight), list(bias[:, 0])),
    "tensors": lambda weight, bias: (torch.from_numpy(weight), torch.from_numpy(bias)),
    "parameters": lambda weight, bias: (torch.nn.Parameter(torch.from_numpy(weight)), torch.from_numpy(bias)),
    "Fortran order": lambda weight, bias: (np.asfortranarray(weight), bias),
    "read-only": lambda weight, bias: (np.frombuffer(weight.tobytes()).reshape(weight.shape), bias),
}


@pytest.mark.parametrize("kind", KINDS)
def test_matrices_may_be_any_arrays(kind: str) -> None:
    gates = random_gates("fico")
    given = {name: KINDS[kind](*pair) for name, pair in gates.items()}
    assert_same_arrays(gatecell.from_gates("lstm", given), gatecell.from_gates("lstm", gates))


@pytest.mark.parametrize(
    ("kind", "expected"), [(None, "float32"), ("float16", "float16"), ("float32", "float32"), ("float64", "float64")]
)
def test_lists_of_numbers_have_no_dtype(kind: str | None, expected: str) -> None:
    """Lists take the dtype of the arrays beside them. Without arrays they become float32, as in torch.tensor."""
    gates = random_gates("rzn")
    given: dict[str, Any] = {name: (weight.tolist(), bias.tolist()) for name, (weight, bias) in gates.items()}
    if kind:
        given["z"] = (given["z"][0], gates["z"][1].astype(kind))
    assert str(torch.tensor(given["r"][0]).dtype) == "torch.float32"
    got = gatecell.from_gates("gru", given)
    assert_same_arrays(got, {name: array.astype(expected) for name, array in gatecell.from_gates("gru", gates).items()})
    assert network("gru", got).dtype == ("float64" if expected == "float64" else "float32")


def test_lists_beyond_float32_become_infinite() -> None:
    """There is no warning, as for numbers in a file."""
    assert np.isinf(gatecell.from_gates("rnn", {"h": [[1e300, 1.0]]})["weight_hh_l0"])


@pytest.mark.parametrize("without", [lambda weight: weight, lambda weight: (weight, None)])
def test_missing_biases_are_left_out_or_zero(without: Callable[[Array], Any]) -> None:
    """If no gate has a bias, there are no keys for biases. If some gates have one, the others get zeros."""
    gates = random_gates("rzn")
    got = gatecell.from_gates("gru", {name: without(weight) for name, (weight, _) in gates.items()})
    full = gatecell.from_gates("gru", gates)
    assert_same_arrays(got, {name: full[name] for name in ("weight_ih_l0", "weight_hh_l0")})
    assert not network("gru", got).bias
    some = gatecell.from_gates("gru", gates | {"z": without(gates["z"][0])})
    assert_same_arrays(some, gatecell.from_gates("gru", gates | {"z": (gates["z"][0], np.zeros(HIDDEN))}))


@pytest.mark.parametrize(
    ("types", "expected"),
    [(["float32"], "float32"), (["float64"], "float64"), (["float16"], "float16"), (["float32", "float64"], "float64")],
)
def test_dtype_is_kept(types: list[str], expected: str) -> None:
    gates = {
        name: tuple(array.astype(types[number % len(types)]) for number, array in enumerate(pair))
        for name, pair in random_gates("rzn").items()
    }
    assert {array.dtype for array in gatecell.from_gates("gru", gates).values()} == {np.dtype(expected)}


def test_bfloat16_becomes_float32() -> None:
    weight = torch.randn(HIDDEN, HIDDEN + INPUT, dtype=torch.bfloat16)
    got = gatecell.from_gates("rnn", {"h": weight})
    assert got["weight_hh_l0"].dtype == np.float32
    np.testing.assert_array_equal(got["weight_hh_l0"], weight[:, :HIDDEN].float().numpy())


def test_the_arrays_are_copies() -> None:
    gates = random_gates("h")
    got = gatecell.from_gates("rnn", gates)
    before = {name: array.copy() for name, array in got.items()}
    for array in gates["h"]:
        array[...] = 7
    assert_same_arrays(got, before)


def test_z_new_negates_z() -> None:
    """The matrices come from a text that writes h' = (1-z) h + z n."""
    gates = random_gates("zrc")
    x, h = np.random.default_rng(2).standard_normal((ROWS, INPUT)), np.full((HIDDEN, ROWS), 0.5)
    net = network("gru", gatecell.from_gates("gru", gates), reset="before", z="new")
    of_hx = {name: weight @ np.concatenate([h, x.T]) + bias for name, (weight, bias) in gates.items()}
    z, r = sigmoid(of_hx["z"]), sigmoid(of_hx["r"])
    n = np.tanh(gates["c"][0] @ np.concatenate([r * h, x.T]) + gates["c"][1])
    np.testing.assert_allclose(net(x[None], h.T[None])[1][0], ((1 - z) * h + z * n).T, rtol=0, atol=4e-13)


def lstm(**changes: Any) -> dict[str, Any]:
    return random_gates("fico") | changes


def zeros(*shape: int) -> Array:
    return np.zeros(shape)


ERRORS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "cell": (
        lambda: gatecell.from_gates("LSTM", lstm()),
        ValueError,
        "expected cell 'lstm', 'gru' or 'rnn', got 'LSTM'",
    ),
    "columns": (lambda: gatecell.from_gates("lstm", lstm(), "x"), ValueError, "expected columns 'hx' or 'xh', got 'x'"),
    "no mapping": (
        lambda: gatecell.from_gates("rnn", [zeros(4, 7)]),  # type: ignore[arg-type]
        TypeError,
        "expected gates to map names to weights, got list",
    ),
    "unknown gate": (
        lambda: gatecell.from_gates("gru", random_gates("rznf")),
        ValueError,
        "expected gates of 'gru' (r, z or u, n or h or c), got 'f'",
    ),
    "no name": (
        lambda: gatecell.from_gates("rnn", {0: zeros(4, 7)}),  # type: ignore[dict-item]
        ValueError,
        "expected gates of 'rnn' (h or a), got 0",
    ),
    "longer name": (
        lambda: gatecell.from_gates("lstm", lstm(fi=zeros(4, 7))),
        ValueError,
        "expected gates of 'lstm' (i, f, g or c, o), got 'fi'",
    ),
    "missing gate": (
        lambda: gatecell.from_gates("lstm", random_gates("fio")),
        ValueError,
        "expected gates g or c of 'lstm' too, got f, i, o",
    ),
    "nothing": (
        lambda: gatecell.from_gates("gru", {}),
        ValueError,
        "expected gates z or u, n or h or c of 'gru' too, got none",
    ),
    "two names": (
        lambda: gatecell.from_gates("lstm", lstm(g=zeros(4, 7))),
        ValueError,
        "expected each gate of 'lstm' once, got 'c' and 'g', two names of one",
    ),
    "three of a kind": (
        lambda: gatecell.from_gates("lstm", lstm(o=(zeros(4, 7), zeros(4), zeros(4)))),
        ValueError,
        "gate 'o': expected (W, b) or W, got a tuple of 3; two biases go in a tuple of their own, (W, (b_ih, b_hh))",
    ),
    "four of a kind": (
        lambda: gatecell.from_gates("lstm", lstm(o=(zeros(4, 7), zeros(4), zeros(4), zeros(4)))),
        ValueError,
        "gate 'o': expected (W, b) or W, got a tuple of 4",
    ),
    "rank of W": (
        lambda: gatecell.from_gates("rnn", {"a": zeros(7)}),
        ValueError,
        "gate 'a': expected W (H, H + I), more columns than rows, got (7,)",
    ),
    "no input": (
        lambda: gatecell.from_gates("rnn", {"h": zeros(4, 4)}),
        ValueError,
        "gate 'h': expected W (H, H + I), more columns than rows, got (4, 4)",
    ),
    "no units": (
        lambda: gatecell.from_gates("rnn", {"h": zeros(0, 4)}),
        ValueError,
        "gate 'h': expected W (H, H + I), more columns than rows, got (0, 4)",
    ),
    "transposed": (
        lambda: gatecell.from_gates("rnn", {"h": zeros(7, 4)}),
        ValueError,
        "gate 'h': expected W (H, H + I), more columns than rows, got (7, 4): is it transposed?",
    ),
    "another W": (
        lambda: gatecell.from_gates("lstm", lstm(c=zeros(4, 8))),
        ValueError,
        "gate 'c': expected W (4, 7) like that of gate 'i', got (4, 8)",
    ),
    "b of another size": (
        lambda: gatecell.from_gates("lstm", lstm(f=(zeros(4, 7), zeros(5)))),
        ValueError,
        "gate 'f': expected b (4,) or (4, 1), or (2, 4) of two biases, got (5,)",
    ),
    "b as a row": (
        lambda: gatecell.from_gates("lstm", lstm(f=(zeros(4, 7), zeros(1, 4)))),
        ValueError,
        "gate 'f': expected b (4,) or (4, 1), or (2, 4) of two biases, got (1, 4)",
    ),
    "two biases as columns": (
        lambda: gatecell.from_gates("lstm", lstm(f=(zeros(4, 7), zeros(4, 2)))),
        ValueError,
        "gate 'f': expected b (4,) or (4, 1), or (2, 4) of two biases, got (4, 2)",
    ),
    "b_ih of another size": (
        lambda: gatecell.from_gates("lstm", lstm(f=(zeros(4, 7), (zeros(5), zeros(4))))),
        ValueError,
        "gate 'f': expected b_ih (4,) or (4, 1), got (5,)",
    ),
    "b_hh as a row": (
        lambda: gatecell.from_gates("lstm", lstm(f=(zeros(4, 7), (zeros(4), zeros(1, 4))))),
        ValueError,
        "gate 'f': expected b_hh (4,) or (4, 1), got (1, 4)",
    ),
    "no b_hh": (
        lambda: gatecell.from_gates("lstm", lstm(f=(zeros(4, 7), (zeros(4), None)))),
        TypeError,
        "gate 'f': b_hh: expected real floating point numbers, got None",
    ),
    "all of a layer's biases": (
        lambda: gatecell.from_gates("lstm", lstm(f=(zeros(4, 7), zeros(2, 16)))),
        ValueError,
        "gate 'f': expected b (4,) or (4, 1), or (2, 4) of two biases, got (2, 16)",
    ),
    "integers": (
        lambda: gatecell.from_gates("lstm", lstm(f=zeros(4, 7).astype(int))),
        TypeError,
        "gate 'f': W: expected real floating point numbers, got int64",
    ),
    "another cell": (
        lambda: gatecell.from_gates(["gru"], {}),
        ValueError,
        "expected cell 'lstm', 'gru' or 'rnn', got ['gru']",
    ),
    "no array": (
        lambda: gatecell.from_gates("lstm", lstm(f=(zeros(4, 7), "b"))),
        TypeError,
        "gate 'f': b: expected real floating point numbers, got str",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_the_gate(name: str) -> None:
    call, error, message = ERRORS[name]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_an_error_explains_a_pair_in_a_list() -> None:
    with pytest.raises((TypeError, ValueError), match=r"gate 'h': W: .*; W and b go in a tuple \(W, b\)$"):
        gatecell.from_gates("rnn", {"h": [zeros(4, 7), zeros(4)]})
