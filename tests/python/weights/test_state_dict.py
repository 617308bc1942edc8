"""State dicts: torch's keys, shapes and bits; sizes and types read off tensors.

Promise 7 (no wrong number without a word): an error names the wrong keys, at most 50 of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import gatecell
from helpers.errors import error_lines
from helpers.state_dicts import add_prefix, assert_same_arrays, torch_weights

GRID = [
    (name, {"num_layers": layers, "bias": bias, "bidirectional": both} | proj)
    for name in ("LSTM", "GRU", "RNN")
    for layers in (1, 2, 3)
    for bias in (True, False)
    for both in (False, True)
    for proj in ([{}, {"proj_size": 3}] if name == "LSTM" else [{}])
] + [(name, {"bias": bias}) for name in ("LSTMCell", "GRUCell", "RNNCell") for bias in (True, False)]


@pytest.mark.parametrize(("name", "options"), GRID)
def test_keys_shapes_and_order_are_torchs(name: str, options: dict[str, Any]) -> None:
    expected = torch_weights(name, **options)
    ours = getattr(gatecell, name)(5, 7, **options)
    assert ours.load_state_dict(expected) == ([], [])
    assert_same_arrays(ours.state_dict(), expected)


@pytest.mark.parametrize(("name", "options"), GRID)
def test_sizes_are_read_off_the_tensors(name: str, options: dict[str, Any]) -> None:
    state_dict = torch_weights(name, **options)
    read = getattr(gatecell, name).from_state_dict(add_prefix("a.b.", state_dict), prefix="a.b")
    for option, value in {"input_size": 5, "hidden_size": 7, **options}.items():
        assert getattr(read, option) == value
    assert_same_arrays(read.state_dict(), state_dict)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_layers_read_a_cells_names(name: str) -> None:
    cell = torch_weights(name + "Cell")
    layer = getattr(gatecell, name).from_state_dict(cell)
    assert_same_arrays(layer.state_dict(), {key + "_l0": array for key, array in cell.items()})
    x = np.random.default_rng(0).standard_normal((3, 5))
    result, expected = layer(x[None])[1], getattr(gatecell, name + "Cell").from_state_dict(cell)(x)
    np.testing.assert_array_equal(np.squeeze(result), np.squeeze(expected))
    # The caller gives the sizes, so the names must be the names of the class.
    with pytest.raises(ValueError, match=r"unexpected: weight_ih\n"):
        layer.load_state_dict(cell)


def test_bits_come_back(dtype: str) -> None:
    """Some values are signed zeros, denormals, infinities or NaNs with a payload, which arithmetic could change."""
    state_dict = {key: array.astype(dtype) for key, array in torch_weights("GRU").items()}
    bits = np.uint32 if dtype == "float32" else np.uint64
    for array in state_dict.values():
        values = np.random.default_rng(0).integers(0, np.iinfo(bits).max, array.shape, bits, endpoint=True)
        array[...] = values.view(dtype)
        array.flat[:3] = -0.0, np.inf, np.finfo(dtype).tiny / 2
    got = gatecell.GRU.from_state_dict(state_dict).state_dict()
    assert all(got[key].tobytes() == array.tobytes() for key, array in state_dict.items())


def unaligned(array: NDArray[Any]) -> NDArray[Any]:
    copy = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


TENSORS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "parameter that requires grad": lambda array: torch.nn.Parameter(torch.from_numpy(array)),
    "not contiguous tensor": lambda array: torch.from_numpy(np.asfortranarray(array)),
    "every other element": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "Fortran order": np.asfortranarray,
    "unaligned": unaligned,
    "read-only": read_only,
    "other byte order": lambda array: array.astype(">f4"),
    "float64": lambda array: array.astype("float64"),
    "long double": lambda array: array.astype(np.longdouble),
    "nested lists": lambda array: array.tolist(),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_weights_may_be_any_arrays(kind: str) -> None:
    expected = torch_weights()
    ours = gatecell.LSTM(5, 7)
    ours.load_state_dict({key: TENSORS[kind](array) for key, array in expected.items()})
    assert_same_arrays(ours.state_dict(), expected)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_types_are_widened(half: torch.dtype) -> None:
    tensors = {key: torch.nn.Parameter(torch.from_numpy(array).to(half)) for key, array in torch_weights().items()}
    ours = gatecell.LSTM.from_state_dict(tensors)
    assert ours.dtype == np.float32
    assert_same_arrays(ours.state_dict(), {key: tensor.detach().float().numpy() for key, tensor in tensors.items()})


@pytest.mark.parametrize(
    ("types", "dtype", "expected"),
    [
        (["float32"], None, "float32"),
        (["float64"], None, "float64"),
        (["float16"], None, "float32"),
        (["float16", "float32"], None, "float32"),
        (["float32", "float64", "float16"], None, "float64"),
        ([np.longdouble], None, "float64"),
        (["float64"], "float32", "float32"),
        (["float32"], torch.float64, "float64"),
    ],
)
def test_the_tensors_choose_the_dtype(types: list[Any], dtype: Any, expected: str) -> None:
    state_dict = {
        key: array.astype(types[index % len(types)]) for index, (key, array) in enumerate(torch_weights("GRU").items())
    }
    ours = gatecell.GRU.from_state_dict(state_dict, dtype=dtype)
    assert ours.dtype == expected
    assert_same_arrays(ours.state_dict(), {key: array.astype(expected) for key, array in state_dict.items()})


def test_load_keeps_the_networks_dtype() -> None:
    ours = gatecell.GRU(5, 7)
    huge = {key: np.full_like(array, 1e300, dtype="float64") for key, array in torch_weights("GRU").items()}
    ours.load_state_dict(huge)  # as in torch there is no warning about the overflow; a warning would be an error
    assert ours.dtype == np.float32
    assert np.isposinf(ours.state_dict()["weight_hh_l0"]).all()


@pytest.mark.parametrize("prefix", ["enc", "enc."])
def test_only_keys_under_the_prefix_are_used(prefix: str) -> None:
    ours, mine = gatecell.LSTM(5, 7), torch_weights()
    ours.load_state_dict(
        add_prefix("enc.", mine) | add_prefix("encoder.", torch_weights()) | torch_weights(), prefix=prefix
    )
    assert_same_arrays(ours.state_dict(), mine)


def test_error_lists_every_missing_unexpected_and_misshaped_key() -> None:
    ours = gatecell.LSTM(5, 7, 2)
    state_dict = add_prefix("enc.", torch_weights(num_layers=2))
    del state_dict["enc.bias_hh_l1"], state_dict["enc.weight_ih_l0"]
    state_dict["enc.weight_ih_l1"] = np.zeros((28, 6), "float32")
    state_dict["enc.weight_ih_l2"] = state_dict["enc.fc"] = state_dict["dec.fc"] = np.zeros(1)
    assert error_lines(lambda: ours.load_state_dict(state_dict, prefix="enc")) == [
        "LSTM: the state dict does not fit under 'enc.':",
        "  missing: enc.weight_ih_l0 (28, 5)",
        "  missing: enc.bias_hh_l1 (28,)",
        "  unexpected: enc.weight_ih_l2",
        "  unexpected: enc.fc",
        "  wrong shape: enc.weight_ih_l1: expected (28, 7), got (28, 6)",
    ]
    with pytest.raises(RuntimeError, match="no weights"):
        ours.state_dict()


def test_not_strict_ignores_unexpected_keys_and_returns_them() -> None:
    ours, state_dict = gatecell.LSTM(5, 7), torch_weights()
    result = ours.load_state_dict(
        add_prefix("enc.", state_dict) | {"enc.fc": "no array", "x": 1}, strict=False, prefix="enc"
    )
    assert (result.missing_keys, result.unexpected_keys) == ([], ["enc.fc"])
    assert_same_arrays(ours.state_dict(), state_dict)
    del state_dict["bias_hh_l0"]
    lines = error_lines(lambda: ours.load_state_dict(state_dict | {"fc": 1}, strict=False))
    assert lines[1] == "  missing: bias_hh_l0 (28,)"
    assert lines[2].endswith("zeros make the other: bias_hh_l0 = np.zeros_like(bias_ih_l0)")


@pytest.mark.parametrize(
    ("name", "found", "said"),
    [
        ("LSTM", "GRU", "a GRU, or an LSTM with coupled_gates=True"),
        ("GRU", "LSTM", "an LSTM"),
        ("LSTMCell", "RNNCell", "an RNN"),
    ],
)
def test_weights_of_another_cell_give_a_hint(name: str, found: str, said: str) -> None:
    ours = getattr(gatecell, name)
    assert error_lines(lambda: ours(5, 7).load_state_dict(torch_weights(found)))[-1] == f"it looks like {said}"
    assert error_lines(lambda: ours.from_state_dict(torch_weights(found)))[-1] == f"it looks like {said}"


def test_a_projected_lstm_in_a_gru_gives_a_hint() -> None:
    lines = error_lines(lambda: gatecell.GRU.from_state_dict(torch_weights("LSTM", proj_size=3)))
    assert "  unexpected: weight_hr_l0" in lines
    assert lines[-1] == "it looks like an LSTM"


def test_another_size_does_not_look_like_another_cell() -> None:
    assert "looks" not in str(error_lines(lambda: gatecell.LSTM(5, 6).load_state_dict(torch_weights("LSTM"))))


def test_a_missing_layer_is_an_error() -> None:
    state_dict = {key: value for key, value in torch_weights(num_layers=3).items() if not key.endswith("_l1")}
    lines = error_lines(lambda: gatecell.LSTM.from_state_dict(state_dict))
    assert "  missing: weight_ih_l1 (28, 7)" in lines
    assert "  unexpected: weight_ih_l2" in lines


def test_a_huge_layer_number_is_not_counted_up_to() -> None:
    state_dict = torch_weights() | {"weight_ih_l999999999999": np.zeros((28, 7))}
    assert "  unexpected: weight_ih_l999999999999" in error_lines(lambda: gatecell.LSTM.from_state_dict(state_dict))


def test_weights_that_are_no_matrices_are_errors() -> None:
    state_dict = torch_weights() | {"weight_hh_l0": np.zeros(28)}
    lines = error_lines(lambda: gatecell.LSTM.from_state_dict(state_dict))
    assert lines[1:] == ["  wrong shape: weight_hh_l0: expected a matrix, got (28,)"]


def test_prefix_that_matches_nothing_lists_those_that_exist() -> None:
    state_dict = (
        add_prefix("enc.rnn.", torch_weights())
        | add_prefix("dec.", torch_weights("GRUCell"))
        | {"head.fc.bias": np.zeros(3)}
    )
    for call in (gatecell.LSTM(5, 7).load_state_dict, gatecell.LSTM.from_state_dict):
        assert error_lines(lambda call=call: call(state_dict, prefix="encoder")) == [
            "LSTM: no key of the state dict starts with 'encoder.': "
            "its recurrent weights are under prefix='enc.rnn.', prefix='dec.'"
        ]
        assert error_lines(lambda call=call: call(state_dict, prefix="head"))[-1].endswith("'enc.rnn.', prefix='dec.'")
        assert error_lines(lambda call=call: call({"head.fc.bias": 0}, prefix="a"))[-1].endswith(
            "only prefixes 'head.fc.'"
        )
        assert error_lines(lambda call=call: call({})) == ["LSTM: the state dict is empty"]


def test_a_nested_checkpoint_is_an_error_with_a_cure() -> None:
    checkpoint = {"epoch": 3, "state_dict": torch_weights()}
    for call in (gatecell.LSTM(5, 7).load_state_dict, gatecell.LSTM.from_state_dict):
        for prefix in ("", "encoder"):
            assert error_lines(lambda call=call, p=prefix: call(checkpoint, prefix=p))[-1].endswith(
                "it has no recurrent weights, but 'state_dict' holds a mapping: pass state_dict['state_dict']"
            )


def test_a_prefix_that_is_no_text_is_an_error() -> None:
    for prefix, kind in ((None, "NoneType"), (0, "int"), (b"enc.", "bytes")):
        for call in (gatecell.LSTM(5, 7).load_state_dict, gatecell.LSTM.from_state_dict):
            with pytest.raises(TypeError, match=f"expected prefix to be a str, got {kind}$"):
                call(torch_weights(), prefix=prefix)  # type: ignore[arg-type]


def test_a_huge_number_of_layers_is_an_error() -> None:
    assert error_lines(lambda: gatecell.LSTM(5, 7, 10**6).load_state_dict(torch_weights())) == [
        "LSTM: the state dict does not fit: expected 1000000 layers, got 1"
    ]


def test_long_lists_are_cut() -> None:
    extra = {f"extra{n}": 0 for n in range(53)}
    lines = error_lines(lambda: gatecell.LSTM(5, 7).load_state_dict(torch_weights() | extra))
    assert lines[1:] == [
        *(f"  unexpected: extra{n}" for n in range(50)),
        "... and 3 more",
        "strict=False ignores what is unexpected",
    ]
    lines = error_lines(lambda: gatecell.LSTM(5, 7, 20).load_state_dict(torch_weights()))
    assert (len(lines), lines[-1]) == (52, "... and 26 more")
    layers = {f"layers.{n}.{key}": array for n in range(60) for key, array in torch_weights().items()}
    assert error_lines(lambda: gatecell.LSTM.from_state_dict(layers))[-1].endswith("'layers.49.', ... and 10 more")


@pytest.mark.parametrize(("name", "found", "kind"), [("GRUCell", "GRU", "layer"), ("GRU", "GRUCell", "cell")])
def test_a_layers_weights_in_a_cell_and_the_reverse(name: str, found: str, kind: str) -> None:
    ours = getattr(gatecell, name)(5, 7)
    assert (
        error_lines(lambda: ours.load_state_dict(torch_weights(found)))[-1] == f"it has the names of a {kind}'s weights"
    )


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod."])
def test_wrapped_modules_name_the_prefix(wrapper: str) -> None:
    for state_dict, prefix in (
        (add_prefix(wrapper, torch_weights()), ""),
        (add_prefix("enc." + wrapper, torch_weights()), "enc"),
        (add_prefix(wrapper + "enc.", torch_weights()), "enc"),
    ):
        cure = next(iter(state_dict)).removesuffix("weight_ih_l0")
        for call in (gatecell.LSTM(5, 7).load_state_dict, gatecell.LSTM.from_state_dict):
            last_line = error_lines(lambda call=call, s=state_dict, p=prefix: call(s, prefix=p))[-1]
            assert last_line.endswith(f"its recurrent weights are under prefix={cure!r}")
        gatecell.LSTM(5, 7).load_state_dict(state_dict, prefix=cure)


@pytest.mark.parametrize(
    ("suffixes", "cure"),
    [
        ("{}_orig {}_mask", "torch.nn.utils.prune.remove"),
        ("{}_g {}_v", "torch.nn.utils.remove_weight_norm"),
        ("{}_orig {}_u {}_v", "torch.nn.utils.remove_spectral_norm"),
        ("parametrizations.{}.original0 parametrizations.{}.original1", "parametrize.remove_parametrizations"),
        ("parametrizations.{}.original", "parametrize.remove_parametrizations"),
    ],
)
def test_reparametrised_weights_name_the_cure(suffixes: str, cure: str) -> None:
    """test_from_torch.py has the real modules."""
    state_dict = torch_weights()
    array = state_dict.pop("weight_hh_l0")
    state_dict |= dict.fromkeys(suffixes.replace("{}", "weight_hh_l0").split(), array)
    for strict in (True, False):
        lines = error_lines(lambda s=strict: gatecell.LSTM(5, 7).load_state_dict(state_dict, strict=s))
        assert lines[-1].endswith(f"{cure}(module, 'weight_hh_l0')")
    assert cure in error_lines(lambda: gatecell.LSTM.from_state_dict(state_dict))[-1]
    for name in ("weight_hh_l0", "weight_ih_l0"):  # all matrices have that form
        array = state_dict.pop(name, None)
        state_dict |= dict.fromkeys(suffixes.replace("{}", name).split(), array)
    for found in ("", "enc.", "module.enc.", "a.module._orig_mod.enc."):
        for prefix in {"", "enc", "module.enc", found}:
            for call in (gatecell.LSTM(5, 7).load_state_dict, gatecell.LSTM.from_state_dict):
                lines = error_lines(lambda c=call, f=found, p=prefix: c(add_prefix(f, state_dict), prefix=p))
                for name in ("weight_hh_l0", "weight_ih_l0"):
                    assert any(line.endswith(f"{cure}(module, {name!r})") for line in lines)
                assert "no recurrent weights" not in str(lines)
                where = f"its recurrent weights are under prefix={found!r}"
                assert any(line.endswith(where) for line in lines) == (found.rstrip(".") != prefix.rstrip("."))


def test_cures_are_of_the_modules_under_the_prefix() -> None:
    pruned = {"fc.weight_mask": 0, "dec.weight_hh_l0_mask": 0, "enc.weight_ih_l0": np.zeros((28, 5))}
    lines = error_lines(lambda: gatecell.LSTM.from_state_dict(pruned, prefix="enc"))
    assert "  missing: enc.weight_hh_l0" in lines
    assert "prune" not in str(lines)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (torch.zeros(28, 7, device="meta"), ValueError, "meta tensor"),
        (torch.zeros(28, 7, dtype=torch.int8), TypeError, "floating point numbers, got int8"),
        (torch.zeros(28, 7, dtype=torch.complex64), TypeError, "floating point numbers, got complex64"),
        (torch.zeros(28, 7, dtype=torch.float8_e4m3fn), TypeError, "cannot view"),
        (torch.zeros(28, 7).to_sparse(), TypeError, "cannot view"),
        (np.zeros((28, 7), bool), TypeError, "floating point numbers, got bool"),
        (np.zeros((28, 7), object), TypeError, "floating point numbers, got object"),
    ],
)
def test_tensors_without_real_numbers_are_errors(value: Any, error: type[Exception], message: str) -> None:
    ours = gatecell.LSTM.from_state_dict(add_prefix("enc.", torch_weights()), prefix="enc")
    before = ours.state_dict()
    with pytest.raises(error, match=f"^enc.weight_hh_l0: .*{message}"):
        ours.load_state_dict(add_prefix("enc.", torch_weights() | {"weight_hh_l0": value}), prefix="enc")
    assert_same_arrays(ours.state_dict(), before)


def test_other_objects_than_state_dicts_are_errors() -> None:
    for value in (None, [1], torch.nn.LSTM(5, 7)):
        with pytest.raises(TypeError, match="expected a state dict"):
            gatecell.LSTM(5, 7).load_state_dict(value)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got the key 3"):
        gatecell.LSTM(5, 7).load_state_dict({3: np.zeros(1)})  # type: ignore[dict-item]


def test_flags_that_the_tensors_tell_are_refused() -> None:
    with pytest.raises(TypeError, match=r"LSTM\.from_state_dict reads bidirectional, hidden_size off the tensors"):
        gatecell.LSTM.from_state_dict(torch_weights(), hidden_size=7, bidirectional=True)
    with pytest.raises(TypeError, match="nonlinearity"):
        gatecell.LSTM.from_state_dict(torch_weights(), nonlinearity="relu")


def test_lists_of_numbers_are_float32_as_in_torch() -> None:
    """Lists of numbers, as read from JSON. torch.tensor makes float32 of lists, too."""
    theirs = nn.LSTM(3, 4)
    lists = json.loads(json.dumps({name: tensor.tolist() for name, tensor in theirs.state_dict().items()}))
    lists["bias_ih_l0"] = [0] * 16  # a list of ints
    ours = gatecell.LSTM.from_state_dict(lists)
    assert ours.dtype == np.float32
    for name, array in ours.state_dict().items():
        expected = torch.tensor(lists[name], dtype=torch.float32).numpy()
        np.testing.assert_array_equal(array, expected)
    (layer,) = gatecell.find_layers(lists)
    assert (layer.cell, layer.dtype) == ("LSTM", np.float32)
    assert gatecell.LSTM.from_state_dict(lists, dtype="float64").dtype == np.float64
    doubles = {name: list(map(np.asarray, values)) for name, values in lists.items()}  # arrays have a dtype
    assert gatecell.LSTM.from_state_dict(doubles | {"bias_ih_l0": np.zeros(16)}).dtype == np.float64
    for wrong in ([[1.0, 2.0], [3.0]], [True] * 16, ["a"] * 16, [None] * 16):
        with pytest.raises(TypeError, match="bias_ih_l0: "):
            gatecell.LSTM.from_state_dict(lists | {"bias_ih_l0": wrong})


@pytest.mark.parametrize("names", [("bias_ih_l0", "bias_hh_l0"), ("bias_ih", "bias_hh")])
def test_one_bias_needs_zeros_as_the_other(names: tuple[str, str]) -> None:
    state_dict = (nn.LSTM if "_l0" in names[0] else nn.LSTMCell)(3, 4).state_dict()
    cls = gatecell.LSTM if "_l0" in names[0] else gatecell.LSTMCell
    given, other = names
    summed = {given: state_dict[given] + state_dict[other]}
    one = {k: v for k, v in state_dict.items() if k not in names} | summed
    with pytest.raises(ValueError, match=f"it has one bias: .*{other} = np.zeros_like\\({given}\\)"):
        cls.from_state_dict(one)
    x = np.ones((2, 3), np.float32)
    ours, theirs = (cls.from_state_dict(sd)(x)[0] for sd in (one | {other: np.zeros_like(one[given])}, state_dict))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
