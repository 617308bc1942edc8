"""Every layer of gatecell.nn except the recurrent ones gives torch.nn's results, for its options and input shapes.

Promise 1 (parity).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gatecell import nn
from helpers.nn_parity import assert_layer_parity

DTYPES = st.sampled_from(["float32", "float64"])
SEEDS = st.integers(0, 2**31)


def values(seed: int, *shape: int, scale: float = 1.0) -> NDArray[np.float32]:
    """A float32 array. torch gets the same seed."""
    torch.manual_seed(seed)
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def shapes(*tail: int, most: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes with up to `most` axes before `tail`. Each of these axes has a size from 0 to 4."""
    return st.lists(st.integers(0, 4), max_size=most).map(lambda lead: (*lead, *tail))


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.data(), SEEDS, DTYPES)
def test_linear_agrees_with_torch(
    inputs: int, outputs: int, bias: bool, data: st.DataObject, seed: int, dtype: str
) -> None:
    x = values(seed, *data.draw(shapes(inputs)))
    assert_layer_parity("Linear", {"in_features": inputs, "out_features": outputs, "bias": bias}, [x], dtype)


@pytest.mark.parametrize(
    ("name", "sizes", "shape"),
    [
        ("Linear", (256, 2), (600, 256)),
        ("Linear", (129, 8), (40, 129)),
        ("Linear", (2048, 10), (3, 2048)),
        ("Linear", (2048, 10), (2048,)),
        ("Conv1d", (64, 10, 5), (2, 64, 50)),
        ("ConvTranspose1d", (256, 8, 3), (2, 256, 20)),
    ],
)
@pytest.mark.parametrize("seed", range(8))
def test_long_sums_keep_the_bound(name: str, sizes: tuple[int, ...], shape: tuple[int, ...], seed: int) -> None:
    """Each of some 20,000 values is within the bound. The sums of a BLAS, over 256 products and more, are not."""
    arguments = ("in_features", "out_features") if name == "Linear" else ("in_channels", "out_channels", "kernel_size")
    assert_layer_parity(name, dict(zip(arguments, sizes, strict=True)), [values(seed, *shape)], "float32")


@settings(max_examples=25)
@given(
    st.integers(1, 30),
    st.integers(1, 9),
    st.data(),
    SEEDS,
    DTYPES,
    st.sampled_from(["int32", "int64", "uint8", "uint64"]),
)
def test_embedding_agrees_with_torch(
    count: int, features: int, data: st.DataObject, seed: int, dtype: str, index: str
) -> None:
    torch.manual_seed(seed)
    x = np.random.default_rng(seed).integers(0, count, data.draw(shapes())).astype(index)
    padding = data.draw(st.none() | st.integers(-count, count - 1))
    options = {"num_embeddings": count, "embedding_dim": features, "padding_idx": padding}
    assert_layer_parity("Embedding", options, [np.asarray(x)], dtype)


