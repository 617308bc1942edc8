"""OpenVINO with the ONNX model. Its CPU plugin makes one fused sequence operation of each node."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
import openvino

from suite.arrays import Arrays
from suite.cases import Case

from . import ReadyNetwork, UnsupportedError
from .onnx_model import join_outputs, split_inputs

SETTINGS = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    "INFERENCE_PRECISION_HINT": "f32",  # else the plugin uses bfloat16 on a CPU that has it
}


class Request(threading.local):
    """The inference request of one thread. It reads the input arrays without copies."""

    def __init__(self, model: openvino.CompiledModel, inputs: Arrays) -> None:
        self.request = model.create_infer_request()
        for name, array in inputs.items():
            self.request.set_tensor(name, openvino.Tensor(array, shared_memory=True))


def build(case: Case, model: bytes, inputs: Arrays, threads: int) -> ReadyNetwork:
    if case.streams:
        raise UnsupportedError("not written for streams")
    if set(case.options) - {"reset"}:
        raise UnsupportedError("ignores peepholes and coupled gates of an ONNX model without an error")
    if case.float64:
        raise UnsupportedError("computes float64 networks in float32")
    settings = {**SETTINGS, "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.compile_model(openvino.Core().read_model(model), "CPU", settings)
    local = Request(compiled, split_inputs(case, inputs))

    def read(outputs: Mapping[int, np.ndarray]) -> list[np.ndarray]:
        return join_outputs(case, [outputs[i] for i in range(len(compiled.outputs))])

    # share_outputs: the results are views of the request's memory, not copies
    return ReadyNetwork(lambda: local.request.infer(share_outputs=True), read)
