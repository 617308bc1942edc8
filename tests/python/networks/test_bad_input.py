"""Promise 7 (no wrong number without a word): bad input is an error, and it changes nothing.

The error is a ValueError or a TypeError. Its message says what was expected and what came. Only a call without weights
is a RuntimeError, and a MemoryError stays one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils import prune

import gatecell
from helpers.errors import expect_error
from helpers.torch_case import Case

LSTM = Case("LSTM", 5, 7, 2, bidirectional=True, proj_size=3, steps=4, rows=3)


@pytest.fixture
def unharmed(isa: str) -> Iterator[Any]:
    """A network. After the test it must give the same results as before."""
    network, (x, hx) = LSTM.network(gatecell, isa=isa), LSTM.inputs()
    before, weights = network(x, hx)[0], network.state_dict()
    yield network
    np.testing.assert_array_equal(network(x, hx)[0], before)
    assert all(np.array_equal(weights[name], array) for name, array in network.state_dict().items())


@pytest.mark.parametrize("shape", [(), (5,), (4, 3, 5, 1)])
def test_wrong_rank_of_input_is_an_error(unharmed: Any, shape: tuple[int, ...]) -> None:
    with expect_error("expected", 5, "got", shape):
        unharmed(np.zeros(shape, "float32"))


@pytest.mark.parametrize("shape", [(4, 3, 6), (4, 3, 0), (4, 6), (4, 3, 1)])
def test_wrong_number_of_features_is_an_error(unharmed: Any, shape: tuple[int, ...]) -> None:
    with expect_error("expected input", 5, "got", shape):
        unharmed(np.zeros(shape, "float32"))


@pytest.mark.parametrize("which", ["h_0", "c_0"])
@pytest.mark.parametrize("change", [(0, -1), (1, 1), (1, -1), (2, 1), (2, -1)])
def test_wrong_shape_of_state_is_an_error(unharmed: Any, which: str, change: tuple[int, int]) -> None:
    """States with another number of direction runs, another number of rows or another number of features."""
    x, (h_0, c_0) = LSTM.inputs()
    states = {"h_0": h_0, "c_0": c_0}
    expected = list(states[which].shape)
    wrong = list(expected)
    wrong[change[0]] += change[1]
    states[which] = np.zeros(wrong, "float32")
    with expect_error("expected", which, tuple(expected), "got", tuple(wrong)):
        unharmed(x, (states["h_0"], states["c_0"]))


def test_missing_or_surplus_state_is_an_error(unharmed: Any) -> None:
    x, (h_0, c_0) = LSTM.inputs()
    for hx in (h_0, (h_0,), (h_0, c_0, c_0), (h_0, None), (None, c_0)):
        with expect_error("expected", error=(ValueError, TypeError)):
            unharmed(x, hx)
    gru = LSTM.with_(mode="GRU", proj_size=0)
    x, h_0 = gru.inputs()
    with expect_error("expected", error=(ValueError, TypeError)):
        gru.network(gatecell)(x, (h_0, h_0))


def test_wrong_rank_of_state_is_an_error(unharmed: Any) -> None:
    x, (h_0, c_0) = LSTM.inputs()
    with expect_error("expected h_0", "(4, 3)", "got", "(4, 3, 3)"):
        unharmed(x[:, 0], (h_0, c_0))
    with expect_error("expected h_0", "(4, 3, 3)", "got", "(4, 3)"):
        unharmed(x, (h_0[:, 0], c_0[:, 0]))


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint8", "complex64", "complex128", "object", "U3"])
def test_wrong_dtype_of_inputs_is_an_error(unharmed: Any, dtype: str) -> None:
    x, (h_0, c_0) = LSTM.inputs()
    kind = np.zeros(0, dtype).dtype
    with expect_error("expected", "float", "got", kind, error=TypeError):
        unharmed(np.zeros(x.shape, dtype), (h_0, c_0))
    with expect_error("h_0", "expected", "got", kind, error=TypeError):
        unharmed(x, (np.zeros(h_0.shape, dtype), c_0))
    with expect_error("c_0", "expected", "got", kind, error=TypeError):
        unharmed(x, (h_0, np.zeros(c_0.shape, dtype)))


class Raises:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.error


class Detachable:
    """A class that is not from torch, although it has a method detach()."""

    def detach(self) -> Detachable:
        return self


NO_ARRAYS: dict[str, tuple[Any, list[str]]] = {
    "None": (None, ["got None"]),
    "text": ("text", ["got str"]),
    "dict": ({}, ["got dict"]),
    "object": (object(), ["got object"]),
    "generator": ((n for n in range(3)), ["got generator"]),
    "int": (3, ["got int"]),
    "ragged list": ([[1.0], [1.0, 2.0]], ["cannot view this list"]),
    "objects in a list": ([None, 1.0], ["got object"]),
    "masked": (np.ma.zeros((4, 3, 5)), ["masked", "fill it first"]),
    "detach": (Detachable(), ["got Detachable"]),
    "IndexError": (Raises(IndexError("absent")), ["cannot view this Raises", "absent"]),
    "its own error": (Raises(type("OwnError", (Exception,), {})("absent")), ["cannot view this Raises", "absent"]),
    "negative bit": (torch.zeros(4, 3, 5, dtype=torch.complex64).conj().imag, ["cannot view", "negative bit"]),
}


@pytest.mark.parametrize("name", NO_ARRAYS)
def test_input_that_is_no_array_is_an_error(unharmed: Any, name: str) -> None:
    value, words = NO_ARRAYS[name]
    _, (h_0, c_0) = LSTM.inputs()
    with expect_error("input: ", *words, error=TypeError):
        unharmed(value, (h_0, c_0))
    with expect_error("c_0: ", *words, error=TypeError):
        unharmed(LSTM.inputs()[0], (h_0, value))
    if not hasattr(value, "shape"):
        with expect_error("weight_hh_l1: ", *words, error=TypeError):
            unharmed.load_state_dict(LSTM.state_dict() | {"weight_hh_l1": value})


def test_a_masked_weight_is_an_error(unharmed: Any) -> None:
    weights = LSTM.state_dict()
    with expect_error("weight_hh_l1: ", "fill it first", error=TypeError):
        unharmed.load_state_dict(weights | {"weight_hh_l1": np.ma.masked_less(weights["weight_hh_l1"], 0)})


def test_out_of_memory_stays_a_memory_error(unharmed: Any) -> None:
    with pytest.raises(MemoryError):
        unharmed(Raises(MemoryError()))


def test_input_that_requires_grad_is_an_error(unharmed: Any) -> None:
    with expect_error(".detach()"):
        unharmed(torch.zeros(4, 3, 5, requires_grad=True))


def test_a_call_without_weights_is_an_error() -> None:
    network = gatecell.LSTM(5, 7)
    with expect_error("load_state_dict", error=RuntimeError):
        network(np.zeros((1, 1, 5), "float32"))


def outs() -> dict[str, tuple[Callable[[Any], Any], list[object], type[Exception]]]:
    """Wrong values for out= in a call with an input (4, 3, 5) of the network LSTM.

    Each has words of the error message and the type of the error.
    """
    read_only = np.zeros((4, 3, 6), "float32")
    read_only.flags.writeable = False
    return {
        "shape": (lambda x: np.zeros((4, 3, 7), "float32"), [(4, 3, 6), (4, 3, 7)], ValueError),
        "rank": (lambda x: np.zeros((12, 6), "float32"), [(4, 3, 6), (12, 6)], ValueError),
        "dtype": (lambda x: np.zeros((4, 3, 6)), ["float32", "float64"], TypeError),
        "byte order": (lambda x: np.zeros((4, 3, 6), ">f4"), ["float32"], TypeError),
        "read-only": (lambda x: read_only, ["read-only"], ValueError),
        "type": (lambda x: [[[0.0] * 6] * 3] * 4, ["array", "list"], TypeError),
        "overlap": (lambda x: x.base[1 : 1 + 72].reshape(4, 3, 6), ["overlap"], ValueError),
    }


@pytest.mark.parametrize("wrong", list(outs()))
def test_wrong_out_is_an_error(unharmed: Any, wrong: str) -> None:
    make, words, error = outs()[wrong]
    x = np.zeros(80, "float32")[:60].reshape(4, 3, 5)
    out = make(x)
    before = np.array(out)
    with expect_error("out", *words, error=error):
        unharmed(x, out=out)
    np.testing.assert_array_equal(out, before)
    assert not x.any()


def test_out_that_overlaps_a_state_is_an_error(unharmed: Any) -> None:
    x, (_, c_0) = LSTM.inputs()
    buffer = np.zeros(100, "float32")
    with expect_error("out", "overlap"):
        unharmed(x, (buffer[:36].reshape(4, 3, 3), c_0), out=buffer[20:92].reshape(4, 3, 6))
    assert not buffer.any()

    with expect_error("out", "overlap"):
        x, (h_0, c_0) = LSTM.inputs()
        unharmed(x, (h_0, buffer[:84].reshape(4, 3, 7)), out=buffer[20:92].reshape(4, 3, 6))
    assert not buffer.any()


@pytest.mark.parametrize("strides", [(0, 24, 4), (72, 0, 4), (72, 20, 4), (68, 24, 4), (24, 24, 4), (-60, 24, 4)])
def test_out_that_overlaps_itself_is_an_error(unharmed: Any, strides: tuple[int, ...]) -> None:
    buffer = np.zeros(200, "float32")
    out = np.lib.stride_tricks.as_strided(buffer[100:], (4, 3, 6), strides)
    with expect_error("out", "element of its own", strides):
        unharmed(LSTM.inputs()[0], out=out)
    assert not buffer.any()


def test_an_error_leaves_out_as_it_was(unharmed: Any) -> None:
    out = np.full((4, 3, 6), 7, "float32")
    with expect_error("expected"):
        unharmed(np.zeros((4, 3, 9), "float32"), out=out)
    assert (out == 7).all()


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1), (1, -7, 1), (1, 1, -2)])
def test_sizes_below_1_are_errors(name: str, sizes: tuple[int, int, int]) -> None:
    with expect_error(min(sizes)):
        getattr(gatecell, name)(*sizes)
    if sizes[2] == 1:
        with expect_error(min(sizes)):
            getattr(gatecell, f"{name}Cell")(*sizes[:2])


@pytest.mark.parametrize("proj_size", [7, 8, -1])
def test_wrong_proj_size_is_an_error(proj_size: int) -> None:
    with expect_error("proj_size", proj_size):
        gatecell.LSTM(5, 7, proj_size=proj_size)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_sizes_with_a_product_that_overflows_are_errors(name: str) -> None:
    for sizes in (
        (2**31, 2**31),
        (2**62, 1),
        (1, 2**62),
        (1, 2**40),
        (2**63 - 1, 2**63 - 1),
        (2**64, 1),
        (1, 1, 2**62),
    ):
        with expect_error():
            getattr(gatecell, name)(*sizes)


def test_a_size_that_is_no_int_is_an_error() -> None:
    for sizes in ((5.0, 7), (5, "7"), (True, 7), (5, np.bool_(True)), (5, np.float32(7)), (np.array([5]), None)):
        with expect_error("expected ", "_size to be an int, got ", error=TypeError):
            gatecell.LSTM(*sizes)


def test_sizes_may_be_numpy_ints() -> None:
    network = gatecell.LSTM(np.int64(5), np.uint8(7), np.array(2), proj_size=np.int32(3))
    sizes = [network.input_size, network.hidden_size, network.num_layers, network.proj_size]
    assert sizes == [5, 7, 2, 3]
    assert {type(size) for size in sizes} == {int}
    for size in (2**63, -(2**70)):
        with expect_error("expected hidden_size to fit in 64 bits, got", size):
            gatecell.LSTM(5, size)


@pytest.mark.parametrize("options", [{"nonlinearity": "sigmoid"}, {"dtype": "float16"}, {"device": "cuda"}])
def test_wrong_options_are_errors(options: dict[str, str]) -> None:
    with expect_error(*options.values()):
        gatecell.RNN(5, 7, **options)


def test_an_error_lists_all_keys_with_shapes(unharmed: Any) -> None:
    """One message lists all missing keys, unexpected keys and wrong shapes. The network keeps its weights."""
    weights = {name: array + 1 for name, array in LSTM.state_dict().items()}
    del weights["bias_ih_l1"], weights["weight_hr_l0_reverse"]
    weights |= {"weight_hh_l0": np.zeros((28, 7), "float32"), "extra": np.zeros(3, "float32")}
    with expect_error("bias_ih_l1", "weight_hr_l0_reverse", "extra", "weight_hh_l0", "(28, 3)", "(28, 7)"):
        unharmed.load_state_dict(weights)


def test_missing_key_is_an_error_when_not_strict_too(unharmed: Any) -> None:
    weights = LSTM.state_dict()
    del weights["weight_ih_l1_reverse"]
    with expect_error("weight_ih_l1_reverse"):
        unharmed.load_state_dict(weights, strict=False)


@pytest.mark.parametrize("dtype", ["bool", "int64", "complex64", "object"])
def test_wrong_dtype_of_weights_is_an_error(unharmed: Any, dtype: str) -> None:
    weights = LSTM.state_dict()
    weights["weight_hh_l1"] = weights["weight_hh_l1"].astype(dtype)
    with expect_error("weight_hh_l1", dtype, error=TypeError):
        unharmed.load_state_dict(weights)


def test_weights_of_another_cell_are_an_error(unharmed: Any) -> None:
    with expect_error("looks like a GRU"):
        unharmed.load_state_dict(Case("GRU", 5, 7, 2, bidirectional=True).state_dict())


def test_a_prefix_that_matches_nothing_is_an_error(unharmed: Any) -> None:
    weights = {f"{prefix}.{name}": a for prefix in ("encoder.rnn", "decoder") for name, a in LSTM.state_dict().items()}
    for call in (unharmed.load_state_dict, gatecell.LSTM.from_state_dict):
        with expect_error("head", "encoder.rnn", "decoder"):
            call(weights, prefix="head.")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_keys_of_wrapped_modules_are_errors_with_a_cure(unharmed: Any, prefix: str) -> None:
    """Keys with the prefixes of DataParallel and torch.compile: the message names the prefix= that is needed."""
    weights = {prefix + name: array for name, array in LSTM.state_dict().items()}
    with expect_error("prefix", prefix):
        unharmed.load_state_dict(weights)
    unharmed.load_state_dict(weights, prefix=prefix)


def test_pruned_weights_are_an_error(unharmed: Any) -> None:
    module = LSTM.module()
    prune.l1_unstructured(module, "weight_hh_l0", 0.5)
    assert "weight_hh_l0_mask" in module.state_dict()
    with expect_error("weight_hh_l0", "prune.remove"):
        unharmed.load_state_dict(module.state_dict())


def test_weight_normed_weights_are_an_error(unharmed: Any) -> None:
    old, new = LSTM.module(), LSTM.module()
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(old, "weight_hh_l0")
    torch.nn.utils.parametrizations.weight_norm(new, "weight_hh_l0")
    with expect_error("weight_hh_l0", "remove_weight_norm"):
        unharmed.load_state_dict(old.state_dict())
    with expect_error("weight_hh_l0", "remove_parametrizations"):
        unharmed.load_state_dict(new.state_dict())


def test_a_meta_tensor_is_an_error(unharmed: Any) -> None:
    weights = {name: torch.from_numpy(array) for name, array in LSTM.state_dict().items()}
    weights["bias_hh_l1"] = weights["bias_hh_l1"].to("meta")
    with expect_error("bias_hh_l1", "meta"):
        unharmed.load_state_dict(weights)


def hostile(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def tensor(dtype: object = "F32", shape: object = (2, 2), offsets: object = (0, 16)) -> dict[str, object]:
    return {"weight": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


HOSTILE = {
    "empty": b"",
    "no header": b"\x05\0\0",
    "header beyond the end": hostile(b"{}", length=2**20),
    "header of 2^63": hostile(b"{}", length=2**63),
    "header of 2^64-1": hostile(b"{}", length=2**64 - 1),
    "no JSON": hostile(b"{'a"),
    "no UTF-8": hostile(b'{"\xff": 1}'),
    "deep JSON": hostile(b"[" * 100_000),
    "no object": hostile([1, 2]),
    "no tensor object": hostile({"weight": 7}),
    "nothing in it": hostile({"weight": {}}),
    "unknown dtype": hostile(tensor(dtype="Q7"), bytes(16)),
    "dtype of another type": hostile(tensor(dtype=[]), bytes(16)),
    "negative size": hostile(tensor(shape=(-2, -2)), bytes(16)),
    "size that is no integer": hostile(tensor(shape=(2.0, "2")), bytes(16)),
    "shape that is no list": hostile(tensor(shape=4), bytes(16)),
    "sizes that overflow": hostile(tensor(shape=(2**40, 2**40)), bytes(16)),
    "sizes that wrap to 16 bytes": hostile(tensor(shape=(2**62 + 4,)), bytes(16)),
    "offsets beyond the end": hostile(tensor(offsets=(16, 32)), bytes(16)),
    "offsets backwards": hostile(tensor(offsets=(16, 0)), bytes(16)),
    "negative offsets": hostile(tensor(offsets=(-16, 0)), bytes(16)),
    "offsets of another size": hostile(tensor(offsets=(0, 12)), bytes(16)),
    "one offset": hostile(tensor(offsets=(0,)), bytes(16)),
    "offsets that are no integers": hostile(tensor(offsets=("0", "16")), bytes(16)),
    "truncated data": hostile(tensor(), bytes(15)),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_headers_are_errors(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(HOSTILE[name])
    with expect_error("hostile.safetensors", error=(ValueError, TypeError)):
        gatecell.load(path)


def test_every_truncation_of_a_good_file_is_an_error(tmp_path: Path) -> None:
    from safetensors.numpy import save

    whole, path = save(Case(hidden_size=2, input_size=1).state_dict()), tmp_path / "cut.safetensors"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with expect_error("cut.safetensors"):
            gatecell.load(path)
    path.write_bytes(whole)
    assert len(gatecell.load(path)) == 4
