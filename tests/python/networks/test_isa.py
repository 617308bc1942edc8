"""Which ISA runs: isa= wins over GATECELL_ISA, GATECELL_ISA sets the default, and each ISA has kernels of its own."""

from __future__ import annotations

import itertools
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gatecell
from gatecell import _core
from helpers.fresh_process import run_script
from helpers.torch_case import Case

TABLE: dict[str, Any] = _core.instruction_sets()
ALL = [name for name, row in TABLE.items() if row["is_built"]]  # of this architecture
BASELINE, FOREIGN = ALL[-1], "neon" if platform.machine() == "x86_64" else "avx2"
KNOWN = {  # the size of a vector in bytes, fused multiply-add, features of the CPU
    "avx512": (64, True, {"avx2", "fma", "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}),
    "avx2": (32, True, {"avx2", "fma"}),
    "sse2": (16, False, {"sse2"}),
    "neon": (16, True, {"asimd"}),
}
AVAILABLE = gatecell.available_isas()
MADE = f"""
import gatecell
print(gatecell.LSTM(3, 4).isa, gatecell.GRUCell(3, 4).isa, gatecell.RNN(3, 4, isa='{BASELINE}').isa)
"""


def test_names_are_known_and_best_first() -> None:
    assert [name for name in ALL if name in AVAILABLE] == AVAILABLE
    assert AVAILABLE[-1] == BASELINE


def test_detection_agrees_with_the_cpu_flags_of_linux(isa: str) -> None:
    """The CPU flags that Linux reports are the oracle of gatecell's detection."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = set(next(line for line in lines if line.startswith(("flags", "Features"))).split())
    assert [name for name in ALL if set(TABLE[name]["cpu_features"]) <= flags] == AVAILABLE
    assert isa in AVAILABLE


def test_the_table_has_what_the_manuals_say() -> None:
    """A new instruction set needs no row in KNOWN."""
    for name, row in KNOWN.items():
        assert (TABLE[name]["vector_bytes"], TABLE[name]["is_fused"], set(TABLE[name]["cpu_features"])) == row


def test_default_is_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATECELL_ISA", raising=False)
    network = Case().network(gatecell)
    assert network.isa == AVAILABLE[0]
    assert network.plan(1, 1).isa == AVAILABLE[0]


def test_the_argument_chooses_the_isa(isa: str) -> None:
    network = Case().network(gatecell, isa=isa)
    assert network.isa == isa
    assert network.plan(5, 3).isa == isa
    assert isa in repr(network)


def test_the_environment_sets_the_default(isa: str) -> None:
    assert run_script(MADE, GATECELL_ISA=isa).split() == [isa, isa, BASELINE]


@pytest.mark.parametrize("name", ["avx9", "AVX2", FOREIGN, " "])
def test_unknown_name_is_an_error_when_a_network_is_made(name: str) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        gatecell.LSTM(3, 4, isa=name)
    assert all(isa in str(caught.value) for isa in AVAILABLE)
    script = f"""
import gatecell, sys
gatecell.available_isas(), gatecell.build_info()
gatecell.LSTM(3, 4, isa="{BASELINE}")
try:
    gatecell.LSTM(3, 4)
except ValueError as error:
    print(error)
"""
    message = run_script(script, GATECELL_ISA=name)
    assert all(word in message for word in (*AVAILABLE, "GATECELL_ISA", name))


def test_kernels_are_different_objects() -> None:
    """With and without fused multiply-add the last bit of some result differs.

    The ISAs with it give the same bits, and so do the ISAs without it (test_bits.py).
    """
    case = Case(input_size=64, hidden_size=64, rows=8)
    x, hx = case.inputs()
    outputs = {isa: case.network(gatecell, isa=isa)(x, hx)[0] for isa in AVAILABLE}
    for one, other in itertools.combinations(AVAILABLE, 2):
        assert np.array_equal(outputs[one], outputs[other]) == (TABLE[one]["is_fused"] == TABLE[other]["is_fused"])


def test_the_table_says_which_isas_have_fused_multiply_add(isa: str) -> None:
    """A network of one unit finds out: its product rounds to 1 + 2**-12 unless the multiply-add is fused."""
    probe = gatecell.RNN(1, 1, nonlinearity="relu", isa=isa)
    weights = {"weight_ih_l0": [[1 + 2**-13]], "weight_hh_l0": [[0]], "bias_ih_l0": [-1 - 2**-12], "bias_hh_l0": [0]}
    probe.load_state_dict({name: np.array(values, np.float32) for name, values in weights.items()})
    y, _ = probe(np.full((1, 1), 1 + 2**-13, np.float32))
    assert (y[0, 0] > 0) == (isa in gatecell.build_info()["fused"])


def test_each_isa_has_its_own_compiler_flags() -> None:
    """This distinguishes AVX-512 from AVX2, which give the same bits."""
    flags = gatecell.build_info()["isas"]
    assert set(AVAILABLE) <= flags.keys()
    assert "-mavx" not in flags[BASELINE]
    for name, needed in (("avx2", "-mfma"), ("avx512", "-mavx512vl")):
        assert needed in flags.get(name, needed)
    assert not any(word in str(flags) for word in ("-march=native", "-ffast-math"))


def test_build_info_tells_the_compiler() -> None:
    info = gatecell.build_info()
    assert {"version", "compiler", "eigen", "isas", "commit", "arithmetic"} <= info.keys()
    assert info["arithmetic"] == 2  # tests/cpp/test_hashes.cpp has the bits of this version
    assert info["version"] == gatecell.__version__
    assert all(isinstance(info[name], str) and info[name] for name in ("compiler", "eigen", "commit"))
    known = [name for name in KNOWN if name in info["isas"]]
    assert [name for name in known if name in info["fused"]] == [name for name in known if KNOWN[name][1]]
