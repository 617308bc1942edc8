"""Runs a script in a fresh interpreter: for what depends on a process's state, or could hang or kill it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

# Seconds after which a test has hung: far more than any takes, on a busy machine too.
HANG = 1200

# Most scripts need a network that a call gives to two threads, and an input for it.
TWO_THREADS = """
import numpy as np, gatecell
rng = np.random.default_rng(0)
def make(**options):
    net = gatecell.LSTM(64, 64, **options)
    bound = 1 / 8
    shapes = {"weight_ih_l0": (256, 64), "weight_hh_l0": (256, 64), "bias_ih_l0": (256,), "bias_hh_l0": (256,)}
    net.load_state_dict({name: rng.uniform(-bound, bound, shape).astype("float32") for name, shape in shapes.items()})
    return net
net = make(num_threads=2)
x = rng.standard_normal((100, 8, 64)).astype("float32")
assert net.plan(100, 8).threads == 2, net.plan(100, 8)
"""


def run_script(source: str, **environment: str) -> str:
    """The script's output; fails unless it ends with code 0 and writes nothing to stderr."""
    done = subprocess.run(
        # Python 3.12 warns of a fork beside threads, which is just what some scripts do.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(source)],
        check=False,
        # NumPy's OpenBLAS has a team of its own, which spins for 30 ms after the import.
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout
