"""Runs a script in a fresh interpreter, for tests that depend on the state of the process or could hang or kill it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

# After this number of seconds a test hangs. No test takes nearly as long, even on a busy machine.
HANG = 1200

# Some scripts need a network that uses two threads in each call, and an input for it.
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
    """Returns the output of the script. Fails unless the exit code is 0 and stderr is empty."""
    done = subprocess.run(
        # Python 3.12 warns about a fork in a process with threads. Some scripts do this on purpose.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(source)],
        check=False,
        # NumPy's OpenBLAS has a thread pool of its own. Its threads spin for 30 ms after the import.
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout
