"""Types of layers and arrays, and the sizes of a layer that follow from its options."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import gatecell

Layer: TypeAlias = gatecell.LSTM | gatecell.GRU | gatecell.RNN
Floats: TypeAlias = NDArray[np.floating[Any]]


def gate_order(net: Layer) -> str:
    """The gates of the matrix rows of weight_ih, weight_hh and the biases, in order: one letter for each."""
    if isinstance(net, gatecell.LSTM):
        return "igo" if net.coupled_gates else "ifgo"
    if isinstance(net, gatecell.GRU):
        return "zn" if net.reset == "none" else "rzn"
    return "h"


def peephole_order(net: Layer) -> str:
    """The gates of weight_peephole, in order; empty for a layer without peepholes."""
    return gate_order(net).replace("g", "") if peepholes(net) else ""


def peepholes(net: Layer) -> str | None:
    """The option of that name: "diagonal", "full" or None. Only an LSTM can have peepholes."""
    return net.peepholes if isinstance(net, gatecell.LSTM) else None


def directions(net: Layer) -> int:
    return 2 if net.bidirectional else 1


def direction_runs(net: Layer) -> int:
    """Layers times directions: the first axis of h_0 and c_0."""
    return net.num_layers * directions(net)


def state_size(net: Layer) -> int:
    """Features of h. c has hidden_size features."""
    return net.proj_size or net.hidden_size


def output_size(net: Layer) -> int:
    """Features of y."""
    return state_size(net) * directions(net)


def weight_shapes(net: Layer) -> dict[str, tuple[int, ...]]:
    """The shape of each weight by its name in the state dict. The layer needs no weights for this."""
    return {name: parameter.shape for name, parameter in net.named_parameters()}


def parameter_count(net: Layer) -> int:
    """The number of weights and biases."""
    return sum(math.prod(shape) for shape in weight_shapes(net).values())
