"""A budget for what a call of one step costs beside its arithmetic: instructions from its entry to the first kernel.

Valgrind counts them, so the number is exact: other load on the machine does not change it. Only instructions of the
core's own object count, not those of NumPy, Python and the C library. The numbers depend on the compiler and on the
headers of Python; with others than the recorded ones the budget has more room.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gatecell

MACHINE = "this machine has no "  # see tests/conftest.py
RECORDED_WITH = ("GCC 12", "Python 3.11")
# LSTM, H=64, T=1, B=1, with a state, float32, on avx2, in a Release build. A change that lowers a number records it.
RECORDED = {"_core.call": 1302, "stream.step": 326}
TOLERANCE, TOLERANCE_OF_OTHERS = 1.02, 1.25

REPEATS = 4  # the first calls also bind functions of other libraries and allocate scratch memory
SCRIPT = f"""
import numpy as np, gatecell
net = gatecell.LSTM(64, 64, num_threads=1)
net.load_state_dict({{name: np.full(shape, 0.01, "float32") for name, shape in net._shapes().items()}})
x, hx = np.ones((1, 1, 64), "float32"), (np.zeros((1, 1, 64), "float32"), np.zeros((1, 1, 64), "float32"))
stream, core, call = net.stream(), net._core, gatecell._core.call
for _ in range({REPEATS}):
    call(core, x, hx, False, 1)
for _ in range({REPEATS}):
    stream.step(x[0])
"""


def own_instructions(profile: Path) -> int:
    """The instructions that the core's own object executed, in a profile of callgrind."""
    names: dict[str, str] = {}
    is_own = is_called = False
    total = 0
    for line in profile.read_text().splitlines():
        if line.startswith("ob="):
            number, _, name = line[3:].partition(" ")
            is_own = "gatecell/_core." in names.setdefault(number, name)
        elif line.startswith("cob="):
            number, _, name = line[4:].partition(" ")
            names.setdefault(number, name)
        elif line.startswith("calls="):
            is_called = True  # the next line has the instructions of the called function, which count where they run
        elif re.match(r"[-+*\d]", line):
            total += 0 if is_called or not is_own else int(line.split()[1])
            is_called = False
    return total


def test_a_step_stays_within_its_budget_of_instructions(tmp_path: Path) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    if "avx2" not in gatecell.available_isas():
        pytest.skip(f"{MACHINE}AVX2")
    built_with = gatecell.build_info()["compiler"], f"Python {sys.version_info.major}.{sys.version_info.minor}"
    is_recorded = built_with[0].startswith(RECORDED_WITH[0] + ".") and built_with[1] == RECORDED_WITH[1]
    tolerance = TOLERANCE if is_recorded else TOLERANCE_OF_OTHERS
    # A count begins at the entry of `_core.call` (fast_call) or `stream.step` (call_method), and ends at the kernel.
    entries = [f"--zero-before=*(anonymous namespace)::{name}(*" for name in ("fast_call", "call_method")]
    kernel = "--dump-before=void gatecell::(anonymous namespace)::step<*"
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=profile", *entries, kernel]
    subprocess.run(
        [*callgrind, sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=os.environ | {"GATECELL_ISA": "avx2"},
        check=True,
        capture_output=True,
    )
    profiles = [tmp_path / f"profile.{n}" for n in range(1, 2 * REPEATS + 1)]
    if not profiles[0].exists():
        pytest.skip("the extension has no symbols: install it with SKBUILD_INSTALL_STRIP=false")
    counted = dict(zip(RECORDED, (own_instructions(profiles[i]) for i in (REPEATS - 1, -1)), strict=True))
    print(counted)
    for name, recorded in RECORDED.items():
        assert counted[name] > 0
        assert counted[name] <= recorded * tolerance, (
            f"expected at most {recorded * tolerance:.0f} from the entry of {name} to the kernel, got {counted[name]}"
        )
