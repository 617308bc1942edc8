"""Pickles of earlier versions load: the names of modules in them still lead to the classes and functions."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import gatecell
from gatecell import nn

OLD_NAMES = {
    "_accelerate Measured": None,
    "_accelerate ModuleReport": None,
    "_accelerate Report": None,
    "_accelerate accelerate": gatecell.accelerate,
    "_accelerated Engine": None,
    "_accelerated _remake": None,
    "_cells GRUCell": gatecell.GRUCell,
    "_cells LSTMCell": gatecell.LSTMCell,
    "_cells RNNCell": gatecell.RNNCell,
    "_files Weights": gatecell.Weights,
    "_files load": gatecell.load,
    "_files save": gatecell.save,
    "_find FoundLayer": gatecell.FoundLayer,
    "_find FoundLayers": gatecell.FoundLayers,
    "_find find_layers": gatecell.find_layers,
    "_from_gates from_gates": gatecell.from_gates,
    "_layers GRU": gatecell.GRU,
    "_layers LSTM": gatecell.LSTM,
    "_layers RNN": gatecell.RNN,
    "_module Module": nn.Module,
    "_packed PackedSequence": gatecell.PackedSequence,
    "_packed pack_sequence": gatecell.pack_sequence,
    "_parameter Parameter": nn.Parameter,
    "_parameter Unloaded": None,
    "_plan Plan": None,
    "_spec Spec": None,
    "_state_dict IncompatibleKeys": None,
    "_stream Stream": gatecell.Stream,
    "_stream_pool StreamPool": gatecell.StreamPool,
    "_torch from_torch": gatecell.from_torch,
}
NEW_MODULES = {  # where earlier versions had the classes of these modules: see OLD_NAMES
    "_accelerate.engine": "_accelerated",
    "_accelerate.report": "_accelerate",
    "_networks.layers": "_layers",
    "_state_dict.find_layers": "_find",
}


def with_old_names(value: object) -> bytes:
    """A pickle of `value` with the names of modules that an earlier version wrote."""
    pickled = pickle.dumps(value, 2)  # in protocol 2 a name ends with a line feed, so its length may change
    for new, old in NEW_MODULES.items():
        pickled = pickled.replace(f"cgatecell.{new}\n".encode(), f"cgatecell.{old}\n".encode())
    return pickled


@pytest.mark.parametrize("name", OLD_NAMES)
def test_an_old_name_leads_to_its_class(name: str) -> None:
    module, attribute = name.split()
    found = pickle.loads(f"cgatecell.{module}\n{attribute}\n.".encode())
    assert found.__name__ == attribute
    assert OLD_NAMES[name] in (found, None)


def test_pickles_of_the_earlier_forms_of_a_spec_load() -> None:
    """Networks pickled their Spec itself, then a tuple of its values. Now they pickle its values by name."""
    net = gatecell.from_torch(torch.nn.LSTM(3, 4, num_layers=2, proj_size=2))
    state = net.__getstate__()
    fields = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bias": True, "bidirectional": False}
    fields |= {"proj_size": 2, "peepholes": "none", "reset": "after", "coupled_gates": False}
    fields |= {"gate_clip": 0.0, "cell_clip": 0.0}  # all in the order of version 0.1
    # A dataclass: the class, an object without arguments, and its attributes.
    itself = b"\x80\2cgatecell._spec\nSpec\n)\x81" + pickle.dumps(fields, 2)[2:-1] + b"b."
    copies = [pickle.loads(pickle.dumps(net))]
    for spec in (pickle.loads(itself), tuple(fields.values())):
        copy = object.__new__(gatecell.LSTM)
        copy.__setstate__({**state, "_spec": spec})
        copies.append(copy)
    x = np.ones((5, 2, 3), np.float32)
    for copy in copies:
        assert copy.spec == net.spec
        np.testing.assert_array_equal(copy(x)[0], net(x)[0])


def test_a_network_with_old_names_loads() -> None:
    net = gatecell.from_torch(torch.nn.LSTM(3, 4))
    pickled = with_old_names(net)
    assert b"gatecell._layers\nLSTM" in pickled
    x = np.ones((5, 2, 3), np.float32)
    np.testing.assert_array_equal(pickle.loads(pickled)(x)[0], net(x)[0])


def test_attributes_that_earlier_versions_lack_have_defaults(tmp_path: Path) -> None:
    gatecell.save(tmp_path / "a.safetensors", torch.nn.LSTM(3, 4).state_dict())
    weights = gatecell.load(tmp_path / "a.safetensors")
    layers = gatecell.find_layers(weights)
    assert weights.format == "safetensors"
    del weights.format, layers.hint  # earlier versions did not set them
    old = pickle.loads(with_old_names(weights))
    assert (old.keys(), old.format) == (weights.keys(), "")
    pickled = with_old_names(layers)
    assert b"gatecell._find\nFoundLayers" in pickled
    found = pickle.loads(pickled)
    assert (found, found.refused, found.hint) == (layers, {}, "")


def test_a_report_with_old_names_loads() -> None:
    _, report = gatecell.accelerate(torch.nn.Sequential(torch.nn.LSTM(3, 4)).eval(), torch.ones(5, 2, 3))
    report.refresh()  # PyTorch cannot pickle the storages of packed weights
    pickled = with_old_names(report)
    for name in (b"_accelerate\nReport", b"_accelerate\nMeasured", b"_accelerated\nEngine"):
        assert b"gatecell." + name in pickled
    copy = pickle.loads(pickled)
    assert str(copy).startswith("module ")
    assert copy.measured == report.measured


@pytest.mark.parametrize("module", [gatecell, nn], ids=lambda module: module.__name__)
def test_public_names_can_be_pickled(module: ModuleType) -> None:
    for name in module.__all__:
        public = getattr(module, name)
        if callable(public):
            assert pickle.loads(pickle.dumps(public)) is public
