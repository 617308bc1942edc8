"""Invariant 1: outputs agree with PyTorch for every option, on every ISA, within the bound of parity.py."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import gatecell
from cases import FEATURES, KINDS, SIZES, STACKS, allowed, grid, size_cases
from parity import assert_parity, named_outputs, named_states
from reference import MODES, SCALES, Case, run_torch


def label(options: dict[str, Any]) -> str:
    return "-".join(f"{value}" for value in options.values())


def check_draws(case: Case, isa: str) -> None:
    for draw in case.draws():
        draw.check(draw.network(gatecell, isa=isa))


@pytest.mark.parametrize("stack", STACKS, ids=label)
@pytest.mark.parametrize("kind", KINDS, ids=label)
def test_every_option(kind: dict[str, Any], stack: dict[str, Any], dtype: str, isa: str) -> None:
    for case in grid(kind, stack, dtype):
        check_draws(case, isa)


@pytest.mark.parametrize("stack", STACKS, ids=label)
@pytest.mark.parametrize("kind", KINDS, ids=label)
def test_the_rows_that_measure_the_bound(kind: dict[str, Any], stack: dict[str, Any], isa: str) -> None:
    """The numbers PyTorch's own error is taken from are held to it too: largest error against largest error."""
    for scale, bias in itertools.product(SCALES, (True, False)):
        check_draws(Case(**kind, **stack, scale=scale, bias=bias).sample(), isa)


@pytest.mark.parametrize("case", size_cases(), ids=lambda case: f"{case.mode}-{case.seed}")
def test_every_pair_of_sizes(case: Case, isa: str) -> None:
    check_draws(case, isa)


def test_sizes_hold_every_allowed_pair() -> None:
    cases = size_cases()
    for (one, values), (other, others) in itertools.combinations(SIZES.items(), 2):
        wanted = {pair for pair in itertools.product(values, others) if allowed({one: pair[0], other: pair[1]})}
        assert wanted == {(getattr(case, one), getattr(case, other)) for case in cases}


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    options = {name: draw(st.sampled_from(values)) for name, values in SIZES.items()}
    options |= {name: draw(st.integers(1, 40)) for name in ("input_size", "hidden_size")}
    options |= {"steps": draw(st.integers(1, 15)), "rows": draw(st.none() | st.integers(1, 20))}
    proj = draw(st.integers(0, options["hidden_size"] - 1)) if options["mode"] == "LSTM" else 0
    options |= {"proj_size": proj, "seed": draw(st.integers(0, 2**16))}
    if not allowed(options):
        options["steps"] = 5  # the only rule left to break: large weights and many steps
    return Case(**options)


@given(any_case())
def test_any_case(isa: str, case: Case) -> None:
    assume(case.own_error() < 1e-4)  # a few generated networks are chaotic; those of SIZES and of the grid must not be
    case.check(case.network(gatecell, isa=isa))


@pytest.mark.parametrize("mode", MODES)
def test_long_sequence_and_wide_layer(mode: str, dtype: str, isa: str) -> None:
    """Many time chunks, many tiles of rows and of hidden units, and remainders of each."""
    for sizes in ({"steps": 517, "rows": 2, "hidden_size": 17}, {"steps": 9, "rows": 41, "hidden_size": 139}):
        case = Case(mode, 23, **sizes, dtype=dtype, bidirectional=True)
        case.check(case.network(gatecell, isa=isa))


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("num_threads", [1, 2])
def test_threads(num_threads: int, dtype: str, isa: str) -> None:
    case = Case("LSTM", 64, 64, 2, bidirectional=True, dtype=dtype, steps=40, rows=9)
    network = case.network(gatecell, isa=isa, num_threads=num_threads)
    assert network.plan(40, 9).threads == num_threads
    case.check(network)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_cells(mode: str, bias: bool, dtype: str, isa: str) -> None:
    """LSTMCell, GRUCell, RNNCell at every size, batched or not, state given or not."""
    for inputs, hidden in zip(FEATURES, reversed(FEATURES), strict=True):
        for scale, rows, state in itertools.product(SCALES, (None, 1, 5), (True, False)):
            case = Case(mode, inputs, hidden, bias=bias, dtype=dtype, steps=1, rows=rows, state=state, scale=scale)
            check_cell(case, isa)


