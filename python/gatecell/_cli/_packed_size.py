"""Memory of a network's packed weights, from its sizes alone: what the core's `nbytes` says once it has the weights.

The layout is that of cpp/src/pack/packed.cpp, piece by piece; a test compares the two.
"""

from __future__ import annotations

import gatecell

from ._sizes import Layer, directions, gate_order, output_size, peephole_order, peepholes, state_size

_VECTOR = {"avx512": 64, "avx2": 32, "sse2": 16, "neon": 16}  # bytes of a register
_LINE, _PAGE = 64, 4096


def packed_size(net: Layer) -> int:
    """In bytes, for the network's dtype and instruction set."""
    item, used = net.dtype.itemsize, 0
    for layer in range(net.num_layers):
        for _ in range(directions(net)):
            for count, alignment in _pieces(net, layer, _VECTOR[net.isa] // item):
                used = -(-used // alignment) * alignment + count * item
    return used


def _pieces(net: Layer, layer: int, lanes: int) -> list[tuple[int, int]]:
    """Scalars and alignment of each piece of one direction, in order. The projection's bias is there even if empty."""

    def padded(units: int) -> int:
        return -(-units // lanes) * lanes

    hidden, gates = net.hidden_size, len(gate_order(net))
    units, projected = padded(hidden), padded(net.proj_size)
    inputs = output_size(net) if layer else net.input_size
    full = peepholes(net) == "full"
    reset = net.reset if isinstance(net, gatecell.GRU) else None
    recurrent_bias = [(units, _LINE)] if reset == "after" else []
    # The candidate of such a GRU has panels of its own, which begin a page.
    is_separate = reset == "before" or (reset == "after" and net.gate_clip is not None)
    recurrent = [gates - 1, 1] if is_separate else [gates]
    return [
        (units * gates * inputs, _PAGE),
        (units * recurrent[0] * state_size(net), _PAGE),
        *([(projected * hidden, _PAGE)] if projected else []),
        *((units * hidden, _PAGE) for _ in recurrent[1:]),
        *((units * (hidden if full else 1), _PAGE if full else _LINE) for _ in peephole_order(net)),
        (units * gates, _LINE),
        *recurrent_bias,
        (projected, _LINE),
        *([(gates * hidden, _LINE)] * 2 if net.bias else []),
    ]
