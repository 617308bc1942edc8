"""A case says which network is timed on which input. Its text form is `lstm,B=8,T=100,H=256`.

B rows, T time steps, I input features (default H), H hidden units. These words may follow:

* `layers=2`, `proj=64`, `bidirectional`, `batch_first`, `float64`;
* `reset=before`, `reset=none`, `peepholes=diagonal`, `peepholes=full`, `coupled_gates`: an extended cell, which PyTorch
  lacks;
* `no_hx`: the call passes no initial state;
* `ragged`: a padded batch; its rows have T/10 to T steps;
* `streams`: B live streams that start from a zero state. A call computes T steps of all streams, one step at a time,
  and continues from the state of the call before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np


class Option(NamedTuple):
    """An option of extended cells."""

    cell: str
    values: tuple[str | bool | None, ...]  # the default first
    removed_gate: str = ""  # with the last value


# The benchmarks' own table: ab.py also runs versions of gatecell that have no table, or another one. tests/bench
# compares it with gatecell's.
OPTIONS = {
    "reset": Option("gru", ("after", "before", "none"), removed_gate="r"),
    "peepholes": Option("lstm", (None, "diagonal", "full")),
    "coupled_gates": Option("lstm", (False, True), removed_gate="f"),
}
GATES = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}  # in PyTorch's order
NUMBERS = {
    "B": "batch",
    "T": "steps",
    "I": "input_size",
    "H": "hidden_size",
    "layers": "num_layers",
    "proj": "proj_size",
}
CHOICES = {
    name: [value for value in option.values if value] for name, option in OPTIONS.items() if True not in option.values
}
FLAGS = (
    *(name for name, option in OPTIONS.items() if True in option.values),
    *("bidirectional", "batch_first", "no_hx", "float64", "ragged", "streams"),
)
NOT_FOR_STREAMS = ("bidirectional", "batch_first", "no_hx", "ragged")
CELL_OF = {"proj_size": "lstm", **{name: option.cell for name, option in OPTIONS.items()}}
_WORDS = [f"{name}=NUMBER" for name in NUMBERS]
_WORDS += [f"{name}={'|'.join(map(str, values))}" for name, values in CHOICES.items()]
SYNTAX = f"one of {', '.join(GATES)}, then {', '.join(_WORDS)} or {', '.join(FLAGS)}"

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    cell: str
    hidden_size: int
    input_size: int
    batch: int = 1
    steps: int = 100
    num_layers: int = 1
    proj_size: int = 0
    reset: str = "after"
    peepholes: str | None = None
    coupled_gates: bool = False
    bidirectional: bool = False
    batch_first: bool = False
    no_hx: bool = False
    float64: bool = False
    ragged: bool = False
    streams: bool = False

    @classmethod
    def parse(cls, text: str) -> Case:
        cell, *words = text.split(",")
        if cell not in GATES:
            raise ValueError(f"case {text!r} starts with {cell!r}; expected {SYNTAX}")
        values: dict[str, int | bool | str] = {}
        for word in words:
            key, _, chosen = word.partition("=")
            value: int | bool | str
            if word in FLAGS:
                name, value = word, True
            elif chosen in CHOICES.get(key, ()):
                name, value = key, chosen
            elif key in NUMBERS and re.fullmatch(r"\d+", chosen) and int(chosen) > 0:
                name, value = NUMBERS[key], int(chosen)
            else:
                raise ValueError(f"case {text!r} has {word!r}; expected {SYNTAX}")
            if name in values:
                raise ValueError(f"case {text!r} gives {key} twice")
            values[name] = value
        if "hidden_size" not in values:
            raise ValueError(f"case {text!r} lacks H=NUMBER")
        for name in values:
            if CELL_OF.get(name, cell) != cell:
                raise ValueError(f"case {text!r}: {name.removesuffix('_size')} belongs to {CELL_OF[name]}")
        if "streams" in values and (wrong := [flag for flag in NOT_FOR_STREAMS if flag in values]):
            raise ValueError(f"case {text!r}: streams cannot be {wrong[0]}")
        case = cls(cell, **{"input_size": values["hidden_size"], **values})  # type: ignore[arg-type]
        if case.proj_size >= case.hidden_size:
            raise ValueError(f"case {text!r}: proj is smaller than H")
        return case

    def __str__(self) -> str:
        words = [self.cell, f"B={self.batch}", f"T={self.steps}"]
        words += [f"I={self.input_size}"] if self.input_size != self.hidden_size else []
        words += [f"H={self.hidden_size}"]
        words += [f"layers={self.num_layers}"] if self.num_layers > 1 else []
        words += [f"proj={self.proj_size}"] if self.proj_size else []
        words += [f"{name}={self.options[name]}" for name in CHOICES if name in self.options]
        return ",".join([*words, *(flag for flag in FLAGS if getattr(self, flag))])

    @property
    def options(self) -> dict[str, Any]:
        """gatecell's options for an extended cell; empty for a cell that PyTorch has."""
        values = {name: getattr(self, name) for name in OPTIONS}
        return {name: value for name, value in values.items() if value != OPTIONS[name].values[0]}

    @property
    def variant(self) -> str:
        """The options of an extended cell in the words of a case; empty for a cell that PyTorch has."""
        return ",".join(name if value is True else f"{name}={value}" for name, value in self.options.items())

    @property
    def plain(self) -> Case:
        """The same case with PyTorch's cell."""
        defaults: dict[str, Any] = {name: option.values[0] for name, option in OPTIONS.items()}
        return replace(self, **defaults)

    @property
    def gates(self) -> str:
        """The gates with weights, in order."""
        removed = {
            OPTIONS[name].removed_gate for name, value in self.options.items() if value == OPTIONS[name].values[-1]
        }
        return "".join(gate for gate in GATES[self.cell] if gate not in removed)

    def weight_shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the weights of each direction of a layer, with PyTorch's names, in PyTorch's order.

        Extended cells use gatecell's names and layout: `weight_peephole`, and no matrix rows for a missing gate.
        """
        rows = len(self.gates) * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, self.layer_input(layer))}
        shapes |= {"weight_hh": (rows, self.output_size), "bias_ih": (rows,), "bias_hh": (rows,)}
        if self.peepholes:
            rows = len(self.gates.replace("g", "")) * self.hidden_size
            shapes["weight_peephole"] = (rows, self.hidden_size) if self.peepholes == "full" else (rows,)
        return shapes | ({"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else {})

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def input_steps(self) -> int:
        """Steps for which x is available at once."""
        return 1 if self.streams else self.steps

    @property
    def direction_runs(self) -> int:
        """Layers times directions."""
        return self.num_layers * self.directions

    @property
    def dtype(self) -> np.dtype:
        return np.dtype("float64" if self.float64 else "float32")

    @property
    def output_size(self) -> int:
        """Features of h in one direction."""
        return self.proj_size or self.hidden_size

    def layer_input(self, layer: int) -> int:
        return self.output_size * self.directions if layer else self.input_size
