"""Each option in the core's table reaches the users: in signatures, documentation, attributes, repr, pickles and files.

The core's table is compared with what a user sees, so that an option which one of the places lacks is noticed.
"""

from __future__ import annotations

import inspect
import itertools
import math
import pickle
import typing
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from gatecell import _core
from gatecell._networks import options as keyword_arguments
from helpers.option_table import DEFAULTS, VALUES

CLASSES = {
    "lstm": (gatecell.LSTM, gatecell.LSTMCell),
    "gru": (gatecell.GRU, gatecell.GRUCell),
    "rnn_tanh": (gatecell.RNN, gatecell.RNNCell),
    "rnn_relu": (gatecell.RNN, gatecell.RNNCell),
}
TYPES = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}
PLACES = [
    (owner, name)
    for cell, facts in _core.cells().items()
    for owner in CLASSES[cell]
    for name in facts["options"]
    if cell != "rnn_relu"
]
each_place = pytest.mark.parametrize(("owner", "name"), PLACES)


def zeros(net: Any) -> dict[str, Any]:
    return {name: np.zeros(parameter.shape, "f4") for name, parameter in net.named_parameters()}


def test_the_types_have_the_options_of_the_table() -> None:
    for cell, facts in _core.cells().items():
        arguments = typing.get_type_hints(getattr(keyword_arguments, f"{TYPES[cell]}Options"))
        assert arguments == typing.get_type_hints(getattr(keyword_arguments, f"{TYPES[cell]}Attributes"))
        assert arguments.keys() == set(facts["options"])


@each_place
def test_signature_hints_and_documentation_have_the_option(owner: Any, name: str) -> None:
    parameter = inspect.signature(owner).parameters[name]
    assert (parameter.kind, parameter.default) == (inspect.Parameter.KEYWORD_ONLY, DEFAULTS[name])
    hint = typing.get_type_hints(owner.__init__)[name]
    for value in VALUES[name]:
        assert isinstance(value, hint)
    assert f"\n    {name}: " in owner.__doc__
    assert "options" not in inspect.signature(owner).parameters


@each_place
def test_attribute_repr_and_pickle_have_the_option(owner: Any, name: str) -> None:
    plain = owner(3, 4)
    assert getattr(plain, name) == DEFAULTS[name]
    assert name not in repr(plain)
    for value in VALUES[name][1:]:
        net = owner(3, 4, **{name: value})
        copy = pickle.loads(pickle.dumps(net))
        for twin in (net, copy):
            assert getattr(twin, name) == getattr(twin.spec, name) == value
            assert f"{name}={value!r}" in repr(twin)
        assert (copy.spec, repr(copy)) == (net.spec, repr(net))
        assert copy.spec != plain.spec


@each_place
def test_from_state_dict_takes_the_option(owner: Any, name: str) -> None:
    for value in VALUES[name][1:]:
        weights = zeros(owner(3, 4, **{name: value}))
        net = owner.from_state_dict(weights, **{name: value})
        assert getattr(net, name) == value
        assert list(net.state_dict()) == list(weights)


@each_place
def test_a_layer_from_torch_has_the_default(owner: Any, name: str) -> None:
    net: Any = gatecell.from_torch(getattr(torch.nn, owner.__name__)(3, 4))
    assert getattr(net, name) == DEFAULTS[name]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_find_layers_shows_every_combination(cell: str) -> None:
    """It finds the options of a layer, or says in `choose` that the file does not show them.

    Options that change no weight, such as clips, are in neither: no file can show them.
    """
    layer = CLASSES[cell][0]
    facts = _core.cells()[cell]
    plain = layer(3, 4).spec.shapes()
    changing = {n for n in facts["options"] for v in VALUES[n][1:] if layer(3, 4, **{n: v}).spec.shapes() != plain}
    names = [name for name in facts["options"] if name in changing]
    for values in itertools.product(*(VALUES[name] for name in names)):
        flags = {name: value for name, value in zip(names, values, strict=True) if value != DEFAULTS[name]}
        weights = zeros(layer(3, 4, **flags))
        (found,) = gatecell.find_layers(weights)
        alternatives = " and ".join(f"{name}={value!r}" for name, value in flags.items())
        if found.cell != layer.__name__:
            assert f"or {facts['with_article']} with {alternatives}" in found.choose
            continue
        hidden = {name for name in flags if any(entry.startswith(f"{name} (") for entry in found.choose)}
        assert dict(found.flags) == {name: value for name, value in flags.items() if name not in hidden}
        shapes = {name: array.shape for name, array in weights.items()}
        assert {name: p.shape for name, p in layer(3, 4, **dict(found.flags)).named_parameters()} == shapes


@pytest.mark.parametrize("owner", {owner for classes in CLASSES.values() for owner in classes})
def test_an_unknown_option_is_the_error_of_python(owner: Any) -> None:
    for name in ("gate_clips", *DEFAULTS):
        if name in inspect.signature(owner).parameters:
            continue
        with pytest.raises(TypeError) as raised:
            owner(3, 4, **{name: 1.0})
        assert str(raised.value) == f"{owner.__name__}.__init__() got an unexpected keyword argument {name!r}"


@pytest.mark.parametrize("owner", [gatecell.RNN, gatecell.RNNCell])
def test_an_unknown_option_is_named_before_a_wrong_value(owner: Any) -> None:
    class Child(owner):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(3, 4, **options)

    with pytest.raises(TypeError) as raised:
        Child(nonlinearity="sine", reset="none")
    assert str(raised.value) == f"{owner.__name__}.__init__() got an unexpected keyword argument 'reset'"


def test_spec_says_what_a_network_is() -> None:
    net = gatecell.LSTM(3, 5, 2, bidirectional=True, proj_size=2, peepholes="full", coupled_gates=True, gate_clip=2)
    spec = net.spec
    assert (spec.cell, spec.input_size, spec.hidden_size, spec.num_layers) == ("lstm", 3, 5, 2)
    assert (spec.num_directions, spec.direction_runs, spec.state_size, spec.output_size) == (2, 4, 2, 4)
    assert (spec.gates, spec.peephole_gates) == ("igo", "io")
    assert (spec.peepholes, spec.coupled_gates, spec.gate_clip, spec.cell_clip) == ("full", True, 2.0, 0.0)
    assert spec.shapes() == {name: parameter.shape for name, parameter in net.named_parameters()}
    assert sum(map(math.prod, spec.shapes().values())) == sum(parameter.size for parameter in net.parameters())
    assert gatecell.GRUCell(3, 5).spec.gates == "rzn"
    assert gatecell.GRUCell(3, 5).spec == gatecell.GRU(3, 5).spec
    with pytest.raises(AttributeError):
        net.spec = spec  # type: ignore[misc]
    with pytest.raises(AttributeError):
        spec.hidden_size = 4  # type: ignore[misc]
    for other in (None, 1, "Spec", ()):
        assert spec != other


def test_packed_nbytes_names_what_is_wrong() -> None:
    spec = gatecell.LSTM(3, 4).spec
    with pytest.raises(ValueError, match="expected dtype 'float32' or 'float64', got 'float16'"):
        spec.packed_nbytes("float16", gatecell.available_isas()[0])
    with pytest.raises(ValueError, match=r"expected an instruction set of this machine \(.*\), got 'avx3'"):
        spec.packed_nbytes("float32", "avx3")
