"""Memory of a network's packed weights, from its sizes alone: what the core's `nbytes` says once it has the weights.

The layout is that of cpp/src/pack/packed.cpp, piece by piece; a test compares the two.
"""

from __future__ import annotations

import math

from gatecell._base.spec import Spec
from gatecell._networks.layer import Layer

_VECTOR = {"avx512": 64, "avx2": 32, "sse2": 16, "neon": 16}  # bytes of a register
_LINE, _PAGE = 64, 4096


def packed_size(net: Layer[object]) -> int:
    """In bytes, for the network's dtype and instruction set."""
    spec, item = net._spec, net.dtype.itemsize
    used = 0
    for layer in range(spec.num_layers):
        for _ in range(2 if spec.bidirectional else 1):
            for count, alignment in _pieces(spec, layer, _VECTOR[net.isa] // item):
                used = -(-used // alignment) * alignment + count * item
    return used


def _pieces(spec: Spec, layer: int, lanes: int) -> list[tuple[int, int]]:
    """Scalars and alignment of each piece of one direction, in order. The projection's bias is there even if empty."""

    def padded(units: int) -> int:
        return -(-units // lanes) * lanes

    hidden, gates = spec.hidden_size, len(spec.gates)
    units, projected = padded(hidden), padded(spec.proj_size)
    inputs = spec.output_size if layer else spec.input_size
    full, sees = spec.peepholes == "full", 0 if spec.peepholes == "none" else len(spec.peephole_gates)
    recurrent_bias = [(units, _LINE)] if spec.cell == "gru" and spec.reset == "after" else []
    # Where GRU's candidate has panels of its own, they begin a page.
    apart = spec.cell == "gru" and (spec.reset == "before" or (spec.reset == "after" and spec.gate_clip > 0))
    recurrent = [gates - 1, 1] if apart else [gates]
    return [
        (units * gates * inputs, _PAGE),
        (units * recurrent[0] * spec.state_size, _PAGE),
        *([(projected * hidden, _PAGE)] if projected else []),
        *((units * hidden, _PAGE) for _ in recurrent[1:]),
        *((units * (hidden if full else 1), _PAGE if full else _LINE) for _ in range(sees)),
        (units * gates, _LINE),
        *recurrent_bias,
        (projected, _LINE),
        *([(gates * hidden, _LINE)] * 2 if spec.bias else []),
    ]


def parameters(net: Layer[object]) -> int:
    """Weights and biases."""
    return sum(math.prod(shape) for shape in net._shapes().values())
