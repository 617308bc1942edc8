"""gatecell.find_layers lists exactly the layers that the classes can read, for torch.nn and for extended cells."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gatecell

TORCH: dict[str, Any] = {
    "LSTM": nn.LSTM(3, 4),
    "deep": nn.LSTM(3, 4, 3, bidirectional=True),
    "projected": nn.LSTM(3, 4, 2, proj_size=2),
    "no bias": nn.GRU(5, 2, bias=False),
    "double": nn.RNN(3, 4, dtype=torch.float64),
    "half": nn.GRU(3, 4).half(),
    "bfloat16": nn.GRU(3, 4).bfloat16(),
    "LSTM cell": nn.LSTMCell(3, 4),
    "GRU cell": nn.GRUCell(3, 4, bias=False),
    "RNN cell": nn.RNNCell(3, 4),
}


@pytest.mark.parametrize("name", TORCH)
def test_layers_of_torch_are_found(name: str) -> None:
    module = TORCH[name]
    state_dict = {f"model.{key}": tensor for key, tensor in module.state_dict().items()}
    (found,) = gatecell.find_layers({"head.weight": torch.ones(2, 3), **state_dict})
    assert (found.prefix, found.cell) == ("model.", type(module).__name__)
    assert (found.input_size, found.hidden_size, found.bias) == (module.input_size, module.hidden_size, module.bias)
    dtype = next(module.parameters()).dtype
    assert found.dtype == (np.float32 if dtype == torch.bfloat16 else torch.empty(0, dtype=dtype).numpy().dtype)
    if not found.cell.endswith("Cell"):
        sizes = (module.num_layers, module.bidirectional, module.proj_size)
        assert (found.num_layers, found.bidirectional, found.proj_size) == sizes
    ours = getattr(gatecell, found.cell).from_state_dict(state_dict, prefix=found.prefix, **dict(found.flags))
    assert ours.hidden_size == found.hidden_size


@pytest.mark.parametrize("flags", [{}, {"coupled_gates": True}, {"peepholes": "full"}])
@pytest.mark.parametrize("peepholes", [None, "diagonal"])
def test_extended_lstms_are_found(flags: dict[str, Any], peepholes: str | None) -> None:
    flags = {"peepholes": peepholes, **flags}
    shapes = gatecell.LSTM(3, 4, **flags)._shapes()
    (found,) = gatecell.find_layers({name: np.ones(shape) for name, shape in shapes.items()})
    if flags.get("coupled_gates") and not peepholes:  # a GRU has matrices of the same size
        assert found.cell == "GRU"
        assert "or an LSTM with coupled_gates=True" in found.choose
    else:
        assert found.cell == "LSTM"
        assert dict(found.flags) == {name: value for name, value in flags.items() if value}


def test_a_gru_without_reset_is_found() -> None:
    shapes = gatecell.GRU(3, 4, reset="none")._shapes()
    (found,) = gatecell.find_layers({name: np.ones(shape) for name, shape in shapes.items()})
    assert (found.cell, found.flags, found.choose) == ("GRU", (("reset", "none"),), ("batch_first",))


def test_layers_come_in_the_order_of_the_keys() -> None:
    modules = {"b.rnn": nn.RNN(2, 3), "a.0": nn.LSTM(3, 4), "": nn.GRUCell(2, 2)}
    keys = {f"{p}.{k}" if p else k: t for p, module in modules.items() for k, t in module.state_dict().items()}
    found = gatecell.find_layers(keys)
    assert [(layer.prefix, layer.cell) for layer in found] == [("b.rnn.", "RNN"), ("a.0.", "LSTM"), ("", "GRUCell")]
    assert found[0].choose == ("batch_first", "nonlinearity")
    assert found[2].choose == ("reset ('after' in PyTorch; 'before')", "or an LSTM with coupled_gates=True")


def test_repr_is_readable() -> None:
    (found,) = gatecell.find_layers(nn.LSTM(80, 256, 2, bidirectional=True).state_dict())
    assert repr(found) == "<'': LSTM(80, 256, num_layers=2, bidirectional=True), float32; choose batch_first>"
    with pytest.raises(FrozenInstanceError):
        found.prefix = "x"  # type: ignore[misc]


def test_what_does_not_fit_is_left_out() -> None:
    good = nn.LSTM(3, 4, 2).state_dict()
    for name in good:
        assert gatecell.find_layers({key: tensor for key, tensor in good.items() if key != name}) == [] or (
            "_l1" in name
        ), name
        assert gatecell.find_layers({**good, name: torch.ones(3, 5)}) == []
    assert gatecell.find_layers({}) == []
    assert gatecell.find_layers({"weight_hh_l0": 3, "weight_ih_l0": None}) == []
    assert gatecell.find_layers({"weight_hh_l0": np.ones((0, 0)), "weight_ih_l0": np.ones((0, 0))}) == []
    assert gatecell.find_layers({"weight_hh_l0": np.array([["a"]]), "weight_ih_l0": np.array([["b"]])}) == []
    assert gatecell.find_layers({}).hint == ""
    assert "save it before" in gatecell.find_layers({"CONSTANTS.c0": np.ones(3)}).hint
    with_a_layer = gatecell.find_layers({**good, "CONSTANTS.c0": np.ones(3)})
    assert (len(with_a_layer), with_a_layer.hint) == (1, "")
    with pytest.raises(TypeError, match="expected a state dict, names mapped to arrays, got list"):
        gatecell.find_layers([])  # type: ignore[arg-type]
