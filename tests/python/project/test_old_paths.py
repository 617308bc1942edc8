"""Names of modules that pickles of earlier versions contain: each still leads to its class."""

from __future__ import annotations

import pickle
import pickletools
from dataclasses import astuple

import numpy as np
import pytest
import torch

import gatecell
from gatecell import nn

OLD_NAMES = {
    "_accelerated _remake": None,
    "_cells GRUCell": gatecell.GRUCell,
    "_cells LSTMCell": gatecell.LSTMCell,
    "_cells RNNCell": gatecell.RNNCell,
    "_files Weights": gatecell.Weights,
    "_find FoundLayer": gatecell.FoundLayer,
    "_find FoundLayers": gatecell.FoundLayers,
    "_layers GRU": gatecell.GRU,
    "_layers LSTM": gatecell.LSTM,
    "_layers RNN": gatecell.RNN,
    "_module Module": nn.Module,
    "_packed PackedSequence": gatecell.PackedSequence,
    "_parameter Parameter": nn.Parameter,
    "_parameter Unloaded": None,
    "_plan Plan": None,
    "_spec Spec": None,
    "_state_dict IncompatibleKeys": None,
    "_stream Stream": gatecell.Stream,
    "_stream_pool StreamPool": gatecell.StreamPool,
}


@pytest.mark.parametrize("name", OLD_NAMES)
def test_an_old_name_leads_to_its_class(name: str) -> None:
    module, attribute = name.split()
    found = pickle.loads(f"cgatecell.{module}\n{attribute}\n.".encode())
    assert found.__name__ == attribute
    assert OLD_NAMES[name] in (found, None)


def test_a_pickle_with_a_spec_loads() -> None:
    """Networks pickled their Spec itself; now they pickle its values."""
    net = gatecell.from_torch(torch.nn.LSTM(3, 4, num_layers=2))
    state = net.__getstate__()
    assert state["_spec"] == astuple(net._spec)
    old = object.__new__(gatecell.LSTM)
    old.__setstate__({**state, "_spec": net._spec})
    new = pickle.loads(pickle.dumps(net))
    x = np.ones((5, 2, 3), np.float32)
    for copy in (old, new):
        assert copy._spec == net._spec
        np.testing.assert_array_equal(copy(x)[0], net(x)[0])


@pytest.mark.parametrize("name", gatecell.__all__)
def test_new_pickles_name_the_public_module(name: str) -> None:
    public = getattr(gatecell, name)
    if not isinstance(public, type) and not callable(public):
        return
    if public in (gatecell.available_isas, gatecell.build_info):  # functions of the extension
        return
    strings = [argument for _, argument, _ in pickletools.genops(pickle.dumps(public, 2)) if isinstance(argument, str)]
    assert strings == [f"gatecell {name}"]
