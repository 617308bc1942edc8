"""What a saved module tells of itself beside its weights: batch_first, bidirectional, nonlinearity, reset.

A pickled torch.nn.LSTM, GRU, RNN or cell has them as attributes. In TorchScript they stand in the code of the class: a
scripted class has them as constants, of a traced one the call of torch.lstm and its like tells them.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from .members import SCRIPT, attributes_of, items_of
from .pickle_objects import Call
from .torch_objects import unwrap

_MODES = {"RNN_TANH": "tanh", "RNN_RELU": "relu"}
_CLASS = re.compile(r"^class (\w+)\(", re.M)
_CONSTANT = re.compile(r'^  (mode|batch_first|bidirectional|nonlinearity) : Final\[\w+\] = (True|False|"\w+")$', re.M)
# torch.lstm(input, hx, weights, has_biases, num_layers, dropout, train, bidirectional, batch_first), in a trace. With
# packed input it has no batch_first.
_CALL = re.compile(
    r"torch\.(lstm|gru|rnn_tanh|rnn_relu)"
    r"\([^()\n]*, \d+, [\d.e+-]+, (?:True|False), (True|False)(?:, (True|False))?\)"
)
_GRU = re.compile(r"(?:__torch__\.)?torch\.nn\.modules\.rnn\.(?:___torch_mangle_\d+\.)?GRU(?:Cell)?")
_CELL = re.compile(r"__torch__\.torch\.nn\.modules\.rnn\.(?:___torch_mangle_\d+\.)?class RNNCell\(")
_NONLINEARITY = re.compile(r"\btorch\.(tanh|relu)\(")  # in its trace there is nothing else of these

_Options = dict[str, Any]


def options_of(modules: Mapping[str, Call], code: Callable[[str], str]) -> dict[str, _Options]:
    """The options of recurrent modules by prefix; `code` gives a file of TorchScript's code, "" if there is none."""
    found: dict[str, _Options] = {}
    known: dict[tuple[str, int], _Options] = {}  # by class and attributes, which objects may share
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
    """As gatecell's constructors take them."""
    told: _Options = {}
    if name.startswith(SCRIPT):
        place = f"code/{name.rpartition('.')[0].replace('.', '/')}.py"  # __torch__.a.b.C is the class C in it
        if place not in files:
            files[place] = _classes(name.rpartition(".")[0], code(place))
        told = files[place].get(name, {})
    told = {**attributes, **told}
    options = {flag: told[flag] for flag in ("batch_first", "bidirectional") if type(told.get(flag)) is bool}
    mode = told.get("mode")
    nonlinearity = _MODES.get(mode) if type(mode) is str else told.get("nonlinearity")  # torch's forward goes by mode
    if type(nonlinearity) is str and nonlinearity in _MODES.values():
        options["nonlinearity"] = nonlinearity
    if _GRU.fullmatch(name):  # of another class nobody knows
        options["reset"] = "after"
    return options


def _classes(module: str, text: str) -> dict[str, _Options]:
    """What the classes in a file of code tell of themselves, if they do."""
    found: dict[str, _Options] = {}
    for begin, after in itertools.pairwise(itertools.chain(_CLASS.finditer(text), [None])):
        if begin and (told := _told(module, text[begin.start() : after.start() if after else len(text)])):
            found[f"{module}.{begin[1]}"] = told
    return found


def _told(module: str, text: str) -> _Options:
    told = {constant: ast.literal_eval(value) for constant, value in _CONSTANT.findall(text)}
    for mode, bidirectional, batch_first in _CALL.findall(text):
        told |= {"mode": mode.upper(), "bidirectional": bidirectional == "True"}
        if batch_first:
            told["batch_first"] = batch_first == "True"
    if not told and _CELL.match(f"{module}.{text}") and len(calls := set(_NONLINEARITY.findall(text))) == 1:
        told["nonlinearity"] = calls.pop()
    return told
