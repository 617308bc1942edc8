"""What a network is, without its weights: the core's Spec, checked when it is made."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from .._core import validate
from .checks import check_bool, check_int


@dataclass(frozen=True)
class Spec:
    """Sizes are counts of features. The fields are in the order of the core's arguments."""

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
        """As the core takes them."""
        return astuple(self)

    @property
    def gates(self) -> str:
        """Of whose rows weight_ih, weight_hh and the biases are made, in order."""
        if self.cell == "lstm":
            return "igo" if self.coupled_gates else "ifgo"
        return "h" if self.cell != "gru" else "zn" if self.reset == "none" else "rzn"

    @property
    def peephole_gates(self) -> str:
        """Of an LSTM's gates those that see c, in the order of weight_peephole's rows."""
        return self.gates.replace("g", "")

    @property
    def states(self) -> int:
        """Layers times directions: the first axis of h_0 and c_0."""
        return self.num_layers * (2 if self.bidirectional else 1)

    @property
    def state_size(self) -> int:
        """Features of h; c has hidden_size."""
        return self.proj_size or self.hidden_size

    @property
    def output_size(self) -> int:
        """Features of y."""
        return self.state_size * (2 if self.bidirectional else 1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every weight by its name in torch's state dict, in torch's order."""
        rows, seeing_c = len(self.gates) * self.hidden_size, len(self.peephole_gates) * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            for direction in ("", "_reverse") if self.bidirectional else ("",):
                suffix = f"_l{layer}{direction}"
                shapes["weight_ih" + suffix] = (rows, self.output_size if layer else self.input_size)
                shapes["weight_hh" + suffix] = (rows, self.state_size)
                if self.bias:
                    shapes["bias_ih" + suffix] = (rows,)
                    shapes["bias_hh" + suffix] = (rows,)
                if self.peepholes != "none":
                    full = self.peepholes == "full"
                    shapes["weight_peephole" + suffix] = (seeing_c, self.hidden_size) if full else (seeing_c,)
                if self.proj_size:
                    shapes["weight_hr" + suffix] = (self.proj_size, self.hidden_size)
        return shapes
