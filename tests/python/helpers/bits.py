"""Comparison of results bit for bit, and the ways of feeding a network that must give the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import gatecell
from gatecell import _core
from helpers.parity import named_outputs
from helpers.torch_case import Array

_IS_FUSED = {isa: _core.instruction_sets()[isa]["is_fused"] for isa in gatecell.available_isas()}
# The ISAs with fused multiply-add and those without. The ISAs of a list give the same bits.
ALIKE_ISAS = [[isa for isa, is_fused in _IS_FUSED.items() if is_fused == value] for value in (True, False)]


def bits(array: Array) -> NDArray[np.unsignedinteger]:
    """The bits of each number as an unsigned integer, so that NaN equals NaN and 0 differs from -0."""
    return np.ascontiguousarray(array).view(f"u{array.itemsize}")


def assert_same_bits(actual: tuple[Array, Any], expected: tuple[Array, Any]) -> None:
    """Compares two results (y, state) of a network."""
    expected_outputs = named_outputs(*expected)
    for name, array in named_outputs(*actual).items():
        np.testing.assert_array_equal(bits(array), bits(expected_outputs[name]), err_msg=name)


def index_state(hx: Any, index: Any) -> Any:
    """hx[index], or the same of both h and c."""
    return tuple(state[index] for state in hx) if isinstance(hx, tuple) else hx[index]


def run_in_chunks(network: Any, x: Array, hx: Any, cuts: list[int]) -> tuple[Array, Any]:
    """Calls the network with x cut at these steps. Each call gets the state that the call before returned."""
    outputs = []
    for chunk in np.split(x, cuts):
        y, hx = network(chunk, hx)
        outputs.append(y)
    return np.concatenate(outputs), hx


def run_row_by_row(network: Any, x: Array, hx: Any, lengths: Any) -> tuple[Array, Any]:
    """Calls the network once for each row, with the steps of that row alone. x has the shape (T, B, I)."""
    y = np.zeros((*x.shape[:2], network.spec.output_size), x.dtype)
    finals = []
    for row, length in enumerate(lengths):
        one = slice(None), slice(row, row + 1)
        y[:length, row : row + 1], final = network(x[:length, row : row + 1], index_state(hx, one))
        finals.append(final if isinstance(final, tuple) else (final,))
    merged = tuple(np.concatenate(parts, axis=1) for parts in zip(*finals, strict=True))
    return y, merged if isinstance(hx, tuple) else merged[0]


def nan_after_ends(x: Array, lengths: Any, batch_first: bool = False) -> Array:
    """A copy of x that is NaN after the end of each row, where a network must not read."""
    x = x.copy()
    for row, length in enumerate(lengths):
        x[(row, slice(length, None)) if batch_first else (slice(length, None), row)] = np.nan
    return x
