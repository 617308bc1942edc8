"""`gatecell bench`: both libraries run the layers of a file and agree.

It says where they disagree or one is missing.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from gatecell._cli import _demo, bench, main
from gatecell._cli._bench_worker import Task, Turn, make, turn
from helpers.fresh_process import HANG


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "TURN", 0.001)
    monkeypatch.setattr(bench, "BUDGET", 0.01)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepts real times that vary, because the machine that runs the tests may be busy."""
    monkeypatch.setattr(bench, "SPREAD", math.inf)
    monkeypatch.setattr(bench, "CPU_SHARE", 0)


@pytest.mark.usefixtures("busy")
def test_every_layer_of_a_file_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    model = torch.nn.ModuleDict(
        {
            "a": torch.nn.LSTM(5, 8, 2, bidirectional=True, proj_size=3),
            "b": torch.nn.GRUCell(4, 6),
            "c": torch.nn.RNN(4, 6).double(),
        }
    )
    torch.save(model.state_dict(), tmp_path / "model.pt")
    assert main(["bench", str(tmp_path / "model.pt"), "-T", "7", "-B", "2", "--threads", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [facts[name] for name in ("steps", "rows", "threads")] == [7, 2, 1]
    assert [layer["prefix"] for layer in facts["layers"]] == ["a.", "b.", "c."]
    for name, layer in zip("abc", facts["layers"], strict=True):
        products = sum(weight.numel() for weight in model[name].parameters() if weight.ndim == 2)
        assert layer["torch_missing"] is None
        assert layer["difference"] < 1e-5
        assert layer["ratio"] > 0
        for library in ("gatecell", "torch"):
            times = layer[library]
            assert times["settled"]
            assert 0 < times["fastest"] <= times["seconds"] <= times["slowest"]
            assert times["us_per_step"] == pytest.approx(times["seconds"] * 1e6 / 7)
            assert times["gflops"] == pytest.approx(2 * products * 7 * 2 / times["seconds"] / 1e9)


@pytest.mark.usefixtures("busy")
def test_the_text_has_a_line_for_each_library(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(_demo.DATA / "digits.safetensors")
    assert main(["bench", path, "--prefix", "lstm", "-T", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{path}: T=5, B=1, ")
    assert lines[2] == "lstm.: LSTM(8, 32, bidirectional=True)"
    assert lines[3].startswith("  gatecell  ")
    assert "GFLOP/s" in lines[3]
    assert lines[4].startswith("  PyTorch   ")
    assert lines[4].endswith(" times as long")


def test_bench_works_without_torch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    assert main(["bench", str(_demo.DATA / "co2.safetensors"), "-T", "5"]) == 0
    assert "\n  PyTorch   torch not installed\n" in capsys.readouterr().out


def test_cells_that_torch_lacks_are_timed_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = {"weight_ih_l0": (12, 4), "weight_hh_l0": (12, 6), "bias_ih_l0": (12,), "bias_hh_l0": (12,)}
    gatecell.save(tmp_path / "w", {name: np.zeros(shape, np.float32) for name, shape in weights.items()})
    assert main(["bench", str(tmp_path / "w"), "-T", "5"]) == 0
    assert "\n  PyTorch   torch has no such cell\n" in capsys.readouterr().out


class FakePool:
    """Replaces a process:

    `outputs` returns what the library computes, and `seconds` are the times of its turns, again and again.
    """

    share = 1.0

    def __init__(self, name: str, log: list[str], outputs: Callable[[], Any], *seconds: float) -> None:
        self.name, self.log, self.outputs, self.seconds = name, log, outputs, itertools.cycle(seconds or (1.0,))
        self.job: Any = None

    def submit(self, job: Any, *arguments: Any) -> FakePool:
        self.job = job
        return self

    def result(self) -> Any:
        self.log.append(f"{self.job.__name__} {self.name}")
        return self.outputs() if self.job is make else Turn(next(self.seconds), self.share)


def measured(torch_outputs: Callable[[], Any]) -> tuple[dict[str, Any], list[str]]:
    path = _demo.DATA / "co2.safetensors"
    [layer] = gatecell.find_layers(gatecell.load(path))
    log: list[str] = []
    pools: Any = {
        "gatecell": FakePool("gatecell", log, lambda: {"y": np.ones(3), "h_n": np.full(2, 9.0)}),
        "torch": FakePool("torch", log, torch_outputs, 3.0),
    }
    return bench.measure(Task(path, layer, 10, 1, 1), pools), log


def test_the_libraries_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "BUDGET", 0)
    layer, log = measured(lambda: {"y": np.ones(3), "h_n": np.full(2, 9.0)})
    assert log == ["make gatecell", "make torch", *["turn gatecell", "turn torch"] * bench.LEAST_TURNS]
    assert (layer["ratio"], layer["difference"]) == (3, 0)


QUIET = [1.0, 1.4, 1.1, 1.0, 1.2, 1.3, 1.0, 1.1]
SETTLED = [
    QUIET,
    [*QUIET, 50.0],  # one slow turn
    [50.0, 1.0, 1.1],  # one slow turn, with the smallest number of turns
    [1.0, 8.0, 1.1, 1.0, 1.2, 8.2, 1.0, 1.1],  # a quarter of the turns is slow
    [1.0, 1.5, 1.0],
]
UNSETTLED = [
    [7.98, 8.0, 8.2, 0.15, 7.9, 8.1, 8.0, 7.95, 8.0, 8.1, 8.0],  # from a bug report: most turns are slow and one is not
    [7.98, 0.15, 8.2],
    [1.0, 1.0, 8.0, 1.0, 8.0, 1.0, 8.0, 1.0],  # three of eight turns are slow
    [1.0, 1.6, 1.6],
    [1.0, 2.0, 3.0, 4.0, 5.0],  # all turns differ
]


def bench_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ours: list[float], theirs: list[float]
) -> tuple[dict[str, Any], list[str]]:
    """Runs bench with turns that take so long, in milliseconds.

    Returns the only layer of the JSON and the lines of the text.
    """
    printed = []
    for words in (["--json"], []):
        turns = {"gatecell": ours, "torch": theirs}
        pools = {
            name: FakePool(name, [], lambda: {"y": np.ones(3)}, *(1e-3 * t for t in times))
            for name, times in turns.items()
        }
        monkeypatch.setattr(bench, "workers", lambda libraries, pools=pools: contextlib.nullcontext(pools))
        monkeypatch.setattr(bench, "LEAST_TURNS", len(ours))
        monkeypatch.setattr(bench, "BUDGET", 0)
        assert main(["bench", str(_demo.DATA / "co2.safetensors"), "-T", "5", *words]) == 0
        printed.append(capsys.readouterr().out)
    [layer] = json.loads(printed[0])["layers"]
    return layer, printed[1].splitlines()


@pytest.mark.parametrize("turns", SETTLED, ids=str)
def test_settled_turns_give_a_time(
    turns: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steady = [2.0] * len(turns)
    for ours, theirs in ((turns, steady), (steady, turns)):
        layer, lines = bench_with(monkeypatch, capsys, ours, theirs)
        for name, times in (("gatecell", ours), ("torch", theirs)):
            assert layer[name]["settled"]
            assert layer[name]["seconds"] == pytest.approx(1e-3 * np.median(times))
        ratio = np.median(np.divide(theirs, ours))
        assert layer["ratio"] == pytest.approx(ratio)
        assert lines[4].endswith(f"takes {ratio:.2f} times as long")
        assert len(lines) == 5


@pytest.mark.parametrize("turns", UNSETTLED, ids=str)
def test_nothing_is_claimed_of_unsettled_turns(
    turns: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steady = [2.0] * len(turns)
    for ours, theirs in ((turns, steady), (steady, turns), (turns, turns)):
        layer, lines = bench_with(monkeypatch, capsys, ours, theirs)
        for name, times, line in (("gatecell", ours, lines[3]), ("torch", theirs, lines[4])):
            found, agree = layer[name], times is steady
            assert found["settled"] == agree
            assert [found["fastest"], found["slowest"]] == pytest.approx([1e-3 * min(times), 1e-3 * max(times)])
            assert [found[claim] is not None for claim in ("seconds", "us_per_step", "gflops")] == [agree] * 3
            assert ("GFLOP/s" in line, "us per step" in line, "unsettled" in line) == (agree, agree, not agree)
        assert layer["ratio"] is None
        assert "times as long" not in "".join(lines)
        assert lines[5:] == [
            "  unsettled: without their slowest quarter the turns still spread by more than 1.5 times, "
            "or the process had a CPU for under 0.9 of their time, so neither a time nor a ratio is claimed"
        ]


def test_an_unsettled_time_of_gatecell_alone_is_not_claimed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without PyTorch the same rule holds for the time of gatecell."""
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    monkeypatch.setattr(bench, "torch_missing", lambda layer, libraries: "torch not installed")
    layer, lines = bench_with(monkeypatch, capsys, UNSETTLED[0], [])
    assert (layer["gatecell"]["settled"], layer["gatecell"]["seconds"], layer["torch"]) == (False, None, None)
    assert [line.split()[0] for line in lines[3:]] == ["gatecell", "PyTorch", "unsettled:"]


@pytest.mark.parametrize(("wrong", "difference"), [(9.9, 0.1), (math.nan, None)])
def test_wrong_results_are_not_timed(wrong: float, difference: float | None) -> None:
    layer, log = measured(lambda: {"y": np.ones(3), "h_n": np.array([9.0, wrong])})
    assert log == ["make gatecell", "make torch"]
    assert layer["disagrees"]
    assert layer["difference"] == (difference if difference is None else pytest.approx(difference))
    assert layer["gatecell"] is layer["torch"] is layer["ratio"] is None


def test_wrong_results_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pools = {
        name: FakePool(name, [], lambda y=y: {"y": np.full(3, y)}) for name, y in (("gatecell", 1.0), ("torch", 1.5))
    }
    monkeypatch.setattr(bench, "workers", lambda libraries: contextlib.nullcontext(pools))
    assert main(["bench", str(_demo.DATA / "co2.safetensors"), "-T", "5"]) == 1
    assert "  FAILED: outputs differ from PyTorch's by 5.0e-01, so nothing was timed\n" in capsys.readouterr().out


def test_a_torch_that_cannot_be_imported_is_reported() -> None:
    def broken() -> Any:
        raise ImportError("libtorch.so: no such file")

    layer, log = measured(broken)
    assert layer["torch_missing"] == "torch cannot be imported: libtorch.so: no such file"
    assert layer["torch"] is layer["ratio"] is None
    assert log.count("turn gatecell") >= bench.LEAST_TURNS
    assert "turn torch" not in log


def test_an_interrupt_ends_a_long_call() -> None:
    with bench.workers(["gatecell"]) as pools:
        worker = pools["gatecell"].submit(os.getpid).result()
        call = pools["gatecell"].submit(time.sleep, HANG)
        os.kill(worker, signal.SIGINT)
        with pytest.raises(BrokenProcessPool):
            call.result()


def test_a_worker_measures_a_turn() -> None:
    path = _demo.DATA / "co2.safetensors"
    [layer] = gatecell.find_layers(gatecell.load(path))
    outputs = make("gatecell", Task(path, layer, 3, 2, 1))
    assert outputs["y"].shape == (3, 2, layer.hidden_size)
    assert outputs["h_n"].shape == (layer.num_layers, 2, layer.hidden_size)
    found = turn(0.01)
    assert found.seconds > 0
    assert 0 <= found.cpu_share < 1.5  # one thread can use one CPU; the clocks are not exact


def test_nothing_is_claimed_without_a_cpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All turns are equally slow because other programs use the CPU."""
    monkeypatch.setattr(FakePool, "share", 0.4)
    layer, lines = bench_with(monkeypatch, capsys, [2.0] * 5, [127.0] * 5)
    assert (layer["gatecell"]["settled"], layer["torch"]["seconds"], layer["ratio"]) == (False, None, None)
    assert "times as long" not in "".join(lines)
