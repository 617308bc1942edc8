"""Promise 1 (parity) without torch: the committed golden networks, on every ISA. tests/cpp reads the same files."""

from __future__ import annotations

from pathlib import Path

import pytest

import gatecell
from golden import read_golden
from helpers.parity import assert_parity, largest_difference, named_outputs

NETWORKS = sorted((Path(__file__).parents[2] / "golden" / "networks").glob("*.golden"))


def test_goldens_exist_for_every_cell() -> None:
    modes = {(golden.options["mode"], golden.options["dtype"]) for golden in map(read_golden, NETWORKS)}
    assert modes == {
        (mode, dtype) for mode in ("LSTM", "GRU", "RNN_TANH", "RNN_RELU") for dtype in ("float32", "float64")
    }


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_golden_networks_keep_the_bound(path: Path, isa: str) -> None:
    options, arrays = read_golden(path)
    name, _, nonlinearity = options["mode"].partition("_")
    flags = {"nonlinearity": nonlinearity.lower()} if name == "RNN" else {}
    weights = {key: array for key, array in arrays.items() if key.startswith(("weight", "bias"))}
    network = getattr(gatecell, name).from_state_dict(weights, isa=isa, **flags)
    for size in ("input_size", "hidden_size", "num_layers"):
        assert getattr(network, size) == int(options[size])
    states = [arrays[key] for key in ("h_0", "c_0") if key in arrays]
    hx = None if not states else tuple(states) if name == "LSTM" else states[0]
    outputs = [key for key in ("y", "h_n", "c_n") if key in arrays]
    reference = {key: arrays[key] for key in outputs}
    own_error = largest_difference({key: arrays[f"{key}_float32"] for key in outputs}, reference)
    assert_parity(named_outputs(*network(arrays["x"], hx)), reference, own_error, options["dtype"], path.stem)
