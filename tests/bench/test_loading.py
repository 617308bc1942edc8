"""Tests of loading.py: all loaders give the same arrays; the report of a turn, lines of the table, exit status."""

import json
import sys

import pytest
import torch

import loading
from suite.loading_files import CASES, arrays, make_files
from suite.loading_worker import LOADERS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("files")
    make_files(made, 0.5)
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_loaders_give_the_same_arrays(case, folder):
    expected = [torch.from_numpy(array) for name, array in arrays(0.5) if name.startswith(case.prefix)]
    if "bfloat16" in case.file:
        expected = [tensor.bfloat16().float() for tensor in expected]
    content = sorted(tensor.numpy().tobytes() for tensor in expected)  # sorted, because safetensors has another order
    for loader in ("gatecell", case.loader):
        assert sorted(array.tobytes() for array in LOADERS[loader](str(folder / case.file), case.prefix)()) == content


def test_size_of_the_files():
    assert sum(array.nbytes for _, array in arrays(100)) == pytest.approx(1e8, rel=0.01)


def test_a_turn(folder):
    turn = json.loads(
        loading.run_python("-m", "suite.loading_worker", "gatecell", str(folder / "checkpoint.pt"), "model")
    )
    assert turn["imported"] == ["gatecell"]
    assert turn["bytes"] == sum(array.nbytes for name, array in arrays(0.5) if name.startswith("model"))
    assert turn["seconds"] > 0
    assert turn["bytes"] < turn["peak_bytes"] < turn["bytes"] + 50_000_000


def test_a_turn_that_fails(tmp_path):
    with pytest.raises(SystemExit, match=r"loading_worker gatecell .*No such file"):
        loading.run_python("-m", "suite.loading_worker", "gatecell", str(tmp_path / "none.pt"))


def turns(seconds, peak=0):
    return [{"seconds": s, "bytes": 10_000_000, "peak_bytes": peak, "imported": ["gatecell"]} for s in seconds]


def test_rows():
    [case] = [case for case in CASES if case.aim]
    load = {"gatecell": turns((0.02, 0.03, 0.01), 12_000_000), case.loader: turns((0.01, 0.02, 0.02))}
    time, memory = loading.rows_of(case, load)
    assert time[1:] == ["20.0 ms", f"{case.loader}: 20.0 ms", "1.50 (0.50 to 2.00)", "1.30", "NO"]
    assert memory[1:] == ["12.0 MB", "tensors: 10.0 MB", "1.20", "1.30", "yes"]


@pytest.mark.parametrize("imports_torch", [False, True])
def test_program(imports_torch, tmp_path, monkeypatch, capsys):
    """The measurement is replaced by fixed results."""

    def measure(case, folder, rounds):
        assert (folder / case.file).exists()
        ours = turns([1.0] * rounds)
        ours[0]["imported"] += ["torch"] * imports_torch
        return {"gatecell": ours, case.loader: turns([2.0] * rounds)}

    output = tmp_path / "run.json"
    words = ["loading.py", "--megabytes", "1", "--rounds", "2", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(loading, "measure", measure)
    monkeypatch.setattr(loading, "info_seconds", lambda path: 0.4)
    monkeypatch.setattr(loading, "import_seconds", lambda module: 0.01)
    assert loading.main() == int(imports_torch)
    printed = capsys.readouterr()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.out.splitlines()]
    assert ["gatecell info", "400 ms", "-", "-", "300 ms", "NO"] in lines
    assert ["import gatecell, in addition to NumPy's", "10.0 ms", "-", "-", "30.0 ms", "yes"] in lines
    assert ("FAILED: gatecell imported torch: .pt; " in printed.err) == imports_torch
    saved = json.loads(output.read_text())
    assert (saved["program"], saved["megabytes"], saved["info_seconds"]) == ("loading", 1, [0.4, 0.4])
    assert list(saved["loads"]) == [case.title for case in CASES]
