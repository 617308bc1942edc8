"""The libraries that are compared, one module each. A module's `build` makes a network from PyTorch's weights.

Modules are imported in a process of their own only, so that a process loads one library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from suite.cases import Arrays, Case, make_lengths

NOT_GIVEN = np.empty(0)  # in place of an output that a library does not give


class UnsupportedError(Exception):
    """The library has nothing for this case; the message says what is missing."""


def only_plain(case: Case) -> None:
    """For a library that has PyTorch's cells and no others. Raises UnsupportedError."""
    if case.variant:
        raise UnsupportedError(f"no {case.cell.upper()} with {case.variant}")


@dataclass(frozen=True)
class Built:
    """A network and its input, ready to run."""

    call: Callable[[], Any]  # one forward pass as a user would write it; returns when the results are there
    read: Callable[[Any], list[np.ndarray]]  # what `call` returned, as y, h_n and for LSTM c_n in PyTorch's shapes


def valid(case: Case, y: np.ndarray) -> np.ndarray:
    """y with zeros past each row's length."""
    mask = np.arange(case.steps)[:, None] < make_lengths(case)
    return np.where((mask.T if case.batch_first else mask)[..., None], y, 0)


@dataclass(frozen=True)
class Contestant:
    title: str
    distribution: str  # its name on PyPI
    module: str  # the library's own, and that of this package which builds with it
    function: str = "build"  # in it: (case, model, inputs, threads) -> Built
    from_onnx: bool = False  # its model is what contestants/onnx_model.py makes, otherwise the weights

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None

    def version(self) -> str | None:
        """None where there is no such distribution."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None

    def prepare(self, case: Case, weights: Arrays) -> Any:
        """The model as a user has it before it is loaded. Raises UnsupportedError."""
        return import_module("contestants.onnx_model").make_model(case, weights) if self.from_onnx else weights

    def import_library(self) -> ModuleType:
        return import_module(f"contestants.{self.module}")

    def build(self, case: Case, model: Any, inputs: Arrays, threads: int) -> Built:
        """Raises UnsupportedError."""
        built: Built = getattr(self.import_library(), self.function)(case, model, inputs, threads)
        return built


CONTESTANTS = {
    "gatecell": Contestant("gatecell", "gatecell", "gatecell"),
    "torch": Contestant("PyTorch", "torch", "torch"),
    "onnxruntime": Contestant("ONNX Runtime", "onnxruntime", "onnxruntime", from_onnx=True),
    "openvino": Contestant("OpenVINO", "openvino", "openvino", from_onnx=True),
    "jax": Contestant("JAX", "jax", "jax"),
    "torch.jit": Contestant("torch.jit", "torch", "torch", "build_jit"),
    "torch.compile": Contestant("torch.compile", "torch", "torch", "build_compile"),
    "gatecell.packed": Contestant("gatecell packed", "gatecell", "gatecell", "build_packed"),
    "gatecell.full": Contestant("gatecell full batch", "gatecell", "gatecell", "build_full"),
    "gatecell.accelerate": Contestant("PyTorch accelerated", "gatecell", "gatecell", "build_accelerated"),
    "gatecell.own": Contestant("gatecell's own call", "gatecell", "gatecell", "build_own"),
    "torch.model": Contestant("PyTorch", "torch", "torch", "build_model"),
    "gatecell.classifier": Contestant("gatecell", "gatecell", "gatecell", "build_classifier"),
    "torch.classifier": Contestant("PyTorch", "torch", "torch", "build_classifier"),
    "torch.full": Contestant("PyTorch full batch", "torch", "torch", "build_full"),
    "onnxruntime.batch": Contestant("ONNX Runtime batch", "onnxruntime", "onnxruntime", "build_batch", from_onnx=True),
    "gatecell.vad": Contestant("gatecell", "gatecell", "gatecell", "build_vad"),
    "onnxruntime.vad": Contestant("ONNX Runtime", "onnxruntime", "onnxruntime", "build_vad"),
    "onnxruntime.vad_at_once": Contestant("ONNX Runtime at once", "onnxruntime", "onnxruntime", "build_vad_at_once"),
}
# Other ways of a library than the one it is judged by.
ON_REQUEST = tuple(name for name in CONTESTANTS if "." in name)
