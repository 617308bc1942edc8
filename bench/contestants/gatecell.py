"""gatecell."""

from __future__ import annotations

import gatecell
from suite.cases import Arrays, Case

from . import Built

LAYERS = {"lstm": gatecell.LSTM, "gru": gatecell.GRU, "rnn": gatecell.RNN}


def build(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> Built:
    net = LAYERS[case.cell].from_state_dict(weights, batch_first=case.batch_first, num_threads=threads)
    x, hx = inputs["x"], inputs.get("h_0")
    if "c_0" in inputs:
        hx = (inputs["h_0"], inputs["c_0"])
    return Built(lambda: net(x, hx), lambda result: [result[0], *(result[1] if case.cell == "lstm" else result[1:])])
