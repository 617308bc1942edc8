"""Promise 2 (same bits): a step with input of another float type or with gaps gives the bits of the converted array."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.stream_cases import assert_same, inputs, network, states

ROWS = 3
# Each makes a form of an array (B, I).
FORMS: dict[str, Callable[[Any], Any]] = {
    "float32": lambda x: x.astype(np.float32),
    "float64": lambda x: x.astype(np.float64),
    "every other float32": lambda x: np.repeat(x.astype(np.float32), 2, 1)[:, ::2],
    "every other float64": lambda x: np.repeat(x.astype(np.float64), 2, 1)[:, ::2],
    "backwards float32": lambda x: x.astype(np.float32)[::-1, ::-1].copy()[::-1, ::-1],
    "backwards float64": lambda x: x.astype(np.float64)[::-1, ::-1].copy()[::-1, ::-1],
    "Fortran's float64": lambda x: np.asfortranarray(x.astype(np.float64)),
}
OTHER_FORMS: dict[str, Callable[[Any], Any]] = {
    "float16": lambda x: x.astype(np.float16),
    "longdouble": lambda x: x.astype(np.longdouble),
    "the other byte order": lambda x: x.astype(">f8"),
    "unaligned": lambda x: (
        np.frombuffer(b"\0" + x.astype(np.float64).tobytes(), np.uint8)[1:].view("f8").reshape(x.shape)
    ),
    "a list": lambda x: x.tolist(),
    "a list of arrays": lambda x: list(x.astype(np.float32)),
    "torch float32": lambda x: torch.tensor(x.astype(np.float32)),
    "torch float64": lambda x: torch.tensor(x.astype(np.float64)),
    "torch bfloat16": lambda x: torch.tensor(x.astype(np.float32)).bfloat16(),
}


def halves(net: Any, rows: int) -> Any:
    """Inputs (T, B, I) with values that float16 and bfloat16 can represent."""
    return np.random.default_rng(3).integers(-16, 16, (4, rows, net.input_size)) / 16


@pytest.mark.parametrize("form", FORMS | OTHER_FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_of_any_type_have_the_bits_of_the_converted_array(dtype: torch.dtype, form: str) -> None:
    net = network(dtype=dtype)
    x, hx = halves(net, ROWS), states(net, ROWS)
    expected, hidden = net(x.astype(net.dtype), hx)
    as_form = (FORMS | OTHER_FORMS)[form]
    stream, pool = net.stream(ROWS, hx), gatecell.StreamPool(net)
    ids = [pool.open() for _ in range(ROWS)]
    pool.set_state(ids, hx)
    out = np.empty_like(expected[0])
    for t, step in enumerate(x):
        y = stream.step(as_form(step), out) if t % 2 else stream.step(as_form(step))
        assert (y is out) == bool(t % 2)
        np.testing.assert_array_equal(y, expected[t], strict=True)
        np.testing.assert_array_equal(pool.step(ids, as_form(step)), expected[t], strict=True)
    assert_same(stream.state, hidden)
    assert_same(pool.state(ids), hidden)


@pytest.mark.parametrize("form", FORMS | OTHER_FORMS)
@pytest.mark.parametrize("axes", [1, 2])
def test_one_row_of_any_type_has_the_bits_of_the_converted_array(axes: int, form: str) -> None:
    net = network("gru")
    x = halves(net, 1)
    expected = net(x.astype(net.dtype))[0]
    stream = net.stream()
    for step, y in zip(x, expected, strict=True):
        given = (FORMS | OTHER_FORMS)[form](step)
        np.testing.assert_array_equal(
            stream.step(given if axes == 2 else given[0]), y if axes == 2 else y[0], strict=True
        )


@pytest.mark.parametrize("form", FORMS)
def test_the_fast_path_takes_both_float_types_in_any_layout(form: str) -> None:
    """NotImplemented would mean the general path, which takes tens of times as long."""
    net = network()
    step, given = inputs(net, ROWS)[0], FORMS[form](inputs(net, ROWS)[0])
    out = np.empty((ROWS, 7), np.float32)
    assert gatecell._core.step(net.stream(ROWS)._core, given, out) is out
    np.testing.assert_array_equal(gatecell._core.step(net.stream(ROWS)._core, given, None), net.stream(ROWS).step(step))
    pool = gatecell.StreamPool(net)
    ids = [pool.open() for _ in range(ROWS)]
    np.testing.assert_array_equal(gatecell._core.pool_step(pool._core, ids, given), net.stream(ROWS).step(step))


def test_values_out_of_range_become_infinite_without_a_warning() -> None:
    """As in a call there is no warning, and the flags of the floating-point unit stay as they were."""
    net = gatecell.from_torch(torch.nn.RNN(2, 3, nonlinearity="relu"))
    libm = ctypes.CDLL("libm.so.6")
    overflow, inexact = (8, 32) if platform.machine() == "x86_64" else (4, 16)
    for values in ([1e300, -1e300], [1e-300, 1 / 3]):
        x = np.array([values])
        expected = net(x[None])[0][0]
        stream, pool = net.stream(), gatecell.StreamPool(net)
        sid = pool.open()
        for step in (stream.step, lambda x, pool=pool, sid=sid: pool.step([sid], x)):
            libm.feclearexcept(overflow | inexact)
            y = step(x)
            raised = libm.fetestexcept(overflow | inexact)
            np.testing.assert_array_equal(y, expected)
            assert not raised
    signalling = np.array([[0x7FA00000, 0]], np.uint32).view(np.float32)
    assert np.isnan(gatecell.from_torch(torch.nn.RNN(2, 3, dtype=torch.float64)).stream().step(signalling)).all()


def test_out_that_shares_memory_with_input_of_another_layout() -> None:
    net = network()
    memory = np.zeros((2, 2, 7))
    with pytest.raises(ValueError, match="overlapping memory"):
        net.stream(2).step(
            memory.view(np.float32).reshape(2, 28)[:, 4:9], memory.view(np.float32).reshape(-1)[:14].reshape(2, 7)
        )
    x = memory[0, :, :5]  # x has another type, so it is read before y is written
    x[...] = np.arange(10).reshape(2, 5) / 16
    expected = net.stream(2).step(x.copy())
    out = memory.view(np.float32).reshape(-1)[:14].reshape(2, 7)
    np.testing.assert_array_equal(net.stream(2).step(x, out), expected)
