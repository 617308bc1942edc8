"""Makes networks from the results of find_layers. A cell becomes a layer with num_layers=1, with the same results."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import gatecell
from gatecell import FoundLayer, FoundLayers, Weights

Layer: TypeAlias = gatecell.LSTM | gatecell.GRU | gatecell.RNN
Floats: TypeAlias = NDArray[np.floating[Any]]

# torch's names of sizes.
SIZES = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size")
_SHOWN = 10  # the number of tensors that an error names
_GO_ON = "; --no-strict goes on without them"  # in place of the line with strict=False, which is for Python
_TORCH_OPTIONS = ("batch_first", "nonlinearity")  # options in FoundLayer.flags that torch has as well


def layers_of(path: str | os.PathLike[str], weights: Weights) -> FoundLayers:
    """The recurrent layers in a file. If there are none, raises ValueError with the reason or the tensors' names."""
    layers = gatecell.find_layers(weights)
    if layers:
        return layers
    if layers.refused:
        raise ValueError(f"{path}: {_refused(layers)}")
    names = list(weights)
    shown = ", ".join([*names[:_SHOWN], *(["..."] if len(names) > _SHOWN else [])]) or "none"
    hint = f"; {layers.hint}" if layers.hint else ""
    raise ValueError(
        f"{path}: expected a recurrent layer (weight_ih_l0, weight_hh_l0, ...), got no such tensors, but {shown}{hint}"
    )


def check_all(path: str | os.PathLike[str], layers: FoundLayers, weights: Weights) -> None:
    """Raises ValueError for layers that cannot be read, and for tensors beside a layer that are not understood."""
    if layers.refused:
        raise ValueError(f"{path}: {_refused(layers)}{_GO_ON}")
    for layer in layers:
        check(path, layer, weights)


def check(path: str | os.PathLike[str], layer: FoundLayer, weights: Weights) -> None:
    """Raises ValueError for tensors beside a layer that are not understood: the message of from_state_dict.

    Such tensors are the only difference between strict=True and strict=False here, because all weights are there.
    """
    if not layer.beside:
        return
    made: type[Any] = getattr(gatecell, layer.cell)
    options = {name: value for name, value in layer.flags if name in inspect.signature(made).parameters}
    load = functools.partial(made.from_state_dict, weights, prefix=layer.prefix, **options)
    try:
        load(strict=False)
    except ValueError as error:  # --no-strict would not help
        raise ValueError(f"{path}: {error}") from None
    try:
        load(strict=True)
    except ValueError as error:
        lines = [line for line in str(error).splitlines() if line.startswith(" ") or "strict=False" not in line]
    else:
        lines = [f"{layer.cell}: not understood beside it: {', '.join(layer.beside[:_SHOWN])}"]
    raise ValueError("\n".join([f"{path}: {lines[0]}", *lines[1:]]) + _GO_ON)


def _refused(layers: FoundLayers) -> str:
    return "; ".join(f"{prefix!r} cannot be read: {reason}" for prefix, reason in layers.refused.items())


def empty_network(layer: FoundLayer, **options: Any) -> Layer:
    """The network without weights. `options` are options that the file does not give: nonlinearity, num_threads, ..."""
    made: type[Any] = getattr(gatecell, layer.cell.removesuffix("Cell"))
    sizes = {name: getattr(layer, name) for name in SIZES if name in inspect.signature(made).parameters}
    dtype = np.float64 if layer.dtype.itemsize >= 8 else np.float32
    net: Layer = made(**sizes, dtype=dtype, **{**dict(layer.flags), **options})
    return net


def own_weights(layer: FoundLayer, weights: Mapping[str, Any]) -> dict[str, Any]:
    """The layer's arrays in a file, by torch's names for a layer. In the file the names of a cell lack _l0."""
    keys = {name: layer.prefix + name for name in empty_network(layer).spec.shapes()}
    return {name: weights[key if key in weights else key.removesuffix("_l0")] for name, key in keys.items()}


def load_network(layer: FoundLayer, weights: Mapping[str, Any], **options: Any) -> Layer:
    """The network with its weights. `options` are as for `empty_network`. Ignores tensors beside it: see `check`."""
    made: type[Any] = getattr(gatecell, layer.cell.removesuffix("Cell"))
    net: Layer = made.from_state_dict(weights, prefix=layer.prefix, strict=False, **{**dict(layer.flags), **options})
    return net


def own_options(layer: FoundLayer) -> dict[str, Any]:
    """The options of a layer that torch lacks."""
    return {name: value for name, value in layer.flags if name not in _TORCH_OPTIONS}


def parameter_count(net: Layer) -> int:
    """The number of weights and biases. The network needs no weights for this."""
    return sum(math.prod(shape) for shape in net.spec.shapes().values())
