"""Arrays in and out: what the core gets, layouts of out=, and error messages.

Promise 7 (no wrong number without a word): an array that does not fit is an error. test_input_forms.py has more forms
of input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import gatecell
from gatecell._base import arrays as _arrays

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3, 5)).astype("float32")
H = RNG.standard_normal((1, 3, 7)).astype("float32")


def gru(input_size: int = 5, hidden_size: int = 7, **options: Any) -> gatecell.GRU:
    torch.manual_seed(0)
    weights = torch.nn.GRU(input_size, hidden_size).state_dict()
    return gatecell.GRU.from_state_dict(weights, num_threads=1, **options)


def unaligned(array: NDArray[Any]) -> NDArray[Any]:
    copy = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "float64": lambda array: array.astype("float64"),
    "other byte order": lambda array: array.astype(">f4"),
    "unaligned": unaligned,
    "Fortran order": np.asfortranarray,
    "every other feature": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "backward": lambda array: array[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
    "a part of a larger array": lambda array: np.pad(array, 2)[2:-2, 2:-2, 2:-2],
    "a field of records": lambda array: np.rec.fromarrays([array, array > 0], names="x,valid").x,
}


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_types_are_converted(half: torch.dtype) -> None:
    x = torch.from_numpy(X).to(half)
    np.testing.assert_array_equal(gru()(x)[0], gru()(x.float().numpy())[0])


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_core_gets_aligned_arrays(kind: str) -> None:
    """The core reads memory directly. Wrong strides or a wrong alignment may give no wrong result on this machine."""
    array = _arrays.floats(LAYOUTS[kind](X), np.dtype("float32"), "x")
    for given in (_arrays.adjacent(array), _arrays.contiguous(array)):
        assert given.dtype == np.float32
        assert given.flags.aligned
        assert given.strides[-1] == 4
    assert _arrays.contiguous(array).flags.c_contiguous


def test_rows_with_gaps_between_them_are_not_copied() -> None:
    array = X[::2, 1:]
    assert _arrays.adjacent(array) is array
    assert _arrays.contiguous(X) is X


@pytest.mark.parametrize("x", [np.arange(4.0)[:, None, None], np.arange(4.0, dtype="float32")[:, None, None]])
def test_an_axis_of_length_1_may_have_any_stride(x: NDArray[Any]) -> None:
    net = gru(input_size=1)
    np.testing.assert_array_equal(net(x)[0], net(np.ascontiguousarray(x.reshape(-1), "float32").reshape(4, 1, 1))[0])


def test_an_input_beyond_float32_is_infinite_without_a_warning() -> None:
    net = gru()
    huge = np.full((4, 5), 1e300)
    np.testing.assert_array_equal(net(huge)[0], net(np.full((4, 5), np.inf, "float32"))[0])


OUTS: dict[str, Callable[[tuple[int, ...]], NDArray[Any]]] = {
    "contiguous": lambda shape: np.empty(shape, "float32"),
    "other order of axes": lambda shape: np.empty((shape[1], shape[0], shape[2]), "float32").swapaxes(0, 1),
    "rows with gaps": lambda shape: np.empty((*shape[:2], shape[2] + 3), "float32")[..., 2:-1],
    "backward in time": lambda shape: np.empty(shape, "float32")[::-1],
}


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", OUTS)
def test_out_of_any_layout_gets_y(kind: str, batch_first: bool) -> None:
    net = gru(batch_first=batch_first)
    out = OUTS[kind]((4, 3, 7))
    out[...] = np.nan
    y, h_n = net(X, out=out)
    assert y is out
    expected, expected_h = net(X)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(h_n, expected_h)


@pytest.mark.parametrize("shape", [(4, 3, 1), (0, 3, 1), (4, 0, 1)])
def test_out_may_have_any_stride_on_an_axis_of_length_1(shape: tuple[int, int, int]) -> None:
    net = gru(hidden_size=1)
    buffer = np.full(shape[:2], np.nan, "float32")
    x = X[: shape[0], : shape[1]]
    net(x, out=buffer[..., None])
    np.testing.assert_array_equal(buffer, net(x)[0][..., 0])


def test_out_may_lie_beside_the_input_in_one_array() -> None:
    """The memory ranges of x and out overlap, but they have no element in common."""
    both = np.zeros((4, 3, 12), "float32")
    both[..., :5] = X
    net = gru()
    net(both[..., :5], out=both[..., 5:])
    np.testing.assert_array_equal(both[..., 5:], net(X)[0])
    with pytest.raises(ValueError, match="overlapping memory"):
        net(both[..., :5], out=both[..., 4:11])


def test_errors_name_the_state() -> None:
    with pytest.raises(TypeError, match="expected hx to be one array h_0, got a tuple of 2"):
        gru()(X, (H, H))
    lstm = gatecell.from_torch(torch.nn.LSTM(5, 7))
    with pytest.raises(TypeError, match=r"expected hx to be a tuple \(h_0, c_0\), got ndarray"):
        lstm(X, H)
    with pytest.raises(TypeError, match=r"expected hx to be a tuple \(h_0, c_0\), got 3 values"):
        lstm(X, (H, H, H))
    with pytest.raises(ValueError, match=r"expected c_0 \(1, 3, 7\), got \(1, 4, 7\)"):
        lstm(X, (H, np.zeros((1, 4, 7))))


def test_errors_name_the_input() -> None:
    for batch_first, axes in ((False, "T, B"), (True, "B, T")):
        net = gru(batch_first=batch_first)
        for shape, message in {
            (4, 3, 6): f"expected input ({axes}, 5), got ({axes}, 6) in an array of shape (4, 3, 6)",
            (4, 6): "expected input (T, 5), got (T, 6) in an array of shape (4, 6)",
            (5,): f"expected input ({axes}, 5) or unbatched (T, 5), got (5,)",
        }.items():
            with pytest.raises(ValueError, match=".") as caught:  # noqa: RUF043
                net(np.zeros(shape))
            assert str(caught.value) == message
