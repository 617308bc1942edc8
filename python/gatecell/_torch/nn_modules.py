"""gatecell.nn's layers and containers made from torch modules.

Torch modules have their options as attributes with the names of the constructor's arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .._modules.module import Module
from ..nn._activations import GELU, LeakyReLU, LogSoftmax, PReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from ..nn._containers import ModuleList, Sequential
from ..nn._conv import Conv1d, ConvTranspose1d
from ..nn._embedding import Embedding
from ..nn._linear import Linear
from ..nn._norm import BatchNorm1d, LayerNorm
from ..nn._pooling import AdaptiveAvgPool1d, AdaptiveMaxPool1d, AvgPool1d, MaxPool1d
from ..nn._shape import Dropout, Flatten, Identity
from .recurrent import check_hooks, is_plain

_WEIGHTED: list[type[Module]] = [BatchNorm1d, Conv1d, ConvTranspose1d, Embedding, LayerNorm, Linear, PReLU]
_OTHERS: list[type[Module]] = [
    AdaptiveAvgPool1d,
    AdaptiveMaxPool1d,
    AvgPool1d,
    Dropout,
    Flatten,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    MaxPool1d,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
]


def convert(module: Any, convert_child: Callable[[Any], Module]) -> Module | None:
    """gatecell.nn's counterpart of a torch module that is no recurrent layer. None if there is no counterpart.

    convert_child: makes the counterpart of a module in a container.
    """
    import torch

    for container in (Sequential, ModuleList):
        if is_plain(module, getattr(torch.nn, container.__name__)):
            check_hooks(module)
            return _convert_children(container(), module, convert_child)
    for ours in _WEIGHTED + _OTHERS:
        if is_plain(module, getattr(torch.nn, ours.__name__)):
            layer = ours(**_options(ours, module))
            layer.load_state_dict(module.state_dict())
            check_hooks(module)
            return layer
    return None


def _convert_children(container: Module, module: Any, convert_child: Callable[[Any], Module]) -> Module:
    """The container, with the counterparts of the module's children."""
    for name, child in module._modules.items():
        try:
            container.add_module(name, convert_child(child))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from error
    return container


def _options(ours: type[Module], module: Any) -> dict[str, Any]:
    """The arguments for the constructor of `ours`: attributes of the module.

    In the module bias is an array; here it is whether there is one. dtype is float64 if one of the module's tensors is,
    else float32.
    """
    names = inspect.signature(ours).parameters
    options = {name: getattr(module, name) for name in names if name[0] != "_" and hasattr(module, name)}
    if "bias" in options:
        options["bias"] = module.bias is not None
    dtypes = [str(value.dtype) for value in module.state_dict().values()]
    if "dtype" in names:
        options["dtype"] = "float64" if "torch.float64" in dtypes else "float32"
    return options
