"""The options of cells that PyTorch lacks: types and documentation of keyword arguments and attributes.

Their names, values and defaults are in the table of the core. A layer and its cell have the same options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from .._base.spec import CELLS, DEFAULTS

if TYPE_CHECKING:
    from .network import Network

C = TypeVar("C", bound="type[Network]")


# For type checkers each option stands twice: as a keyword argument, and as an attribute of the network.
class RNNOptions(TypedDict, total=False):
    gate_clip: float | None


class RNNAttributes:
    gate_clip: float | None


class GRUOptions(RNNOptions, total=False):
    reset: str


class GRUAttributes(RNNAttributes):
    reset: str


class LSTMOptions(RNNOptions, total=False):
    peepholes: str | None
    coupled_gates: bool
    cell_clip: float | None


class LSTMAttributes(RNNAttributes):
    peepholes: str | None
    coupled_gates: bool
    cell_clip: float | None


# The text for each option in the docstrings of the classes that have it, with the source of the equations.
_DOCUMENTATION = {
    "peepholes": """
    peepholes: "diagonal" adds p_i*c to the sum in i, p_f*c to the sum in f and p_o*c' to the sum in o (Gers and
    Schmidhuber 2000, Recurrent nets that time and count). weight_peephole_l{k} (3*hidden_size) holds p_i, p_f, p_o.
    "full" adds P_i c, P_f c and P_o c, all with the old c. weight_peephole_l{k} is (3*hidden_size, hidden_size). The
    weight of a cell is weight_peephole.
""",
    "coupled_gates": """
    coupled_gates: True makes f = 1 - i (ONNX's input_forget). Weights and biases have matrix rows of i g o only,
    peepholes of i o only.
""",
    "reset": """
    reset: where the gate r acts. "after" the product with W_hn: n as in PyTorch. "before" it: n = tanh(W_in x + b_in +
    b_hn + W_hn (r*h)) (Cho et al. 2014, Learning phrase representations using RNN encoder-decoder; ONNX's
    linear_before_reset=0, https://onnx.ai/onnx/operators/onnx__GRU.html). "none": the same without r, and the weights
    have matrix rows of z n only.
""",
    "gate_clip": """
    gate_clip: limits the sum of all terms of a gate to -gate_clip ... gate_clip before s, tanh or relu (ONNX's clip,
    https://onnx.ai/onnx/operators/onnx__LSTM.html).
""",
    "cell_clip": """
    cell_clip: limits c' to -cell_clip ... cell_clip before o and h' use it (TensorFlow Lite's cell_clip).
""",
}


def with_options(cell: str, arguments: Any) -> Callable[[C], C]:
    """A decorator of a class with this cell, whose constructor takes `**options: Unpack[arguments]`.

    It puts the options into the signature and the type hints of the constructor, and their documentation into the
    docstring of the class.
    """

    def decorate(cls: C) -> C:
        cls._cell = cell
        constructor: Any = cls.__init__
        signature = inspect.signature(constructor)
        *parameters, options = signature.parameters.values()
        types = {name: arguments.__annotations__[name].__forward_arg__ for name in CELLS[cell]["options"]}
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS[name], annotation=text)
            for name, text in types.items()
        ]
        constructor.__signature__ = signature.replace(parameters=parameters)
        del constructor.__annotations__[options.name]
        constructor.__annotations__.update(types)
        if cls.__doc__:  # without the option -OO of Python
            texts = [_DOCUMENTATION[name].strip("\n") for name in CELLS[cell]["options"]]
            cls.__doc__ = "\n".join([cls.__doc__.rstrip(), "", "    Options that PyTorch lacks:", *texts, "    "])
        return cls

    return decorate


def known(network: Network, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options that a constructor got. Raises TypeError for one that the network's cell lacks, as Python does."""
    for name in options:
        if name not in CELLS[network._cell]["options"]:
            owner = next(cls for cls in type(network).__mro__ if "_cell" in vars(cls))  # not a user's subclass
            raise TypeError(f"{owner.__name__}.__init__() got an unexpected keyword argument {name!r}")
    return options


def rnn_cell(nonlinearity: str) -> str:
    """The cell of a Spec for this nonlinearity. Raises ValueError."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
    return f"rnn_{nonlinearity}"
