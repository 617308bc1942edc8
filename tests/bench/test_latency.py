"""Tests of latency.py: percentiles, disk space of a distribution, tables, and a worker that runs gatecell."""

import json
import subprocess
import sys
from contextlib import closing
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

import latency
from contestants import CONTESTANTS, Contestant
from helpers.fresh_process import HANG
from suite import call_times
from suite.call_times import percentiles, time_calls
from suite.footprint import IMPORTS, import_seconds, installed_bytes, required_distributions
from suite.latency_tables import failures, report
from suite.processes import Process

BENCH = Path(latency.__file__).parent


def test_percentiles_of_known_samples() -> None:
    samples = np.random.default_rng(0).permutation(np.arange(1.0, 2002.0))
    assert percentiles(samples) == {"p50": 1001, "p99": 1981, "p99.9": 1999, "max": 2001}


@pytest.mark.parametrize(
    ("count", "known"),
    [(1, set()), (199, set()), (200, {"p99"}), (1999, {"p99"}), (2000, {"p99", "p99.9"})],
)
def test_no_percentile_of_too_few_samples(count: int, known: set[str]) -> None:
    result = percentiles([1.0] * count)
    assert {name for name, value in result.items() if value is not None} == known | {"p50", "max"}


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ({"seconds": 3}, 3),  # until the seconds have passed
        ({"seconds": 0}, 1),  # at least one call
        ({"seconds": 3, "calls": 5, "limit": 100}, 5),  # longer, until there are enough calls
        ({"seconds": 3, "calls": 5, "limit": 4}, 4),  # not longer than the limit
        ({"seconds": 3, "calls": 2, "limit": 100}, 3),
    ],
)
def test_how_long_calls_are_timed(monkeypatch: pytest.MonkeyPatch, limits: dict[str, float], count: int) -> None:
    now = 100.0

    def call() -> None:
        nonlocal now
        now += 1

    monkeypatch.setattr(call_times, "clock", lambda: now)
    assert time_calls(call, **limits) == [1.0] * count