@st.composite
def conv_options(draw: st.DrawFn, transposed: bool) -> dict[str, Any]:
    groups = draw(st.integers(1, 3))
    options: dict[str, Any] = {
        "in_channels": groups * draw(st.integers(1, 4)),
        "out_channels": groups * draw(st.integers(1, 4)),
        "kernel_size": draw(st.integers(1, 5) | st.just((3,))),
        "stride": draw(st.integers(1, 3)),
        "padding": draw(st.integers(0, 3)),
        "dilation": draw(st.integers(1, 3)),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    if transposed:
        options["output_padding"] = draw(st.integers(0, max(options["stride"], options["dilation"]) - 1))
        return options
    options["padding_mode"] = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    if kind := draw(st.sampled_from(["", "", "same", "valid"])):
        options["padding"] = kind
        options["stride"] = 1 if kind == "same" else options["stride"]
    return options


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@settings(max_examples=150)
@given(conv_options(transposed=False), st.none() | st.integers(0, 3), st.integers(13, 30), SEEDS, DTYPES)
def test_conv1d_agrees_with_torch(
    options: dict[str, Any], batch: int | None, steps: int, seed: int, dtype: str
) -> None:
    x = values(seed, *([] if batch is None else [batch]), options["in_channels"], steps)
    assert_layer_parity("Conv1d", options, [x], dtype)


@settings(max_examples=80)
@given(conv_options(transposed=True), st.none() | st.integers(0, 3), st.integers(7, 12), SEEDS, DTYPES)
def test_conv_transpose1d_agrees_with_torch(
    options: dict[str, Any], batch: int | None, steps: int, seed: int, dtype: str
) -> None:
    x = values(seed, *([] if batch is None else [batch]), options["in_channels"], steps)
    assert_layer_parity("ConvTranspose1d", options, [x], dtype)


def test_conv1d_takes_views() -> None:
    """The input has its channels last in memory, like outputs of a recurrent layer, and is part of a longer signal."""
    x = values(3, 2, 40, 6)[:, 5:25].swapaxes(1, 2)
    assert_layer_parity("Conv1d", {"in_channels": 6, "out_channels": 4, "kernel_size": 3}, [x], "float32")


@pytest.mark.parametrize("output_size", [15, 16, (16,)])
def test_conv_transpose1d_takes_an_output_size(output_size: Any) -> None:
    torch.manual_seed(0)
    theirs = torch.nn.ConvTranspose1d(3, 2, 3, stride=2, padding=1)
    ours = nn.ConvTranspose1d(3, 2, 3, stride=2, padding=1)
    ours.load_state_dict(theirs.state_dict())
    x = values(0, 2, 3, 8)
    size = output_size if isinstance(output_size, tuple) else (output_size,)
    expected = theirs(torch.from_numpy(x), output_size=list(size)).detach().numpy()
    np.testing.assert_allclose(ours(x, output_size=size), expected, atol=1e-6)


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=2),
    st.sampled_from([1e-5, 1e-3]),
    st.booleans(),
    st.booleans(),
    st.data(),
    SEEDS,
    DTYPES,
)
def test_layer_norm_agrees_with_torch(
    shape: list[int], eps: float, affine: bool, bias: bool, data: st.DataObject, seed: int, dtype: str
) -> None:
    x = values(seed, *data.draw(shapes(*shape, most=2)))
    options = {"normalized_shape": shape, "eps": eps, "elementwise_affine": affine, "bias": bias}
    assert_layer_parity("LayerNorm", options, [x], dtype)


@settings(max_examples=40)
@given(
    st.integers(1, 9),
    st.integers(2, 5),
    st.none() | st.integers(1, 7),
    st.sampled_from([1e-5, 1e-3]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    SEEDS,
    DTYPES,
)
def test_batch_norm1d_agrees_with_torch(
    features: int,
    batch: int,
    steps: int | None,
    eps: float,
    affine: bool,
    bias: bool,
    track: bool,
    seed: int,
    dtype: str,
) -> None:
    x = values(seed, batch, features, *([] if steps is None else [steps]))
    options = {"num_features": features, "eps": eps, "affine": affine, "bias": bias, "track_running_stats": track}
    assert_layer_parity("BatchNorm1d", options, [x], dtype)


ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("ReLU", {}),
    ("ReLU", {"inplace": True}),
    ("Tanh", {}),
    ("Sigmoid", {}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("SiLU", {}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.3, "inplace": True}),
    ("PReLU", {}),
    ("PReLU", {"num_parameters": 5, "init": 0.1}),
    ("Softmax", {"dim": 1}),
    ("Softmax", {"dim": -1}),
    ("LogSoftmax", {"dim": 0}),
    ("LogSoftmax", {"dim": -1}),
    ("Identity", {}),
    ("Dropout", {"p": 0.3}),
    ("Flatten", {}),
    ("Flatten", {"start_dim": 0, "end_dim": 1}),
]


@pytest.mark.parametrize(("name", "options"), ACTIVATIONS)
@pytest.mark.parametrize("shape", [(4, 5), (3, 5, 7), (2, 5, 3, 4), (0, 5, 3), (2, 5, 0)])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_layers_without_sizes_agree_with_torch(
    name: str, options: dict[str, Any], shape: tuple[int, ...], scale: float, dtype: str
) -> None:
    if options.get("inplace"):  # in torch inplace=True would change the input
        x = values(1, *shape, scale=scale)
        expected = getattr(torch.nn, name)(**options)(torch.from_numpy(x.copy())).numpy()
        before = x.copy()
        np.testing.assert_array_equal(getattr(nn, name)(**options)(x), expected)
        np.testing.assert_array_equal(x, before)
    else:
        assert_layer_parity(name, options, [values(1, *shape, scale=scale)], dtype)


