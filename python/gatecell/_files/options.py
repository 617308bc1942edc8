"""What a saved module tells of itself beside its weights: batch_first, bidirectional and nonlinearity.

A pickled torch.nn.LSTM, GRU, RNN or cell has them as attributes. In TorchScript they stand in the code of the class: a
scripted class has them as constants, of a traced one the call of torch.lstm and its like tells them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .unpickle import Call
from .walk import states_of

_SCRIPT = "__torch__."
_MODES = ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")
_NONLINEARITIES = ("tanh", "relu")
_MAX_CODE = 10_000_000  # characters of a class that are looked at
_CONSTANT = re.compile(r'^  (mode|batch_first|bidirectional|nonlinearity) : Final\[\w+\] = (True|False|"\w+")$', re.M)
# torch.lstm(input, hx, weights, has_biases, num_layers, dropout, train, bidirectional, batch_first), in a trace. With
# packed input it has no batch_first, and one flag less.
_CALL = re.compile(
    r"torch\.(lstm|gru|rnn_tanh|rnn_relu)\([^()\n]*, \d+, [\d.e+-]+, (?:True|False), (True|False), (True|False)\)"
)
_CELL = re.compile(r"^class RNNCell\(.*\btorch\.(tanh|relu)\(", re.S)  # it has nothing else of these


def options_of(modules: Mapping[str, Call], code: Callable[[str], str]) -> dict[str, dict[str, Any]]:
    """The options of recurrent modules by prefix; `code` gives a file of TorchScript's code, "" if there is none."""
    found: dict[str, dict[str, Any]] = {}
    texts: dict[str, str] = {}
    for path, module in modules.items():
        attributes = dict((states_of(module) or [{}])[0])
        if module.name.startswith(_SCRIPT) and any(_is_weight(name) for name in attributes):
            if module.name not in texts:
                texts[module.name] = _class_text(module.name, code)
            attributes |= dict(_told(texts[module.name]))
        if options := _options(attributes):
            found[f"{path}." if path else ""] = options
    return found


def _options(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """As gatecell's constructors take them."""
    if not any(_is_weight(name) for name in [*attributes, *_parameters(attributes)]):
        return {}
    options = {
        name: attributes[name] for name in ("batch_first", "bidirectional") if type(attributes.get(name)) is bool
    }
    mode = attributes.get("mode")
    if type(mode) is str and mode in _MODES[2:]:  # what torch's own forward goes by
        options["nonlinearity"] = mode.removeprefix("RNN_").lower()
    elif attributes.get("nonlinearity") in _NONLINEARITIES:
        options["nonlinearity"] = attributes["nonlinearity"]
    return options


def _parameters(attributes: Mapping[Any, Any]) -> list[Any]:
    parameters = attributes.get("_parameters")
    return list(parameters.items if type(parameters) is Call else parameters if type(parameters) is dict else ())


def _is_weight(name: Any) -> bool:
    return type(name) is str and re.match(r"weight_[ih]h", name) is not None


def _class_text(name: str, code: Callable[[str], str]) -> str:
    """The code of a class: "__torch__.a.b.C" is the class C in code/__torch__/a/b.py."""
    module, _, own = name.rpartition(".")
    text = code(f"code/{module.replace('.', '/')}.py")
    begin = re.search(rf"^class {re.escape(own)}\(", text, re.M)
    if not begin:
        return ""
    end = text.find("\nclass ", begin.end())
    return text[begin.start() : end if end >= 0 else len(text)][:_MAX_CODE]


def _told(text: str) -> Iterator[tuple[str, Any]]:
    for name, value in _CONSTANT.findall(text):
        yield name, ast.literal_eval(value)
    if call := _CALL.search(text):
        mode, bidirectional, batch_first = call.groups()
        yield from (("mode", mode.upper()), ("bidirectional", bidirectional == "True"))
        yield "batch_first", batch_first == "True"
    elif cell := _CELL.match(text):
        yield "nonlinearity", cell[1]
