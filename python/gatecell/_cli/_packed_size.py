"""Computes the memory of a network's packed weights from its sizes, without packing them.

The pieces follow cpp/src/pack/packed.cpp. A test compares the result with the core's `nbytes`.
"""

from __future__ import annotations

import gatecell

from ._sizes import Layer, directions, gate_order, output_size, peephole_order, peepholes, state_size

_VECTOR = {"avx512": 64, "avx2": 32, "sse2": 16, "neon": 16}  # bytes of a vector register
_LINE, _PAGE = 64, 4096


def packed_size(net: Layer) -> int:
    """The bytes of the packed weights for the network's dtype and instruction set."""
    item, used = net.dtype.itemsize, 0
    for layer in range(net.num_layers):
        for _ in range(directions(net)):
            for count, alignment in _pieces(net, layer, _VECTOR[net.isa] // item):
                used = -(-used // alignment) * alignment + count * item
    return used


def _pieces(net: Layer, layer: int, lanes: int) -> list[tuple[int, int]]:
    """The number of scalars and the alignment of each piece of one direction, in order.

    The projection's bias is a piece even without a projection; it is then empty.
    """

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
    ]