@pytest.mark.filterwarnings("ignore:Implicit dimension choice:UserWarning")
@pytest.mark.parametrize("axes", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_softmax_without_dim_agrees_with_torch(name: str, axes: int) -> None:
    assert_layer_parity(name, {}, [values(0, *(2, 3, 4, 5)[:axes])], "float32")


POOLS: list[tuple[str, dict[str, Any]]] = [
    ("MaxPool1d", {"kernel_size": 3}),
    ("MaxPool1d", {"kernel_size": (4,), "stride": (2,), "padding": (2,)}),
    ("AvgPool1d", {"kernel_size": 3}),
    ("AvgPool1d", {"kernel_size": (4,), "stride": 1, "padding": 2}),
    ("AdaptiveMaxPool1d", {"output_size": 3}),
    ("AdaptiveAvgPool1d", {"output_size": (12,)}),
]


@pytest.mark.parametrize(("name", "options"), POOLS)
@pytest.mark.parametrize("shape", [(5, 9), (2, 5, 9), (0, 5, 9)])
def test_pooling_agrees_with_torch(name: str, options: dict[str, Any], shape: tuple[int, ...], dtype: str) -> None:
    assert_layer_parity(name, options, [values(1, *shape)], dtype)


EXTREMES = np.array([0.0, -0.0, 1e-30, -1e-30, 88, -88, 90, -90, 1e4, -1e4, np.inf, -np.inf, np.nan], np.float32)


@pytest.mark.parametrize("name", ["ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "LeakyReLU"])
def test_extreme_values_agree_with_torch(name: str, dtype: str) -> None:
    """The result is infinite or NaN where torch's result is. A warning would fail the test."""
    x = EXTREMES.astype(dtype)
    if name == "GELU":  # torch's gelu of infinity is infinity or NaN, depending on dtype and length
        x = x[~np.isinf(x)]
    expected = getattr(torch.nn, name)()(torch.from_numpy(x)).numpy()
    got = getattr(nn, name)()(x)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    np.testing.assert_allclose(got[finite], expected[finite], atol=1e-6 if dtype == "float32" else 1e-14, rtol=1e-6)


def test_softmax_of_extreme_values_agrees_with_torch() -> None:
    x = np.array([[1e30, 1e30, -1e30], [-np.inf, 0, 1], [-1e4, -1e4 - 1, -2e4], [3e38, -3e38, 0]], np.float32)
    # The results of these rows are NaN.
    x = np.concatenate([x, [[-np.inf] * 3, [np.inf, 0, 1], [np.nan, 0, 1]]], dtype=np.float32)
    for name in ("Softmax", "LogSoftmax"):
        expected = getattr(torch.nn, name)(dim=1)(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(getattr(nn, name)(dim=1)(x), expected, rtol=1e-6)


WRONG: list[tuple[Any, Any, str]] = [
    (lambda: nn.Linear(3, 4), np.zeros((2, 4)), r"Linear: expected input \(\.\.\., 3\), got \(2, 4\)"),
    (lambda: nn.Linear(3, 4), np.float64(1), r"expected input \(\.\.\., 3\), got \(\)"),
    (
        lambda: nn.Conv1d(3, 4, 2),
        np.zeros((2, 4, 5)),
        r"Conv1d: expected input \(B, 3, T\) or \(3, T\), got \(2, 4, 5\)",
    ),
    (lambda: nn.Conv1d(3, 4, 5, padding=1), np.zeros((3, 2)), "expected input of at least 3 steps, got 2"),
    (
        lambda: nn.Conv1d(3, 4, 5, padding=3, padding_mode="reflect"),
        np.zeros((3, 3)),
        "expected pad of at most 2 for reflect",
    ),
    (lambda: nn.ConvTranspose1d(3, 4, 2), np.zeros(3), r"expected input \(B, 3, T\) or \(3, T\), got \(3,\)"),
    (lambda: nn.ConvTranspose1d(3, 4, 2, padding=2), np.zeros((3, 1)), "the output would have -2"),
    (lambda: nn.LayerNorm((2, 3)), np.zeros((3, 2)), r"LayerNorm: expected input \(\.\.\., 2, 3\), got \(3, 2\)"),
    (lambda: nn.BatchNorm1d(3), np.zeros((2, 4)), r"expected input \(B, 3\) or \(B, 3, T\), got \(2, 4\)"),
    (lambda: nn.PReLU(3), np.zeros((2, 4)), r"expected input \(B, 3, \.\.\.\), got \(2, 4\)"),
    (lambda: nn.Embedding(3, 4), np.array([0, 3]), "Embedding: expected indices from 0 to 2, got 0 to 3"),
    (lambda: nn.Embedding(3, 4), np.array([-1]), "expected indices from 0 to 2, got -1 to -1"),
    (lambda: nn.Softmax(dim=2), np.zeros((2, 4)), "Softmax: expected dim of one of 2 axes, got 2"),
    (lambda: nn.MaxPool1d(2, 0), np.zeros((3, 4)), "expected kernel_size and stride of at least 1, got 2 and 0"),
    (lambda: nn.AvgPool1d(2, 2, 2), np.zeros((3, 4)), "expected padding from 0 to half of kernel_size=2, got 2"),
    (lambda: nn.Flatten(), np.zeros(4), "expected axes 1 to -1 of the input"),
]


@pytest.mark.parametrize(("make", "x", "message"), WRONG)
def test_wrong_shapes_are_errors(make: Any, x: Any, message: str) -> None:
    layer = make()
    layer.load_state_dict({key: np.zeros(value.shape) for key, value in layer.named_parameters()}, strict=False)
    with pytest.raises(ValueError, match=message):
        layer(x)


def test_wrong_types_are_errors() -> None:
    layer = nn.Linear(3, 4)
    layer.load_state_dict({"weight": np.zeros((4, 3)), "bias": np.zeros(4)})
    with pytest.raises(TypeError, match="Linear: input: expected real floating point numbers, got int64"):
        layer(np.zeros((2, 3), np.int64))
    with pytest.raises(ValueError, match=r"Linear: input: requires grad, .*\.detach\(\)"):
        layer(torch.zeros(2, 3, requires_grad=True))
    with pytest.raises(TypeError, match="Embedding: input: expected integers, got float64"):
        nn.Embedding(3, 4)(np.zeros(2))


OPTIONS: list[tuple[Any, str]] = [
    (lambda: nn.Linear(3, 4, device="cuda"), "expected device None or 'cpu', got 'cuda'"),
    (lambda: nn.Linear(3, 4, dtype="float16"), "expected dtype float32 or float64, got 'float16'"),
    (lambda: nn.Conv1d(3, 4, 2, groups=2), "expected channels divisible by groups=2, got 3 and 4"),
    (lambda: nn.Conv1d(4, 4, 2, stride=2, padding="same"), "expected stride 1 with padding='same', got 2"),
    (lambda: nn.Conv1d(4, 4, 2, padding_mode="mirror"), "expected padding_mode out of zeros, .*, got 'mirror'"),
    (lambda: nn.Conv1d(4, 4, 0), "expected kernel_size, stride and dilation of at least 1"),
    (lambda: nn.Conv1d(4, 4, 1, padding=-1), "expected padding of at least 0, got -1"),
    (lambda: nn.ConvTranspose1d(4, 4, 2, padding_mode="reflect"), "expected padding_mode 'zeros'"),
    (lambda: nn.Embedding(3, 4, padding_idx=3), "expected padding_idx within num_embeddings=3, got 3"),
    (lambda: nn.Embedding(3, 4, max_norm=1.0), "expected max_norm None"),
    (lambda: nn.MaxPool1d(2, dilation=2), "expected dilation 1, return_indices=False and ceil_mode=False"),
    (lambda: nn.AvgPool1d(2, count_include_pad=False), "expected ceil_mode=False and count_include_pad=True"),
    (lambda: nn.GELU("sigmoid"), "expected approximate 'none' or 'tanh', got 'sigmoid'"),
    (lambda: nn.Dropout(1.5), "expected p from 0 to 1, got 1.5"),
    (lambda: nn.LayerNorm(0), "expected normalized_shape of sizes of at least 1, got 0"),
]


@pytest.mark.parametrize(("make", "message"), OPTIONS)
def test_wrong_options_of_layers_are_errors(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
