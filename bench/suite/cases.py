"""The cases: which networks are timed on what input. A case reads and prints as `lstm,B=8,T=100,H=256`.

B rows, T time steps, I input features (H when not given), H hidden units; then `layers=2`, `proj=64`; for cells that
PyTorch has not `reset=before`, `reset=none`, `peepholes=diagonal`, `peepholes=full`, `coupled_gates`; `bidirectional`,
`batch_first`, `no_hx` (no initial state given), `float64`, `ragged` (rows of T/10 to T steps in a padded batch) and
`streams` (B live streams, which begin with zeros: a call takes T steps of all, one by one, and goes on from the last).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
NUMBERS = {
    "B": "batch",
    "T": "steps",
    "I": "input_size",
    "H": "hidden_size",
    "layers": "num_layers",
    "proj": "proj_size",
}
CHOICES = {"reset": ("after", "before", "none"), "peepholes": ("diagonal", "full")}
FLAGS = ("coupled_gates", "bidirectional", "batch_first", "no_hx", "float64", "ragged", "streams")
NOT_FOR_STREAMS = ("bidirectional", "batch_first", "no_hx", "ragged")
CELL_OF = {"proj_size": "lstm", "peepholes": "lstm", "coupled_gates": "lstm", "reset": "gru"}
_WORDS = [f"{name}=NUMBER" for name in NUMBERS] + [f"{name}={'|'.join(values)}" for name, values in CHOICES.items()]
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
    def options(self) -> dict[str, str | bool]:
        """gatecell's options that make this another cell than PyTorch's; none for that."""
        options = {"reset": self.reset, "peepholes": self.peepholes, "coupled_gates": self.coupled_gates}
        return {name: value for name, value in options.items() if value and value != "after"}

    @property
    def variant(self) -> str:
        """The same in words, as a case has them; empty for PyTorch's cell."""
        return ",".join(name if value is True else f"{name}={value}" for name, value in self.options.items())

    @property
    def plain(self) -> Case:
        """The same with PyTorch's cell."""
        return replace(self, reset="after", peepholes=None, coupled_gates=False)

    @property
    def gates(self) -> int:
        """Blocks of rows in W_ih and W_hh: i f g o without f if coupled, r z n without r if there is no reset."""
        return GATES[self.cell] - (self.coupled_gates or self.reset == "none")

    @property
    def peephole_shape(self) -> tuple[int, ...]:
        """Of weight_peephole, of i f o or coupled of i o; empty without."""
        rows = (2 if self.coupled_gates else 3) * self.hidden_size
        return {None: (), "diagonal": (rows,), "full": (rows, self.hidden_size)}[self.peepholes]

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def chunk(self) -> int:
        """Steps whose x is there at once."""
        return 1 if self.streams else self.steps

    @property
    def dtype(self) -> np.dtype:
        return np.dtype("float64" if self.float64 else "float32")

    @property
    def output_size(self) -> int:
        """Features of h, one direction."""
        return self.proj_size or self.hidden_size

    def layer_input(self, layer: int) -> int:
        return self.output_size * self.directions if layer else self.input_size


def make_weights(case: Case) -> Arrays:
    """In PyTorch's names and layout, and as it initialises them: uniform in +-1/sqrt(H). The same in every process.

    What PyTorch has not is as gatecell names it: `weight_peephole`, and without a gate its rows are left out.
    """
    rng = np.random.default_rng(0)
    rows, bound = case.gates * case.hidden_size, case.hidden_size**-0.5
    weights: Arrays = {}
    for layer in range(case.num_layers):
        for direction in ("", "_reverse")[: case.directions]:
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, case.layer_input(layer))}
            shapes |= {"weight_hh": (rows, case.output_size), "bias_ih": (rows,), "bias_hh": (rows,)}
            shapes |= {"weight_peephole": case.peephole_shape} if case.peepholes else {}
            shapes |= {"weight_hr": (case.proj_size, case.hidden_size)} if case.proj_size else {}
            for name, shape in shapes.items():
                weights[f"{name}_l{layer}{direction}"] = rng.uniform(-bound, bound, shape).astype(case.dtype)
    return weights


def make_input(case: Case) -> Arrays:
    """`x`, standard normal, and unless no_hx `h_0` and for an LSTM `c_0`, in PyTorch's shapes.

    If ragged `lengths` as well. The x of streams is (T, B, I) and has no state beside it.
    """
    rng = np.random.default_rng(1)
    rows = (case.batch, case.steps) if case.batch_first else (case.steps, case.batch)
    arrays = {"x": rng.standard_normal((*rows, case.input_size))}
    if not (case.no_hx or case.streams):
        chains = case.num_layers * case.directions
        arrays["h_0"] = rng.uniform(-1, 1, (chains, case.batch, case.output_size))
        if case.cell == "lstm":
            arrays["c_0"] = rng.uniform(-1, 1, (chains, case.batch, case.hidden_size))
    lengths = {"lengths": make_lengths(case)} if case.ragged else {}
    return {**{name: array.astype(case.dtype) for name, array in arrays.items()}, **lengths}


def make_lengths(case: Case) -> np.ndarray:
    """The steps of each row, int64 (B): if ragged uniform from T/10 to T, in no order."""
    least = max(1, case.steps // 10) if case.ragged else case.steps
    return np.random.default_rng(2).integers(least, case.steps, case.batch, endpoint=True)


def _std(cell: str, variant: str = "") -> list[str]:
    points = [f"B=1,T=1,H={h}" for h in (64, 128, 256, 512, 1024)]
    points += [f"B=1,T=100,H={h}" for h in (16, 64, 128, 256, 512, 1024)]
    points += [f"B=8,T=100,H={h}" for h in (64, 256, 512)]
    points += [f"B=32,T=100,H={h}" for h in (64, 128, 256, 512, 1024)]
    points += ["B=128,T=50,H=256"]
    points += [f"B={b},T=100,I=128,H=256,layers=2,bidirectional" for b in (1, 32)]
    points += ["B=1,T=100,H=256,layers=3"]
    points += [f"B={b},T=100,H=256,batch_first,no_hx" for b in (1, 32)]
    return [str(Case.parse(",".join(filter(None, (cell, variant, point))))) for point in points]


def _textbook() -> list[str]:
    """std with other cells; at H=128 and T=100 a plain and a coupled LSTM stand beside the one with peepholes."""
    cases = []
    for text in _std("lstm", "peepholes=diagonal"):
        case = Case.parse(text)
        beside = (case.hidden_size, case.steps) == (128, 100)
        cases += [str(case.plain), text, str(replace(case.plain, coupled_gates=True))] if beside else [text]
    return cases + _std("gru", "reset=before")


_POINTS = ("B=1,T=1,H=128", "B=1,T=100,H=128", "B=8,T=100,H=128")
_QUICK = [f"{cell},{point}" for cell in ("lstm", "gru") for point in _POINTS]

GRIDS = {
    "quick": [*_QUICK, "lstm,B=2,T=10,I=20,H=64,layers=2,bidirectional"],
    "textbook": _textbook(),
    "std": [*_std("lstm"), *_std("gru"), "lstm,B=8,T=100,H=256,float64", "lstm,B=8,T=100,H=512,proj=128"],
}
