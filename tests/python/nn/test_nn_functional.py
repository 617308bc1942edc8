"""gatecell.nn.functional and nn.utils.rnn compared with torch's.

Promise 1 (parity).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gatecell import nn
from gatecell.nn import functional as gf
from gatecell.nn._erf import erf
from helpers.nn_parity import assert_function_parity


def values(*shape: int, seed: int = 0, scale: float = 1.0) -> NDArray[np.float32]:
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


CALLS: dict[str, tuple[Any, tuple[NDArray[Any], ...]]] = {
    "relu": (lambda f, x: f.relu(x), (values(3, 4),)),
    "tanh": (lambda f, x: f.tanh(x), (values(3, 4),)),
    "sigmoid": (lambda f, x: f.sigmoid(x), (values(3, 4),)),
    "silu": (lambda f, x: f.silu(x), (values(3, 4),)),
    "gelu": (lambda f, x: f.gelu(x), (values(3, 400, scale=3),)),
    "gelu tanh": (lambda f, x: f.gelu(x, approximate="tanh"), (values(3, 400, scale=3),)),
    "leaky_relu": (lambda f, x: f.leaky_relu(x, 0.2), (values(3, 4),)),
    "prelu": (lambda f, x, w: f.prelu(x, w), (values(3, 4), values(4))),
    "softmax": (lambda f, x: f.softmax(x, dim=1), (values(3, 4),)),
    "log_softmax": (lambda f, x: f.log_softmax(x, dim=-1), (values(3, 4),)),
    "dropout": (lambda f, x: f.dropout(x, 0.5, training=False), (values(3, 4),)),
    "linear": (lambda f, x, w, b: f.linear(x, w, b), (values(2, 3, 4), values(5, 4), values(5))),
    "embedding": (lambda f, w: f.embedding(_index(f, [[0, 2], [1, 1]]), w), (values(3, 4),)),
    "conv1d": (lambda f, x, w, b: f.conv1d(x, w, b, 2, 1, 1, 2), (values(2, 4, 9), values(6, 2, 3), values(6))),
    "conv1d same": (lambda f, x, w: f.conv1d(x, w, padding="same"), (values(2, 4, 9), values(6, 4, 3))),
    "conv_transpose1d": (
        lambda f, x, w, b: f.conv_transpose1d(x, w, b, 2, 1, 1, 2, 1),
        (values(2, 4, 9), values(4, 3, 3), values(6)),
    ),
    "layer_norm": (lambda f, x, w, b: f.layer_norm(x, (4,), w, b), (values(3, 4), values(4), values(4))),
    "layer_norm bare": (lambda f, x: f.layer_norm(x, (3, 4)), (values(2, 3, 4),)),
    "batch_norm": (
        lambda f, x, m, v, w, b: f.batch_norm(x, m, v, w, b),
        (values(3, 4, 5), values(4), np.abs(values(4)), values(4), values(4)),
    ),
    "normalize": (lambda f, x: f.normalize(x, dim=-1), (values(3, 4),)),
    "normalize zeros": (lambda f, x: f.normalize(x, p=1.0, dim=0), (np.zeros((3, 4), np.float32),)),
    "max_pool1d": (lambda f, x: f.max_pool1d(x, 3), (values(2, 4, 11),)),
    "max_pool1d padded": (lambda f, x: f.max_pool1d(x, 4, 2, 2), (values(2, 4, 11) - 9,)),
    "max_pool1d whole": (lambda f, x: f.max_pool1d(x, x.shape[2]), (values(2, 4, 11),)),
    "max_pool1d tuples": (lambda f, x: f.max_pool1d(x, (3,), (2,), (1,)), (values(2, 4, 11),)),
    "adaptive_avg_pool1d tuple": (lambda f, x: f.adaptive_avg_pool1d(x, (4,)), (values(2, 4, 11),)),
    "avg_pool1d": (lambda f, x: f.avg_pool1d(x, 3, 1), (values(2, 4, 11),)),
    "avg_pool1d padded": (lambda f, x: f.avg_pool1d(x, 3, 2, 1), (values(4, 11),)),
    "adaptive_avg_pool1d": (lambda f, x: f.adaptive_avg_pool1d(x, 4), (values(2, 4, 11),)),
    "adaptive_max_pool1d": (lambda f, x: f.adaptive_max_pool1d(x, 3), (values(2, 4, 11),)),
}


def _index(f: Any, rows: list[list[int]]) -> Any:
    return torch.tensor(rows) if f is tf else np.array(rows)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:.*use torch.(tanh|sigmoid) instead:UserWarning")
def test_functions_agree_with_torch(name: str, dtype: str) -> None:
    function, inputs = CALLS[name]
    assert_function_parity(lambda *x: function(gf, *x), lambda *x: function(tf, *x), list(inputs), dtype, name)


def test_every_function_is_tested() -> None:
    tested_elsewhere = {"pad", "one_hot"}
    assert {name.split()[0] for name in CALLS} | tested_elsewhere == set(gf.__all__)


@settings(max_examples=100)
@given(
    st.sampled_from(["constant", "reflect", "replicate", "circular"]),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=2),
)
def test_pad_agrees_with_torch(mode: str, sides: list[tuple[int, int]]) -> None:
    x = values(2, 3, 5, 6) if len(sides) == 2 else values(2, 5, 6)
    pad = [count for side in sides for count in side]
    expected = tf.pad(torch.from_numpy(x), pad, mode).numpy()
    np.testing.assert_array_equal(gf.pad(x, pad, mode), expected)


@pytest.mark.parametrize("pad", [(1, 2), (-1, 2), (3, -2), (0, -6), (1, 1, -1, 2), (0, 0, 0, 0, 2, 1), ()])
def test_pad_takes_a_value(pad: tuple[int, ...]) -> None:
    for x in (values(2, 3, 6), np.arange(36).reshape(2, 3, 6)):
        np.testing.assert_array_equal(gf.pad(x, pad, value=7), tf.pad(torch.from_numpy(x), pad, value=7).numpy())


@pytest.mark.parametrize(
    ("pad", "mode", "message"),
    [
        ((1,), "constant", "expected pad to have two numbers for each of up to 2 axes"),
        ((6, 0), "reflect", r"expected pad of at most 5 for reflect of 6 values, got \(6, 0\)"),
        ((0, 7), "circular", "expected pad of at most 6 for circular"),
        ((-1, 0), "replicate", "expected pad of at least 0 for replicate"),
        ((-4, -3), "constant", "expected pad to leave something of 6 values"),
        ((0, 0, 1, 0), "replicate", "expected pad of at most 0 for replicate of 0 values"),
        ((1, 1), "mirror", "expected mode out of constant, reflect, replicate, circular, got 'mirror'"),
    ],
)
def test_wrong_pad_is_an_error(pad: tuple[int, ...], mode: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gf.pad(values(0 if len(pad) == 4 else 2, 6), pad, mode)


@pytest.mark.parametrize("classes", [-1, 5])
def test_one_hot_agrees_with_torch(classes: int) -> None:
    x = np.array([[0, 3], [2, 2]])
    expected = tf.one_hot(torch.from_numpy(x), classes).numpy()
    got = gf.one_hot(x, classes)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    for wrong, count in ((np.array([3]), 3), (np.array([-1]), 3), (np.zeros(0, int), -1)):
        with pytest.raises(ValueError, match="expected numbers from 0 to below num_classes"):
            gf.one_hot(wrong, count)


def test_erf_is_exact_up_to_rounding() -> None:
    """erf is exact up to rounding: on and between the points of its table, at its end and beyond, for tiny numbers."""
    x = np.concatenate([np.linspace(-7, 7, 100_001), np.arange(-400, 401) / 64, 10.0 ** np.arange(-300, 300, 7)])
    exact = np.array([math.erf(value) for value in x])
    assert np.abs(erf(x) - exact).max() < 4e-16
    small = np.abs(x) < 0.1
    np.testing.assert_allclose(erf(x[small]), exact[small], rtol=1e-14)


def test_gelu_keeps_the_bound_everywhere() -> None:
    """In float32 gelu uses a polynomial. The inputs are near 0, within its range, at its ends and far beyond."""
    x = np.concatenate([np.linspace(-8, 8, 200_001), np.linspace(-300, 300, 1001), 10.0 ** np.arange(-38, 38)])
    x = x.astype(np.float32)
    exact = np.array([value * 0.5 * math.erfc(-value / math.sqrt(2)) for value in x.astype(np.float64)])
    np.testing.assert_array_less(np.abs(gf.gelu(x) - exact), 2.5e-7 * np.maximum(1, np.abs(exact)))
    small = np.abs(x) < 1e-3
    np.testing.assert_allclose(gf.gelu(x[small]), exact[small], rtol=5e-7)


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "silu", "gelu", "leaky_relu"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:.*use torch.(tanh|sigmoid) instead:UserWarning")
def test_functions_take_a_single_number(name: str, dtype: Any) -> None:
    """Such as the sum of an array, which NumPy returns without axes. float16 stays float16, as in torch."""
    for x in (dtype(-0.7), np.array(0.7, dtype)):
        y, expected = getattr(gf, name)(x), getattr(tf, name)(torch.tensor(x)).numpy()
        assert (np.shape(y), y.dtype) == ((), dtype)
        np.testing.assert_allclose(y, expected, rtol=2e-3 if dtype is np.float16 else 1e-6)


def test_normalize_over_two_axes_is_refused() -> None:
    # Numpy.linalg would read a tuple as the axes of a matrix.
    with pytest.raises(TypeError, match="expected dim to be an int, got tuple"):
        gf.normalize(values(2, 3, 4), dim=(1, 2))  # type: ignore[arg-type]


def test_erf_of_special_values() -> None:
    assert np.isnan(erf(np.array([np.nan]))).all()
    np.testing.assert_array_equal(erf(np.array([np.inf, -np.inf, 0.0])), [1, -1, 0])


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["right", "left"])
def test_pad_sequence_agrees_with_torch(batch_first: bool, side: str) -> None:
    rows = [values(length, 3, seed=length) for length in (4, 2, 5)]
    theirs = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], batch_first, -1.0, side)
    got = nn.utils.rnn.pad_sequence(rows, batch_first, -1.0, side)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, theirs.numpy())
    with pytest.raises(ValueError, match=r"sequences \(L, \.\.\.\) that differ only in L, got \[\(4, 3\), \(2,\)\]"):
        nn.utils.rnn.pad_sequence([rows[0], rows[1][:, 0]])


def test_training_is_refused() -> None:
    with pytest.raises(ValueError, match="expected training=False"):
        gf.batch_norm(values(2, 3), None, None, training=True)
