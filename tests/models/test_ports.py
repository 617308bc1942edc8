"""Tests that a ported class makes its layers with the same lines as its PyTorch twin, and does not import PyTorch."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from training import WEIGHTS

PORTED = {
    "attention": ["AttentionClassifier"],
    "char_lm": ["CharacterModel"],
    "sentiment": ["SentimentRnn"],
    "seq2seq": ["Seq2Seq"],
    "stack": ["StackedLstm"],
    "text_classifier": ["GruClassifier", "LstmClassifier"],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PORTED.items() for name in names])
def test_layers_and_methods_equal_those_of_the_twin(module: str, name: str) -> None:
    ported, twin = getattr(import_module(module), name), getattr(import_module(f"{module}_torch"), name)
    assert inspect.getsource(ported.__init__) == inspect.getsource(twin.__init__)
    methods = {method: function for method, function in vars(twin).items() if inspect.isfunction(function)}
    assert {method: inspect.signature(getattr(ported, method)) for method in methods} == {
        method: inspect.signature(function) for method, function in methods.items()
    }


def test_they_need_no_torch() -> None:
    code = f"import sys\nsys.path[:0] = {sys.path}\nimport {', '.join(PORTED)}\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)


def test_weights_are_small() -> None:
    """All files together are smaller than 1 MB, so that cloning is fast."""
    assert 0 < sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 1_000_000
