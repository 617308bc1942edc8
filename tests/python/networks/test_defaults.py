"""Defaults that come from the machine and the environment: number of threads, ISA, dtype, device.

The number of threads depends on the CPU affinity, the cgroup quota and an environment variable.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from gatecell._base.defaults import usable_cores

# Files in which Linux limits the CPU time of a process, and the number of CPUs that this allows on a machine with 8.
MACHINES: dict[str, tuple[dict[str, str], int]] = {
    "no cgroups": ({}, 8),
    "v2, no limit": ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 8),
    "v2": ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
    "v2, rounded down": ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "250000 100000\n"}, 2),
    "v2, half a CPU": ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 1),
    "v2, more than there are": ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "1600000 100000\n"}, 8),
    "v2, in a parent": (
        {
            "proc/self/cgroup": "0::/a/b/c\n",
            "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/a/b/c/cpu.max": "max 100000\n",
        },
        2,
    ),
    "v2, at the container's root": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "500000 100000\n"}, 5),
    "v2, path outside the container": (
        {"proc/self/cgroup": "0::/../other\n", "sys/fs/cgroup/cpu.max": "500000 100000\n"},
        5,
    ),
    "v1": (
        {
            "proc/self/cgroup": "5:memory:/a\n4:cpu,cpuacct:/a\n",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "600000\n",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
        },
        6,
    ),
    "v1, no limit": (
        {
            "proc/self/cgroup": "4:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
    "v1, the host's path in a container": (
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/123\n0::/docker/123\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
        },
        3,
    ),
    "hybrid": ({"proc/self/cgroup": "1:name=systemd:/\n0::/a\n", "sys/fs/cgroup/unified/a/cpu.max": "4 1\n"}, 4),
    "nonsense": ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "fast 0\n"}, 8),
    "no period": ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "100000 0\n"}, 8),
}


@pytest.mark.parametrize("name", MACHINES)
def test_cpu_quota_caps_the_affinity_mask(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, expected = MACHINES[name]
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    for path, text in files.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert usable_cores(tmp_path) == expected


SIBLINGS = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


@pytest.mark.parametrize(
    ("siblings", "mask", "expected"),
    [
        ({cpu: f"{cpu % 4},{cpu % 4 + 4}" for cpu in range(8)}, range(8), 4),
        ({cpu: f"{cpu % 4},{cpu % 4 + 4}" for cpu in range(8)}, [0, 4, 5], 2),
        ({**{cpu: f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}" for cpu in range(4)}, 4: "4", 5: "5"}, range(6), 4),
        ({0: "0-1", 1: "0-1"}, range(4), 3),
        ({}, range(4), 4),
    ],
    ids=["two threads per core", "a mask", "two kinds of cores", "some are described", "none is described"],
)
def test_two_threads_of_a_core_count_once(
    siblings: dict[int, str], mask: Iterable[int], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(mask))
    for cpu, text in siblings.items():
        file = tmp_path / SIBLINGS.format(cpu)
        file.parent.mkdir(parents=True)
        file.write_text(text + "\n")
    assert usable_cores(tmp_path) == expected


def test_a_quota_below_the_number_of_cores_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    quota = {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}
    for path, text in {**{SIBLINGS.format(cpu): f"{cpu // 2}" for cpu in range(8)}, **quota}.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.write_text(text)
    assert usable_cores(tmp_path) == 3


def test_the_default_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATECELL_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 1000)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5})
    assert gatecell.GRU(2, 3).num_threads == 1
    monkeypatch.setenv("GATECELL_NUM_THREADS", "3")
    assert gatecell.GRU(2, 3).num_threads == 3
    assert gatecell.LSTMCell(2, 3, num_threads=5).num_threads == 5


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", " ", "99999999999"])
def test_a_bad_number_of_threads_in_the_environment_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATECELL_NUM_THREADS", text)
    with pytest.raises(ValueError, match=rf"at least 1 and below 2\*\*31, got GATECELL_NUM_THREADS='{text}'"):
        gatecell.LSTM(2, 3)
    assert gatecell.LSTM(2, 3, num_threads=1).num_threads == 1


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [(n, ValueError, f"below 2\\*\\*31, got num_threads={n}$") for n in (0, -1, 2**31, 2**64, np.int64(2**40))]
    + [(n, TypeError, "expected num_threads to be an int, got ") for n in (1.5, "2", True, np.bool_(True), np.ones(2))],
)
def test_bad_num_threads_is_an_error(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gatecell.LSTM(2, 3, num_threads=value)


def test_num_threads_may_be_a_numpy_int() -> None:
    for number in (np.int64(3), np.uint8(3), np.array(3)):
        threads = gatecell.GRUCell(2, 3, num_threads=number).num_threads
        assert type(threads) is int
        assert threads == 3


@pytest.mark.parametrize("num_threads", [1, 3])
def test_cells_run_on_their_number_of_threads(num_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cell, given = gatecell.from_torch(torch.nn.GRUCell(2, 3), num_threads=num_threads), []

    class Core:
        def forward(self, *arguments: Any) -> Any:
            given.append(arguments[-1])
            return core.forward(*arguments)

    core = cell._core
    monkeypatch.setattr(cell, "_core", Core())
    cell(np.zeros((4, 2), "float32"))
    assert given == [num_threads]


def test_isa_argument_wins_over_the_environment(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATECELL_ISA", "avx1024")
    assert gatecell.LSTM(2, 3, isa=isa).isa == isa
    with pytest.raises(ValueError, match=rf"of this machine \(.*{isa}.*\), got GATECELL_ISA='avx1024'"):
        gatecell.LSTM(2, 3)
    monkeypatch.setenv("GATECELL_ISA", isa)
    assert gatecell.RNNCell(2, 3).isa == isa


def test_an_empty_isa_in_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATECELL_ISA", "")
    assert gatecell.LSTM(2, 3).isa == gatecell.available_isas()[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
        (np.float64, "float64"),
        (np.dtype("float32"), "float32"),
        (float, "float64"),
        (torch.float32, "float32"),
        (torch.float64, "float64"),
    ],
)
def test_dtype_may_be_a_name_or_a_numpy_dtype(given: Any, expected: str) -> None:
    assert gatecell.LSTM(2, 3, dtype=given).dtype == np.dtype(expected)


@pytest.mark.parametrize("given", ["float16", "int32", "half a float", np.complex64, torch.bfloat16, ">f4", 7])
def test_other_dtypes_are_errors(given: Any) -> None:
    with pytest.raises(ValueError, match="expected dtype float32 or float64, got"):
        gatecell.LSTM(2, 3, dtype=given)


def test_the_device_must_be_the_cpu() -> None:
    for device in (None, "cpu", torch.device("cpu")):
        gatecell.GRU(2, 3, device=device)
    for device in ("cuda", torch.device("cuda:0"), "meta"):
        with pytest.raises(ValueError, match="expected device None or 'cpu', got"):
            gatecell.GRU(2, 3, device=device)
