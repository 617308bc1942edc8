"""Spec: the cell, the sizes and the options of a network. Its weights are not part of it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from .._core import validate
from .checks import check_bool, check_int


@dataclass(frozen=True)
class Spec:
    """The description of a network, in the order of the fields of the core's Spec. The constructor checks it.

    cell is "lstm", "gru", "rnn_tanh" or "rnn_relu". Sizes are numbers of features.
    """

    cell: str
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    bidirectional: bool = False
    proj_size: int = 0
    peepholes: str = "none"
    reset: str = "after"
    coupled_gates: bool = False
    gate_clip: float = 0.0
    cell_clip: float = 0.0

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size", "num_layers", "proj_size"):
            value = check_int(name, getattr(self, name))
            if abs(value) >= 2**63:
                raise ValueError(f"expected {name} to fit in 64 bits, got {value}")
            object.__setattr__(self, name, value)
        check_bool("bias", self.bias)
        check_bool("bidirectional", self.bidirectional)
        check_bool("coupled_gates", self.coupled_gates)
        validate(self.values())

    def values(self) -> Any:
        """The fields as a tuple, as the core takes them."""
        return astuple(self)

    @property
    def gates(self) -> str:
        """The gates in the order in which weight_ih, weight_hh and the biases hold them, one letter each."""
        if self.cell == "lstm":
            return "igo" if self.coupled_gates else "ifgo"
        return "h" if self.cell != "gru" else "zn" if self.reset == "none" else "rzn"

    @property
    def peephole_gates(self) -> str:
        """The gates of an LSTM that have peepholes, in the order in which weight_peephole holds them."""
        return self.gates.replace("g", "")

    @property
    def direction_runs(self) -> int:
        """Layers times directions: the length of the first axis of h_0 and c_0."""
        return self.num_layers * (2 if self.bidirectional else 1)

    @property
    def state_size(self) -> int:
        """The number of features of h. c always has hidden_size features."""
        return self.proj_size or self.hidden_size

    @property
    def output_size(self) -> int:
        """The number of features of y."""
        return self.state_size * (2 if self.bidirectional else 1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight by its name in a state dict of torch, in torch's order."""
        matrix_rows, peephole_rows = len(self.gates) * self.hidden_size, len(self.peephole_gates) * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            for direction in ("", "_reverse") if self.bidirectional else ("",):
                suffix = f"_l{layer}{direction}"
                shapes["weight_ih" + suffix] = (matrix_rows, self.output_size if layer else self.input_size)
                shapes["weight_hh" + suffix] = (matrix_rows, self.state_size)
                if self.bias:
                    shapes["bias_ih" + suffix] = (matrix_rows,)
                    shapes["bias_hh" + suffix] = (matrix_rows,)
                if self.peepholes != "none":
                    full = self.peepholes == "full"
                    shapes["weight_peephole" + suffix] = (peephole_rows, self.hidden_size) if full else (peephole_rows,)
                if self.proj_size:
                    shapes["weight_hr" + suffix] = (self.proj_size, self.hidden_size)
        return shapes
