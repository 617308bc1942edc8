"""Tests of the cache sizes that bench/suite/caches.py finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from suite.caches import buffer_sizes, cache_capacities


def write_caches(system: Path, cpu: int, caches: list[tuple[str, str, str, str]]) -> None:
    for i, facts in enumerate(caches):
        folder = system / f"cpu{cpu}" / "cache" / f"index{i}"
        folder.mkdir(parents=True)
        for name, value in zip(("level", "type", "size", "shared_cpu_list"), facts, strict=True):
            (folder / name).write_text(value + "\n")


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        ([2], {"L1": 48 * 1024, "L2": 2**20, "L3": 32 * 2**20}),
        ([2, 3], {"L1": 48 * 1024, "L2": 2**20, "L3": 16 * 2**20}),
        ([2, 3, 8, 9], {"L1": 48 * 1024, "L2": 2**20, "L3": 16 * 2**20}),  # 8 and 9 use another L3
        ([2, 18], {"L1": 24 * 1024, "L2": 2**19, "L3": 16 * 2**20}),  # two threads of one core
    ],
)
def test_a_cache_is_shared_by_the_cpus_in_use(tmp_path: Path, cpus: list[int], expected: dict[str, int]) -> None:
    write_caches(
        tmp_path,
        2,
        [
            ("1", "Data", "48K", "2,18"),
            ("1", "Instruction", "32K", "2,18"),
            ("2", "Unified", "1024K", "2,18"),
            ("3", "Unified", "32768K", "0-7,16-23"),
        ],
    )
    assert cache_capacities(cpus, tmp_path) == expected


def test_cache_sizes_of_the_c_library_without_those_of_linux(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_program: Callable[[Path, str], None]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="sizes of the caches"):
        cache_capacities([0], tmp_path)
    sizes = {"LEVEL1_DCACHE_SIZE": "32768", "LEVEL2_CACHE_SIZE": "524288", "LEVEL3_CACHE_SIZE": "8388608"}
    write_program(tmp_path / "getconf", f"import sys; print({sizes}[sys.argv[1]])")
    assert cache_capacities([0, 1], tmp_path) == {"L1": 32768, "L2": 524288, "L3": 4194304}
    write_program(tmp_path / "getconf", f"import sys; print({sizes | {'LEVEL3_CACHE_SIZE': ''}}[sys.argv[1]])")
    assert cache_capacities([0, 1], tmp_path) == {"L1": 32768, "L2": 524288}


def test_buffers_fit_their_level() -> None:
    caches = {"L1": 48 * 1024, "L2": 2**20, "L3": 2**24}
    assert buffer_sizes(caches, 2) == {"L1": 24 * 1024, "L2": 2**19, "L3": 2**22, "memory": 2**26}
    assert buffer_sizes({"L1": 2**15, "L2": 2**20}, 1) == {"L1": 2**14, "L2": 2**19, "memory": 2**22}
    assert buffer_sizes({**caches, "L3": 2**28}, 4)["memory"] == 2**27  # 512 MiB in all threads together
