"""Compares predicted limits with figures computed by hand. These tests measure nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from suite.cases import Case
from suite.limits import predict, shares


def limits(threads: int, flops: float, bandwidths: list[float], seconds_per_unit: dict[str, float]) -> dict[str, Any]:
    names, sizes = ["L1", "L2", "L3", "memory"], [20_000, 1_000_000, 10_000_000, None]
    return {
        "threads": threads,
        "fma": {"float32": flops, "float64": flops / 2},
        "levels": [{"name": n, "bytes": b, "bandwidth": w} for n, b, w in zip(names, sizes, bandwidths, strict=True)],
        "activations": {cell: {"float32": s, "float64": 3 * s} for cell, s in seconds_per_unit.items()},
        "core_round_trip": 1e-7,
    }


# One multiply-add takes 20 ps. Reading 4 bytes takes 25 ps from L1, 50 from L2, 100 from L3 and 400 from memory.
ONE = limits(1, 100e9, [160e9, 80e9, 40e9, 10e9], {"lstm": 1e-9, "gru": 2e-9, "rnn": 0.5e-9})
TWO = limits(2, 200e9, [320e9, 160e9, 60e9, 10e9], {"lstm": 0.5e-9, "gru": 1e-9, "rnn": 0.25e-9})

# case: input, recurrent and activation seconds, limits of input and recurrent part
BY_HAND = {
    # 20,000 weights x 1,000 rows; 40,000 weights x 100 rows x 10 steps; 100 units x 1,000
    "lstm,B=100,T=10,I=50,H=100": (4e-4, 8e-4, 1e-4, "FMA", "FMA"),
    # 2,500 weights each: the network is 20,000 bytes and just fits L1
    "rnn,B=1,T=101,H=50": (5.05e-6, 6.3125e-6, 2.525e-6, "FMA", "L1"),
    # 120,000 recurrent weights (480 kB), network 720 kB
    "gru,B=1,T=11,I=100,H=200": (1.32e-5, 6.6e-5, 4.4e-6, "FMA", "L2"),
    # a weight is read in 50 ps: longer than the products of two rows (40 ps), shorter than those of three (60 ps)
    "gru,B=2,T=11,I=100,H=200": (2.64e-5, 6.6e-5, 8.8e-6, "FMA", "L2"),
    "gru,B=3,T=11,I=100,H=200": (3.96e-5, 7.92e-5, 1.32e-5, "FMA", "FMA"),
    # a million weights each; reading an input weight once (100 ps) takes longer than its products of two steps (40 ps)
    "lstm,B=1,T=2,H=500": (1e-4, 2e-4, 1e-6, "L3", "L3"),
    # 4 million weights each, 16 MB
    "lstm,B=1,T=100,H=1000": (8e-3, 1.6e-1, 1e-4, "FMA", "memory"),
    # each call reads the network (12 MB) from memory; W_hh (4 MB) then stays in L3: 400 us + 10 x 100 us
    "lstm,B=1,T=11,I=1000,H=500": (8e-4, 1.4e-3, 5.5e-6, "memory", "L3"),
    # a call of one step reads both from memory
    "lstm,B=1,T=1,I=1000,H=500": (8e-4, 4e-4, 5e-7, "memory", "memory"),
    # input weights 2 x 4,000 and 2 x 20,000, recurrent 4 x 10,000; 40 rows, 4 a step; 4 x 50 units
    "lstm,B=4,T=10,I=20,H=50,layers=2,bidirectional": (3.84e-5, 3.2e-5, 8e-6, "FMA", "FMA"),
    # one direction run (40 kB) does not fit L1; all four fit L2
    "lstm,B=1,T=10,I=20,H=50,layers=2,bidirectional": (9.6e-6, 2e-5, 2e-6, "FMA", "L2"),
    # directions run one after the other: from its second step on each (640 kB) is in L2; both together do not fit
    "lstm,B=1,T=11,I=100,H=200,bidirectional": (3.52e-5, 1.92e-4, 4.4e-6, "FMA", "L2"),
    # recurrent 400 x 50 and projection 50 x 100; an input weight is read in 50 ps, its products of two steps take 40 ps
    "lstm,B=1,T=2,I=10,H=100,proj=50": (2e-7, 2.5e-6, 2e-7, "L2", "L2"),
    # the input of the second layer is the projected h: 4,000 + 20,000 weights, 10 rows
    "lstm,B=10,T=1,I=10,H=100,proj=50,layers=2": (4.8e-6, 1e-5, 2e-6, "FMA", "FMA"),
    # 40,000 weights and three peepholes per unit; coupled: 30,000 and two per unit; full and coupled: 30,000 and 20,000
    "lstm,B=100,T=10,I=50,H=100,peepholes=diagonal": (4e-4, 8.06e-4, 1e-4, "FMA", "FMA"),
    "lstm,B=100,T=10,I=50,H=100,peepholes=diagonal,coupled_gates": (3e-4, 6.04e-4, 1e-4, "FMA", "FMA"),
    "lstm,B=100,T=10,I=50,H=100,peepholes=full,coupled_gates": (3e-4, 1e-3, 1e-4, "FMA", "FMA"),
    # the reset changes no product; without it two gates remain: 80,000 recurrent weights (320 kB)
    "gru,B=1,T=11,I=100,H=200,reset=before": (1.32e-5, 6.6e-5, 4.4e-6, "FMA", "L2"),
    "gru,B=1,T=11,I=100,H=200,reset=none": (8.8e-6, 4.4e-5, 4.4e-6, "FMA", "L2"),
    # 8 bytes per weight: the first step reads from L2 (100 ps), the others from L1 (50 ps); a multiply-add takes 40 ps
    "rnn,B=1,T=101,H=50,float64": (1.01e-5, 1.275e-5, 7.575e-6, "FMA", "L1"),
    # each of three steps of streams reads its 20,000 input weights and 10,000 recurrent weights from L2
    "lstm,B=1,T=3,I=100,H=50,streams": (3e-6, 1.5e-6, 1.5e-7, "L2", "L2"),
    # the layout of x and a missing initial state do not change the work
    "gru,B=3,T=11,I=100,H=200,batch_first,no_hx": (3.96e-5, 7.92e-5, 1.32e-5, "FMA", "FMA"),
}

BY_HAND_TWO_THREADS = {
    # half of W_hh, 0.96 MB, fits L2 (12 us a step), half the network, 1.44 MB, does not: the first step takes 32 us
    "gru,B=1,T=11,I=200,H=400": (2.64e-5, 1.52e-4, 4.4e-6, "FMA", "L2"),
    "lstm,B=100,T=10,I=50,H=100": (2e-4, 4e-4, 5e-5, "FMA", "FMA"),
}


def level_of(size: int, measured: dict[str, Any]) -> dict[str, Any]:
    levels: list[dict[str, Any]] = measured["levels"]
    return next(level for level in levels if level["bytes"] is None or size <= level["bytes"])


@pytest.mark.parametrize(
    ("case", "measured", "expected"),
    [(case, ONE, expected) for case, expected in BY_HAND.items()]
    + [(case, TWO, expected) for case, expected in BY_HAND_TWO_THREADS.items()],
)
def test_prediction(case: str, measured: dict[str, Any], expected: tuple[float, float, float, str, str]) -> None:
    reads = {str(size): level_of(size, measured)["bandwidth"] for size in shares(Case.parse(case), measured["threads"])}
    p = predict(Case.parse(case), json.loads(json.dumps({**measured, "reads": reads})))
    assert (p.input_seconds, p.recurrent_seconds, p.activation_seconds) == pytest.approx(expected[:3], rel=1e-12)
    assert (p.input_binds, p.recurrent_binds) == expected[3:]
    assert p.seconds == pytest.approx(sum(expected[:3]), rel=1e-12)


def test_padding_of_a_ragged_batch_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of 3, 1 and 4 steps: the four steps have 3, 2, 2 and 1 rows. Network (720 kB) and W_hh (480 kB) fit L2."""
    monkeypatch.setattr("suite.limits.make_lengths", lambda case: np.array([3, 1, 4]))
    p = predict(Case.parse("gru,B=3,T=5,I=100,H=200,ragged"), {**ONE, "reads": {"720000": 80e9, "480000": 80e9}})
    assert p.input_seconds == pytest.approx(60_000 * 8 * 20e-12)
    assert p.recurrent_seconds == pytest.approx(120_000 * (60e-12 + 3 * 50e-12))  # two rows: L2
    assert p.activation_seconds == pytest.approx(200 * 8 * 2e-9)
    assert (p.input_binds, p.recurrent_binds) == ("FMA", "L2")


def test_shares() -> None:
    case = Case.parse("lstm,I=100,H=200,layers=2,bidirectional")
    direction = 800 * 200
    network = 2 * 800 * (100 + 400) + 4 * direction
    assert shares(case, 1) == (4 * network, 4 * direction)
    assert shares(case, 2) == (2 * network, 2 * direction)
    assert shares(Case.parse("lstm,I=100,H=200,peepholes=full"), 1) == (4 * 360_000, 4 * 280_000)
    assert shares(Case.parse("rnn,H=4"), 1) == (4096, 4096)  # the smallest size that is measured
    assert shares(Case.parse("lstm,H=8192"), 2) == (2**28, 2**28)  # the largest size that is measured


def test_bandwidth_is_that_of_the_exact_size() -> None:
    p = predict(Case.parse("lstm,B=1,T=11,I=500,H=100,layers=1"), {**ONE, "reads": {"960000": 96e9, "160000": 16e9}})
    assert p.recurrent_seconds == pytest.approx(160000 / 96e9 + 10 * 160000 / 16e9)
    assert p.recurrent_binds == "L2"