def check_cell(case: Case, isa: str) -> None:
    """The cell with the weights and inputs of a one-layer, one-step case."""
    options = {"input_size": case.input_size, "hidden_size": case.hidden_size, "bias": case.bias}
    if case.class_name == "RNN":
        options["nonlinearity"] = case.options["nonlinearity"]
    weights = {name.removesuffix("_l0"): array for name, array in case.state_dict().items()}
    cell = getattr(gatecell, f"{case.class_name}Cell")(**options, dtype=case.dtype, isa=isa)
    module = getattr(torch.nn, f"{case.class_name}Cell")(**options, dtype=torch.float64)
    cell.load_state_dict(weights)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    x, hx = case.inputs()
    hx = None if hx is None else tuple(state[0] for state in hx) if isinstance(hx, tuple) else hx[0]
    assert_parity(
        named_states(cell(x[0], hx)),
        run_torch(module, torch.float64, x[0], hx),
        case.own_error(),
        case.dtype,
        case,
    )


@pytest.mark.parametrize("rows", [None, 3])
@pytest.mark.parametrize("batch_first", [False, True])
def test_out(batch_first: bool, rows: int | None, dtype: str, isa: str) -> None:
    """out= gets y's bits and is returned; of a larger array only its part is written."""
    case = Case(batch_first=batch_first, rows=rows, bidirectional=True, num_layers=2, dtype=dtype)
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    expected, _ = network(x, hx)
    whole = np.full([n + 2 for n in expected.shape], 7, dtype)
    for out in (np.empty_like(expected), whole[(slice(1, -1),) * whole.ndim]):
        y, state = network(x, hx, out=out)
        assert y is out
        np.testing.assert_array_equal(out, expected)
        assert_parity(named_outputs(y, state), case.reference(), case.own_error(), dtype)
    whole[(slice(1, -1),) * whole.ndim] = 7
    assert (whole == 7).all()


def forms(x: np.ndarray) -> dict[str, Any]:
    """The same numbers in every layout and type that an input may have."""
    wide = np.repeat(np.repeat(x, 2, 0), 3, -1)
    records = np.zeros(x.shape[0], [("x", x.dtype, x.shape[1:]), ("flag", "u1")])
    records["x"] = x
    raw = np.zeros(x.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(x.dtype).reshape(x.shape)
    unaligned[:] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    return {
        "every second": wide[::2, :, ::3],
        "field of records": records["x"],
        "backwards": x[::-1].copy()[::-1],
        "Fortran order": np.asfortranarray(x),
        "unaligned": unaligned,
        "other byte order": x.astype(x.dtype.newbyteorder()),
        "read-only": read_only,
        "wider type": x.astype(np.longdouble),
        "list": x.tolist(),
        "torch tensor": torch.from_numpy(x),
        "torch view": torch.from_numpy(x.swapaxes(0, 1).copy()).transpose(0, 1),
        "DLPack": DLPackOnly(x),
    }


class DLPackOnly:
    """An array of some other library: it has only the DLPack protocol."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("form", list(forms(np.zeros((1, 1, 1)))))
def test_forms_of_input(form: str, dtype: str) -> None:
    case = Case(dtype=dtype, num_layers=2)
    network, (x, (h_0, c_0)) = case.network(gatecell), case.inputs()
    y, (h_n, c_n) = network(forms(x)[form], (forms(h_0)[form], forms(c_0)[form]))
    expected = network(x, (h_0, c_0))
    for got, wanted in zip((y, h_n, c_n), (expected[0], *expected[1]), strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == dtype
        assert type(got) is np.ndarray
        assert got.flags.c_contiguous
        assert got.flags.writeable


def test_one_step_has_any_stride(dtype: str) -> None:
    """NumPy leaves the stride of an axis of length 1 as it was, here that of whole records."""
    case = Case(dtype=dtype, steps=5)
    network, (x, hx) = case.network(gatecell), case.inputs()
    records = np.zeros(5, [("x", dtype, x.shape[1:]), ("flag", "u1")])
    records["x"] = x
    for t in range(5):
        np.testing.assert_array_equal(network(records["x"][t : t + 1], hx)[0], network(x[t : t + 1], hx)[0])


def test_other_float_types_are_converted() -> None:
    case = Case(state=False)
    network, (x, _) = case.network(gatecell), case.inputs()
    for other in (np.float16, np.float64):
        np.testing.assert_array_equal(network(x.astype(other))[0], network(x.astype(other).astype("float32"))[0])
