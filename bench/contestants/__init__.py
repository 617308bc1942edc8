"""The libraries that are compared, one module each. The function `build` of a module makes a network from weights.

Weights have PyTorch's names and layout. Each module is imported in a process of its own, so that a process loads only
what this contestant needs. Four modules are not libraries: onnx_model.py, model.py, classifier.py and vad.py have
models and inputs that several libraries use.
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

from suite.arrays import Arrays, make_lengths
from suite.cases import Case

NO_OUTPUT = np.empty(0)  # takes the place of an output that a library does not compute

# Environment variables that keep PyTorch to AVX2.
_TORCH_AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",  # ATen's kernels: aten/src/ATen/native/cpu/README.md of PyTorch
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # "CPU Dispatcher Control" in the developer guide of oneDNN
    # oneMKL's developer guide, "Instruction Set-Specific Dispatching". It says that this is for Intel processors only.
    # On an AMD Zen 4, matrix products in MKL 2024.2 use 256-bit vectors anyway; a debugger shows sgemm_kernel_0_zen.
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3",  # for the compiler of torch.compile: torch/_inductor/config.py
}
# For each choice of --isa and each module: the variables that keep the library to this instruction set. A module that
# is not here cannot be capped:
# * ONNX Runtime has no variable or option for it.
# * JAX: XLA_FLAGS=--xla_cpu_max_isa=AVX2 is for code that XLA itself generates. Matrix products run in YNNPACK, which
#   does not read the flag: in JAX 0.10.2 a profile with the flag still shows its dot_fp32_*_avx512 kernels.
CAPS: dict[str, dict[str, dict[str, str]]] = {
    "avx2": {
        "gatecell": {"GATECELL_ISA": "avx2", **_TORCH_AVX2},  # some contestants with gatecell also run PyTorch
        "torch": _TORCH_AVX2,
        # "Max ISA cap" in src/plugins/intel_cpu/docs of OpenVINO: the first is for oneDNN and the plugin's generated
        # kernels. With it ONEDNN_VERBOSE=1 shows the recurrent layers of OpenVINO 2026.4.1 in brgemm:avx2. Releases
        # that do not read the second choose some other kernels without a cap.
        "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX2", "OV_CPU_MAX_ISA": "AVX2"},
    },
}


class UnsupportedError(Exception):
    """The library cannot run this case. The message says what it lacks."""


def require_plain_cell(case: Case) -> None:
    """Raises UnsupportedError for an extended cell. Modules of libraries that have only PyTorch's cells call it."""
    if case.variant:
        raise UnsupportedError(f"no {case.cell.upper()} with {case.variant}")


@dataclass(frozen=True)
class ReadyNetwork:
    """A network and its input, ready to run."""

    call: Callable[[], Any]  # one forward pass, as a user would write it; returns when the results are ready
    # Converts the result of `call` to y, h_n and, for an LSTM, c_n of PyTorch. A whole model has other outputs.
    read: Callable[[Any], list[np.ndarray]]
    # What gatecell plans for `call` now: {"seconds": predicted time, "parts": {what is split: the number of threads}}.
    plan: Callable[[], dict[str, Any]] | None = None


def zero_padding(case: Case, y: np.ndarray) -> np.ndarray:
    """y with zeros after the last step of each row."""
    mask = np.arange(case.steps)[:, None] < make_lengths(case)
    return np.where((mask.T if case.batch_first else mask)[..., None], y, 0)


@dataclass(frozen=True)
class Contestant:
    title: str
    distribution: str  # the name of the library on PyPI
    module: str  # the name that Python imports; the module of contestants/ for this library has the same name
    function: str = "build"  # the function of that module: (case, model, inputs, threads) -> ReadyNetwork
    from_onnx: bool = False  # if true, `model` is an ONNX model of contestants/onnx_model.py, else it is the weights

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None

    def version(self) -> str | None:
        """None if the distribution is not installed."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None

    def cap(self, isa: str | None) -> dict[str, str] | None:
        """The environment variables that keep the library to `isa`. None: it cannot be capped. Empty without `isa`."""
        return CAPS[isa].get(self.module) if isa else {}

    def prepare(self, case: Case, weights: Arrays) -> Any:
        """The model in the form that the library loads. Raises UnsupportedError."""
        return import_module("contestants.onnx_model").make_model(case, weights) if self.from_onnx else weights

    def import_library(self) -> ModuleType:
        return import_module(f"contestants.{self.module}")

    def build(self, case: Case, model: Any, inputs: Arrays, threads: int) -> ReadyNetwork:
        """The network, ready to run. Raises UnsupportedError."""
        built: ReadyNetwork = getattr(self.import_library(), self.function)(case, model, inputs, threads)
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
    "gatecell.gates": Contestant("gatecell's equations", "gatecell", "gatecell", "build_gates"),
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
# Contestants that are other ways to run a network with a library. They only run if the command line names them.
ON_REQUEST = tuple(name for name in CONTESTANTS if "." in name)
