"""From a layer that find_layers found to a network. A cell is taken as a layer of one: the numbers are the same."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

import gatecell
from gatecell import FoundLayer, Weights
from gatecell._layers import Layer

SIZES = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size")  # torch's arguments
_SHOWN = 10  # names of tensors in an error


def layers_of(path: str | os.PathLike[str], weights: Weights) -> list[FoundLayer]:
    """The recurrent layers in a file. Raises ValueError if there are none, with the names that are."""
    if layers := gatecell.find_layers(weights):
        return layers
    names = list(weights)
    shown = ", ".join([*names[:_SHOWN], *(["..."] if len(names) > _SHOWN else [])]) or "none"
    raise ValueError(f"{path}: no recurrent layer (weight_ih_l0, weight_hh_l0, ...); tensors: {shown}")


def empty(layer: FoundLayer, **how: Any) -> Layer[Any]:
    """The network without weights; `how` is what the file does not tell: nonlinearity, num_threads, ..."""
    made: type[Any] = getattr(gatecell, layer.cell.removesuffix("Cell"))
    options = {name: getattr(layer, name) for name in SIZES if name in inspect.signature(made).parameters}
    dtype = np.float64 if layer.dtype.itemsize >= 8 else np.float32
    net: Layer[Any] = made(**options, dtype=dtype, **dict(layer.flags), **how)
    return net


def own_weights(layer: FoundLayer, weights: Mapping[str, Any]) -> dict[str, Any]:
    """The layer's arrays among others, by torch's names in a layer."""
    cell = layer.cell.endswith("Cell")
    return {
        name: weights[layer.prefix + (name.removesuffix("_l0") if cell else name)] for name in empty(layer)._shapes()
    }


def network(layer: FoundLayer, weights: Mapping[str, Any], **how: Any) -> Layer[Any]:
    net = empty(layer, **how)
    net.load_state_dict(own_weights(layer, weights))
    return net
