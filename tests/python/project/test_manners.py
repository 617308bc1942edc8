"""Promise 6 (manners): a call leaves the process as it was.

This covers floating-point mode, signals, affinity, environment and output.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import gatecell
from helpers.torch_case import MODES, Case

pytestmark = pytest.mark.usefixtures("two_cpus")
# WORD is the word of C's fenv_t that holds the mode: MXCSR, or FPCR on ARM. FLUSH are the bits in it that flush
# denormals to zero. STATUS are the bits that record past exceptions such as "inexact"; they are no part of the mode.
WORD, FLUSH, STATUS = (7, 0x8040, 0x3F) if platform.machine() == "x86_64" else (0, 1 << 24, 0)
LIBM = ctypes.CDLL("libm.so.6")


def get_environment() -> ctypes.Array[ctypes.c_uint32]:
    environment = (ctypes.c_uint32 * 8)()
    assert LIBM.fegetenv(environment) == 0
    return environment


def get_mode() -> int:
    return get_environment()[WORD] & ~STATUS


def set_mode(mode: int) -> None:
    environment = get_environment()
    environment[WORD] = mode
    assert LIBM.fesetenv(environment) == 0


def big_call(num_threads: int, isa: str | None = None) -> Callable[[], object]:
    """A call that uses `num_threads` threads."""
    case = Case("LSTM", 64, 64, steps=60, rows=8)
    network, (x, hx) = case.network(gatecell, isa=isa, num_threads=num_threads), case.inputs()
    assert network.plan(60, 8).threads == num_threads
    return lambda: network(x, hx)


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("flush", [0, FLUSH])
def test_floating_point_mode_stays(flush: int, num_threads: int, isa: str) -> None:
    """A call keeps the mode that the caller has set. A call that fails keeps it, too."""
    call, before = big_call(num_threads, isa), get_mode()
    mode = (before & ~FLUSH) | flush
    try:
        set_mode(mode)
        call()
        after_call = get_mode()
        with pytest.raises(ValueError, match="expected"):
            Case().network(gatecell, isa=isa)(np.zeros((1, 1, 99), "float32"))
        after_error = get_mode()
    finally:
        set_mode(before)
    assert after_call == after_error == mode


def test_the_caller_can_still_compute_denormals() -> None:
    """Checks the mode through NumPy: after a call half of the smallest normal number is not zero."""
    big_call(2)()
    assert np.finfo("float32").tiny / np.array([2], "float32") > 0


@pytest.mark.parametrize("num_threads", [1, 2])
def test_denormals_count_as_zero_in_a_call(num_threads: int, isa: str) -> None:
    """relu(1 * 1e-40) is 1e-40 unless denormals are flushed to zero.

    The other threads of the pool must flush them, too.
    """
    size = 64
    network = gatecell.RNN(size, size, nonlinearity="relu", bias=False, num_threads=num_threads, isa=isa)
    network.load_state_dict(
        {"weight_ih_l0": np.eye(size, dtype="float32"), "weight_hh_l0": np.zeros((size, size), "f4")}
    )
    x = np.full((200, 16, size), 1e-40, "float32")
    assert network.plan(200, 16).threads == num_threads
    assert (network(x)[0] == 0).all()
    assert (network(x * np.float32(1e10))[0] > 0).all()


@pytest.mark.parametrize("mode", MODES)
def test_denormal_numbers_give_torchs_results(mode: str, dtype: str, isa: str) -> None:
    """Denormal states and weights. A step of .ci/run checks that they do not slow a call down."""
    case = Case(mode, 64, 64, rows=2, steps=50, dtype=dtype)
    smallest = np.finfo(dtype).tiny / 4
    network, (x, hx) = case.network(gatecell, isa=isa), case.inputs()
    hx = tuple(state * smallest for state in hx) if isinstance(hx, tuple) else hx * smallest
    weights = {name: array * np.array(smallest, dtype) for name, array in case.state_dict().items()}
    module = case.module()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    network.load_state_dict(weights)
    with torch.no_grad():
        states = tuple(map(torch.from_numpy, hx)) if isinstance(hx, tuple) else torch.from_numpy(hx)
        expected = module(torch.from_numpy(x), states)[0].numpy()
    np.testing.assert_allclose(network(x, hx)[0], expected, rtol=0, atol=1e-6 if dtype == "float32" else 4e-13)


def test_process_is_left_alone(isa: str, capfd: pytest.CaptureFixture[str]) -> None:
    def process() -> dict[str, object]:
        status = Path("/proc/self/status").read_text().splitlines()
        return {
            "affinity": os.sched_getaffinity(0),
            "environment": dict(os.environ),
            "python signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
            "kernel's view of them": [line for line in status if line.startswith(("SigBlk", "SigIgn", "SigCgt"))],
            "torch's threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
            "working directory": os.getcwd(),
            "priority": os.getpriority(os.PRIO_PROCESS, 0),
        }

    before = process()
    big_call(1, isa)()
    big_call(2, isa)()
    with pytest.raises(ValueError, match="expected"):
        Case().network(gatecell, isa=isa)(np.zeros((1, 1, 99), "float32"))
    assert process() == before
    assert capfd.readouterr() == ("", "")
