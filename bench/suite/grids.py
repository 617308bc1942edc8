"""The named lists of cases for `--grid`."""

from __future__ import annotations

from dataclasses import replace

from suite.cases import Case


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


def _extended() -> list[str]:
    """The shapes of std with extended cells.

    At H=128 and T=100 the list also has, around the LSTM with peepholes, a plain LSTM and one with coupled gates.
    """
    cases = []
    for text in _std("lstm", "peepholes=diagonal"):
        case = Case.parse(text)
        with_others = (case.hidden_size, case.steps) == (128, 100)
        cases += [str(case.plain), text, str(replace(case.plain, coupled_gates=True))] if with_others else [text]
    return cases + _std("gru", "reset=before")


_POINTS = ("B=1,T=1,H=128", "B=1,T=100,H=128", "B=8,T=100,H=128")
_QUICK = [f"{cell},{point}" for cell in ("lstm", "gru") for point in _POINTS]

GRIDS = {
    "quick": [*_QUICK, "lstm,B=2,T=10,I=20,H=64,layers=2,bidirectional"],
    "speed": [
        "lstm,B=1,T=1,H=128",
        "lstm,B=1,T=100,H=256",
        "gru,B=1,T=100,H=256",
        "lstm,B=1,T=100,I=128,H=256,layers=2,bidirectional",
        "lstm,B=8,T=100,H=256",
        "gru,B=32,T=100,H=256",
    ],
    "extended": _extended(),
    "std": [*_std("lstm"), *_std("gru"), "lstm,B=8,T=100,H=256,float64", "lstm,B=8,T=100,H=512,proj=128"],
}
