"""Promise 1 (parity) for forms of input and for out=: layouts, strides, types and arrays of other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.parity import assert_parity, named_outputs
from helpers.torch_case import Case


@pytest.mark.parametrize("rows", [None, 3])
@pytest.mark.parametrize("batch_first", [False, True])
def test_out_gets_the_bits_of_y(batch_first: bool, rows: int | None, dtype: str, isa: str) -> None:
    """out= gets the bits of y and is returned. If out is a part of an array, only that part is written."""
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
    """The same numbers in layouts and types that an input may have."""
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
    """An array of another library that supports only the DLPack protocol."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("form", list(forms(np.zeros((1, 1, 1)))))
def test_all_forms_of_input_give_the_same_result(form: str, dtype: str) -> None:
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
    """NumPy keeps the stride of an axis of length 1. Here it is the stride of whole records."""
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