def install(folder: Path, name: str, requires: list[str], files: dict[str, int], record: bool = True) -> None:
    """Writes the files of an installed distribution: `files` with their sizes in bytes, METADATA and RECORD."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {r}" for r in requires)]
    (info / "METADATA").write_text("\n".join(metadata) + "\n")
    for file, size in files.items():
        (folder / file).write_bytes(b"x" * size)
    if record:
        (info / "RECORD").write_text("".join(f"{file},,{size}\n" for file, size in files.items()))


def test_disk_space_of_a_distribution_and_its_requirements(tmp_path: Path) -> None:
    install(
        tmp_path,
        "app",
        ["Lib_A (>=0.5)", "lib-b[fast]", "numpy", "other; sys_platform == 'plan9'", "tests; extra == 'test'"],
        {"app.py": 1, "shared.py": 10},
    )
    install(tmp_path, "lib-a", ["app"], {"a.py": 100, "shared.py": 10})
    install(tmp_path, "lib-b", ["accel; extra == 'fast'", "slow; extra == 'slow'", "lib-a"], {"b.py": 1_000})
    install(tmp_path, "accel", ["lib-b"], {"accel.py": 10_000})
    for name in ("numpy", "other", "tests", "slow"):
        install(tmp_path, name, [], {f"{name}.py": 1_000_000})
    found = required_distributions("App", [str(tmp_path)])
    assert set(found) == {"app", "lib-a", "lib-b", "accel"}
    assert installed_bytes(found) == 11_111


def test_disk_unknown(tmp_path: Path) -> None:
    install(tmp_path, "app", ["lib"], {"app.py": 1})
    with pytest.raises(PackageNotFoundError, match="lib"):
        required_distributions("app", [str(tmp_path)])
    install(tmp_path, "lib", [], {"lib.py": 1}, record=False)
    with pytest.raises(FileNotFoundError, match="lib has no record"):
        installed_bytes(required_distributions("app", [str(tmp_path)]))


def test_import_in_fresh_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    code = f"import sys; print('hello'); open({str(log)!r}, 'a').write(f\"{{'numpy' in sys.modules}} \")"
    (tmp_path / "probe.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert import_seconds("probe") > 0
    assert log.read_text().split() == ["True"] * (IMPORTS + 1)


def test_library_that_is_absent_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(latency.MissingError, match=r"^not installed$") as absent:
        latency.measure_import(Contestant("Absent", "absent", "no_such_library"))
    (tmp_path / "broken.py").write_text("raise RuntimeError('no AVX')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(latency.MissingError, match="RuntimeError: no AVX") as broken:
        latency.measure_import(Contestant("Broken", "broken", "broken"))
    assert (absent.value.failed, broken.value.failed) == (False, True)


def test_worker() -> None:
    with closing(Process("gatecell", 1, "latency_worker")) as process:
        load = process.ask({"load": "gru,B=1,T=1,H=8"}, HANG)
        assert load["load_seconds"] > 0
        assert load["first_call_seconds"] > 0
        assert 0 < load["baseline_bytes"] < load["resident_bytes"]
        for where in ("alone", "with_busy_thread"):
            sampled = process.ask({where: {"seconds": 0, "calls": 250, "limit": HANG}}, HANG)
            assert sampled["calls"] == 250
            assert 0 < sampled["p50"] <= sampled["p99"]
            assert sampled["p99.9"] is None
        sampled = process.ask({"callers": 3, "seconds": 0}, HANG)
        assert sampled["calls"] == 3
        assert sampled["calls_per_second"] > 0
        assert "KeyError" in process.ask({"nonsense": 1}, HANG)["error"]


def test_failed_contestant_keeps_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "measure_import", lambda module: {"import_seconds": 0.25})
    monkeypatch.setitem(CONTESTANTS, "stranger", Contestant("Stranger", "no-such-distribution", "no_such_module"))
    entry: dict[str, object] = {}
    with pytest.raises(latency.MissingError, match="process ended"):  # the worker does not know this contestant
        latency.measure("stranger", latency.parse_case("lstm,H=4"), 1, entry)
    assert entry["import_seconds"] == 0.25
    assert "no-such-distribution" in str(entry["size_unknown"])


# A result that latency.py wrote, with rounded numbers.
LOADS = [
    {"load_seconds": 0.0012, "first_call_seconds": 7.1e-05, "baseline_bytes": 38_000_000, "resident_bytes": 40_100_000},
    {"load_seconds": 0.0011, "first_call_seconds": 7.0e-05, "baseline_bytes": 38_000_000, "resident_bytes": 40_000_000},
    {"load_seconds": 0.0013, "first_call_seconds": 9.0e-05, "baseline_bytes": 38_000_000, "resident_bytes": 40_200_000},
]
RECORDED = {
    "program": "latency",
    "machine": {"cpu": "Some CPU", "cpus": 2},
    "case": "lstm,B=1,T=1,H=128",
    "threads": 1,
    "callers": [1, 2],
    "contestants": {
        "gatecell": {
            "import_seconds": 0.0333,
            "size_unknown": "No package metadata was found for gatecell",
            "loads": LOADS,
            "alone": {"calls": 199590, "p50": 6.0e-06, "p99": 1.1e-05, "p99.9": 9.3e-05, "max": 0.004},
            "with_busy_thread": {"calls": 1500, "p50": 6.1e-06, "p99": 0.00417, "p99.9": None, "max": 0.0051},
            "callers": {
                "1": {"calls_per_second": 97710.4, "p50": 5.9e-06, "p99": 1.2e-05, "p99.9": 1e-4, "max": 0.01},
                "2": {"calls_per_second": 105307.6, "p50": 6e-06, "p99": 9.8e-06, "p99.9": 0.0041, "max": 0.02},
            },
        },
        "torch": {
            "import_seconds": 1.549,
            "installed_bytes": 865_132_262,
            "distributions": ["sympy", "torch"],
            "loads": LOADS,
            "missing": "process ended with status -11",
            "failed": True,
        },
        "onnxruntime": {"import_seconds": 0.3, "missing": "no projection", "failed": False},
        "openvino": {"missing": "not installed", "failed": False},
    },
}


def test_tables_of_a_recorded_run() -> None:
    tables = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()]
        for part in report(json.loads(json.dumps(RECORDED))).split("\n\n")
        if part.startswith("|")
    ]
    loading, calls, rates, callers, footprint = ({row[0]: row[1:] for row in table[2:]} for table in tables)
    assert loading["gatecell"] == ["1.20 ms", "71.0 us", "6.00 us", "12"]
    assert calls["gatecell"] == ["6.00 us", "11.0 us", "93.0 us", "4.00 ms", "6.10 us", "4.17 ms", "-", "5.10 ms"]
    assert rates["gatecell"] == ["97,710", "105,308"]
    assert callers["gatecell"] == ["5.90 us / 12.0 us / 100 us / 10.0 ms", "6.00 us / 9.80 us / 4.10 ms / 20.0 ms"]
    assert footprint["gatecell"] == ["33.3 ms", "2.1 MB", "unknown", "unknown"]
    assert footprint["PyTorch"] == ["1.55 s", "2.1 MB", "865.1 MB", "2"]
    for table in (loading, calls, rates, callers):
        assert table["PyTorch"][0] == "failed"
    for table in (loading, calls, rates, callers, footprint):
        assert table["ONNX Runtime"][0] == "no projection"
        assert table["OpenVINO"][0] == "not installed"
    assert failures(RECORDED) == ["PyTorch: process ended with status -11"]
    assert "Python with NumPy and the weights (38.0 MB; " in report(RECORDED)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--contestants", "tensorflow"], "tensorflow: expected some of gatecell,torch"),
        (["--case", "lstm,T=3"], "lacks H=NUMBER"),
        (["--threads", "0"], "'0' is neither all nor 1 to "),
    ],
)
def test_bad_command_line(arguments: list[str], message: str) -> None:
    command = [sys.executable, str(BENCH / "latency.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
