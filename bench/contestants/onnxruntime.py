"""ONNX Runtime."""

from __future__ import annotations

import threading

import numpy as np
import onnxruntime

from suite.cases import Arrays, Case

from . import Built, UnsupportedError
from .onnx_model import join_outputs, split_inputs


class Binding(threading.local):
    """A thread's own input and output arrays. With them a step takes 6 us where `session.run` takes 9."""

    def __init__(self, session: onnxruntime.InferenceSession, inputs: Arrays) -> None:
        self.binding = session.io_binding()
        for name, array in inputs.items():
            self.binding.bind_cpu_input(name, array)
        self.outputs = [np.empty(output.shape, np.float32) for output in session.get_outputs()]
        for output, array in zip(session.get_outputs(), self.outputs, strict=True):
            self.binding.bind_output(output.name, "cpu", 0, np.float32, array.shape, array.ctypes.data)


def build(case: Case, model: bytes, inputs: Arrays, threads: int) -> Built:
    if case.float64:
        raise UnsupportedError(f"no float64 {case.cell.upper()} on CPUs")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads  # they spin, as by default: without it B=1 gains nothing from a second
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    local = Binding(session, split_inputs(case, inputs))

    def call() -> list[np.ndarray]:
        session.run_with_iobinding(local.binding)
        return local.outputs

    return Built(call, lambda outputs: join_outputs(case, outputs))
