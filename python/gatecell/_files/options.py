"""Reads the options of saved recurrent modules that the weights do not show: batch_first, nonlinearity and others.

A pickled torch.nn.LSTM, GRU, RNN or cell has them as attributes. In TorchScript they are in the code of the class: a
scripted class has them as constants, a traced class as arguments of the call of torch.lstm, torch.gru, torch.rnn_tanh
or torch.rnn_relu.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from .._state_dict.variants import not_shown
from .members import SCRIPT, attributes_of, items_of
from .pickle_objects import Call
from .torch_objects import unwrap

_MODES = {"RNN_TANH": "tanh", "RNN_RELU": "relu"}
_CLASS = re.compile(r"^class (\w+)\(", re.M)
_CONSTANT = re.compile(r'^  (mode|batch_first|bidirectional|nonlinearity) : Final\[\w+\] = (True|False|"\w+")$', re.M)
# A call in a trace: torch.lstm(input, hx, weights, has_biases, num_layers, dropout, train, bidirectional, batch_first).
# A call with packed input has no batch_first.
_CALL = re.compile(
    r"torch\.(lstm|gru|rnn_tanh|rnn_relu)"
    r"\([^()\n]*, \d+, [\d.e+-]+, (?:True|False), (True|False)(?:, (True|False))?\)"
)
_TORCHS = re.compile(r"(?:__torch__\.)?torch\.nn\.modules\.rnn\.(?:___torch_mangle_\d+\.)?(LSTM|GRU|RNN)(?:Cell)?")
_CELL = re.compile(r"__torch__\.torch\.nn\.modules\.rnn\.(?:___torch_mangle_\d+\.)?class RNNCell\(")
_NONLINEARITY = re.compile(r"\btorch\.(tanh|relu)\(")  # a trace of an RNNCell has one such call

_Options = dict[str, Any]


def options_of(modules: Mapping[str, Call], code: Callable[[str], str]) -> dict[str, _Options]:
    """The options of recurrent modules by prefix. `code` gives a file of TorchScript's code, or "" if there is none."""
    found: dict[str, _Options] = {}
    known: dict[tuple[str, int], _Options] = {}  # by class and id(attributes): objects may share their attributes
    files: dict[str, dict[str, _Options]] = {}
    for path, module in modules.items():
        attributes = attributes_of(module)
        mark = (module.name, id(attributes))
        if mark not in known:
            known[mark] = _options(attributes, module.name, files, code) if _has_weights(attributes) else {}
        if options := known[mark]:
            found[f"{path}." if path else ""] = options
    return found


def _has_weights(attributes: Mapping[Any, Any]) -> bool:
    names = [*attributes, *items_of(unwrap(attributes.get("_parameters")))]
    return any(type(name) is str and name.startswith(("weight_ih", "weight_hh")) for name in names)


def _options(
    attributes: Mapping[Any, Any], name: str, files: dict[str, dict[str, _Options]], code: Callable[[str], str]
) -> _Options:
    """The options of one module, as arguments of gatecell's constructors."""
    values: _Options = {}
    if name.startswith(SCRIPT):
        # The class C of __torch__.a.b.C is in the file code/__torch__/a/b.py.
        place = f"code/{name.rpartition('.')[0].replace('.', '/')}.py"
        if place not in files:
            files[place] = _classes(name.rpartition(".")[0], code(place))
        values = files[place].get(name, {})
    values = {**attributes, **values}
    options = {flag: values[flag] for flag in ("batch_first", "bidirectional") if type(values.get(flag)) is bool}
    mode = values.get("mode")
    # torch's forward uses mode, not nonlinearity.
    nonlinearity = _MODES.get(mode) if type(mode) is str else values.get("nonlinearity")
    if type(nonlinearity) is str and nonlinearity in _MODES.values():
        options["nonlinearity"] = nonlinearity
    if match := _TORCHS.fullmatch(name):  # another class may have other options
        options |= not_shown(match[1])
    return options


def _classes(module: str, text: str) -> dict[str, _Options]:
    """The options of the classes in a file of code, by the class's full name, as far as the code has any."""
    found: dict[str, _Options] = {}
    for begin, after in itertools.pairwise(itertools.chain(_CLASS.finditer(text), [None])):
        if begin and (options := _options_in_code(module, text[begin.start() : after.start() if after else len(text)])):
            found[f"{module}.{begin[1]}"] = options
    return found


def _options_in_code(module: str, text: str) -> _Options:
    """The options in the code `text` of one class, by torch's names."""
    options = {constant: ast.literal_eval(value) for constant, value in _CONSTANT.findall(text)}
    for mode, bidirectional, batch_first in _CALL.findall(text):
        options |= {"mode": mode.upper(), "bidirectional": bidirectional == "True"}
        if batch_first:
            options["batch_first"] = batch_first == "True"
    if not options and _CELL.match(f"{module}.{text}") and len(calls := set(_NONLINEARITY.findall(text))) == 1:
        options["nonlinearity"] = calls.pop()
    return options
