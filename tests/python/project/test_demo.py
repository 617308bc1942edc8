"""`python -m gatecell demo`: its output, the ways in which it fails, and that it needs only gatecell and NumPy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import gatecell
import train_co2
import train_digits
from gatecell import _cli
from gatecell._cli import _demo
from helpers.fresh_process import HANG

DATA = Path(str(_demo.DATA))

# Makes Python find only the standard library, NumPy, gatecell and what `site` has loaded.
ONLY_NUMPY = """
import runpy, sys
class Gate:
    allowed = {"numpy", "gatecell", *sys.stdlib_module_names, *(name.split(".")[0] for name in sys.modules)}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in self.allowed:
            raise ModuleNotFoundError(f"kept out: {name}")
sys.meta_path.insert(0, Gate())
"""
RUN_DEMO = """
sys.argv = ["gatecell", "demo"]
runpy.run_module("gatecell", run_name="__main__")
"""


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=HANG, check=False)


def tamper(path: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    if path.suffix == ".npz":
        arrays = gatecell.load(path)
        np.savez(path, **{**arrays, name: change(arrays[name])})
    else:
        arrays = load_file(path)
        save_file({**arrays, name: change(arrays[name])}, path)


def test_prints_scores_differences_times_and_isa(tmp_path: Path) -> None:
    done = python("-m", "gatecell", "demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("% of 360 held-out images right", "RMSE", "PyTorch's recorded outputs", "us per sequence", "threads"):
        assert part in done.stdout
    assert done.stdout.count("runs on") == 2
    assert "FAILED" not in done.stdout


def test_needs_only_numpy(tmp_path: Path) -> None:
    done = python("-c", ONLY_NUMPY + RUN_DEMO, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    refused = python("-c", ONLY_NUMPY + "import torch", cwd=tmp_path)
    assert refused.returncode == 1
    assert "kept out: torch" in refused.stderr


def test_without_a_command_prints_usage(tmp_path: Path) -> None:
    done = python("-m", "gatecell", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith("usage: gatecell")
    assert "demo" in done.stdout


def test_scores_are_high_enough() -> None:
    assert _demo.digits(DATA).passed
    assert _demo.co2(DATA).passed


@pytest.mark.parametrize(
    ("file", "name", "change", "blamed"),
    [
        ("digits.safetensors", "lstm.weight_hh_l0_reverse", lambda w: w + np.float32(1e-3), ["difference"]),
        ("digits.safetensors", "head.bias", lambda b: b + np.float32(2e-5), ["difference"]),
        ("digits.safetensors", "lstm.bias_ih_l0", lambda b: b * np.float32(np.nan), ["score", "difference"]),
        ("digits.npz", "labels", lambda n: np.where(np.arange(360) < 20, (n + 1) % 10, n), ["score"]),
        ("digits.npz", "y", lambda y: y + np.float32(1e-4), ["difference"]),
        ("co2.safetensors", "gru.bias_hh_l1", lambda b: b + np.float32(1e-3), ["difference"]),
        ("co2.safetensors", "head.weight", lambda w: -w, ["score", "difference"]),
        ("co2.npz", "change", lambda c: c + np.float32(2e-5), ["difference"]),
        # The last month becomes far lower than a year before, so it is far below the forecast. No forecast has it as
        # input.
        ("co2.npz", "ppm", lambda p: np.r_[p[:-1], p[-13] - 1000], ["score"]),
    ],
)
def test_fails_when_tampered_with(
    file: str,
    name: str,
    change: Callable[[np.ndarray], np.ndarray],
    blamed: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(_demo, "DATA", shutil.copytree(DATA, tmp_path / "data"))
    tamper(tmp_path / "data" / file, name, change)
    assert _cli.main(["demo"]) == 1
    failed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert failed == blamed  # of the demo's two networks the one whose file is unchanged does not fail


def test_recorded_outputs_are_pytorchs() -> None:
    """The committed outputs are what PyTorch gives for the committed weights and the inputs of the demo."""
    for script, model, result, name in [
        (train_digits, train_digits.Classifier(), _demo.digits(DATA), "logits"),
        (train_co2, train_co2.Forecaster(), _demo.co2(DATA), "change"),
    ]:
        path = DATA / f"{script.__name__.removeprefix('train_')}.npz"
        weights = load_file(path.with_suffix(".safetensors"))
        model.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
        recurrent = next(model.children())
        x, recorded = torch.from_numpy(result.x), gatecell.load(path)
        with torch.no_grad():
            outputs, y = model(x).numpy(), recurrent(x)[0][: script.RECORDED].numpy()
        np.testing.assert_allclose(outputs, recorded[name], rtol=0, atol=5e-6)
        np.testing.assert_allclose(y, recorded["y"], rtol=0, atol=1e-6)


def test_data_stay_small() -> None:
    assert sum(path.stat().st_size for path in DATA.glob("*.safetensors")) < 400_000
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 500_000
