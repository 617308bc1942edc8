"""Runs cases with ONNX Runtime: the ONNX model of a case, streams one by one or as a batch, and Silero VAD."""

from __future__ import annotations

import threading

import numpy as np
import onnxruntime

from suite.arrays import Arrays
from suite.cases import Case

from . import ReadyNetwork, UnsupportedError, vad
from .onnx_model import join_outputs, split_inputs


class Binding(threading.local):
    """Input and output arrays of one thread, bound in advance. A step takes 6 us with them, 9 us with `session.run`."""

    def __init__(self, session: onnxruntime.InferenceSession, inputs: Arrays) -> None:
        self.binding = session.io_binding()
        for name, array in inputs.items():
            self.binding.bind_cpu_input(name, array)
        self.outputs = [np.empty(output.shape, np.float32) for output in session.get_outputs()]
        for output, array in zip(session.get_outputs(), self.outputs, strict=True):
            self.binding.bind_output(output.name, "cpu", 0, np.float32, array.shape, array.ctypes.data)


def build(case: Case, model: bytes, inputs: Arrays, threads: int) -> ReadyNetwork:
    """Streams run one by one."""
    if case.streams:
        # On one thread: a second thread has no work in a step of one row, and the waiting takes as long as the step.
        return _streams(case, _session(case, model, 1), inputs["x"], size=1)
    session = _session(case, model, threads)
    local = Binding(session, split_inputs(case, inputs))

    def call() -> list[np.ndarray]:
        session.run_with_iobinding(local.binding)
        return local.outputs

    return ReadyNetwork(call, lambda outputs: join_outputs(case, outputs))


def build_batch(case: Case, model: bytes, inputs: Arrays, threads: int) -> ReadyNetwork:
    """All streams run as one batch."""
    if not case.streams:
        raise UnsupportedError("only for streams")
    return _streams(case, _session(case, model, threads), inputs["x"], size=case.batch)


def build_vad(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """Silero VAD with one call for each stream and frame."""
    return _vad(case, _session(case, vad.model("silero_vad"), threads), vad.frames(case), size=1)


def build_vad_at_once(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """Silero VAD with all streams as one batch. A single stream runs all its frames in the package's sequence model."""
    if case.batch > 1:
        return _vad(case, _session(case, vad.model("silero_vad"), threads), vad.frames(case), size=case.batch)
    session = _session(case, vad.model("silero_vad_16k_sequence"), threads)
    states = {name: np.zeros((1, 1, 128), np.float32) for name in ("h", "c")}
    outputs = {"speech_probs": np.empty(case.steps, np.float32)} | {f"{name}n": a.copy() for name, a in states.items()}
    binding = _bind(session, {"input": vad.frames(case)[:, 0], **states}, outputs)

    def call() -> list[np.ndarray]:
        session.run_with_iobinding(binding)
        for name, state in states.items():
            state[:] = outputs[f"{name}n"]
        return list(outputs.values())

    return ReadyNetwork(call, lambda found: [found[0][:, None], *(state[0] for state in found[1:])])


def _vad(case: Case, session: onnxruntime.InferenceSession, frames: np.ndarray, size: int) -> ReadyNetwork:
    """Calls the session for each step and each group of `size` streams. All arrays are bound in advance."""
    groups = case.batch // size
    frames = frames.reshape(case.steps, groups, size, -1)
    probabilities = np.empty((case.steps, groups, size, 1), np.float32)
    states = np.zeros((case.steps + 1, groups, 2, size, 128), np.float32)
    rate = np.array(16_000)
    bindings = [
        _bind(
            session,
            {"input": frames[step, group], "state": states[step, group], "sr": rate},
            {"output": probabilities[step, group], "stateN": states[step + 1, group]},
        )
        for step in range(case.steps)
        for group in range(groups)
    ]

    def call() -> list[np.ndarray]:
        states[0] = states[-1]
        for binding in bindings:
            session.run_with_iobinding(binding)
        return [probabilities, *states[-1].swapaxes(0, 1)]

    def read(found: list[np.ndarray]) -> list[np.ndarray]:
        return [found[0].reshape(case.steps, -1), *(state.reshape(-1, 128) for state in found[1:])]

    return ReadyNetwork(call, read)


def _bind(session: onnxruntime.InferenceSession, inputs: Arrays, outputs: Arrays) -> onnxruntime.IOBinding:
    """A binding with which a session reads and writes these arrays without copies."""
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_cpu_input(name, array)  # this keeps a reference to the array
    for name, array in outputs.items():
        binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    return binding


def _session(case: Case, model: bytes | str, threads: int) -> onnxruntime.InferenceSession:
    if case.float64:
        raise UnsupportedError(f"no float64 {case.cell.upper()} on CPUs")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads  # they spin while they wait (default): else B=1 gains nothing from a second
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _streams(case: Case, session: onnxruntime.InferenceSession, x: np.ndarray, size: int) -> ReadyNetwork:
    """Calls the session for each step and each group of `size` streams.

    All arrays are bound in advance, and a step reads its states where the step before wrote them. This takes half the
    time of `session.run`.
    """
    groups = case.batch // size
    y_name, *finals = (output.name for output in session.get_outputs())
    x = x.reshape(case.steps, groups, 1, size, case.input_size)
    y = np.empty((case.steps, groups, 1, 1, size, case.hidden_size), np.float32)
    states = {final: np.zeros((case.steps + 1, groups, 1, size, case.hidden_size), np.float32) for final in finals}

    def bind(step: int, group: int) -> onnxruntime.IOBinding:
        inputs, outputs = {"x": x[step, group]}, {y_name: y[step, group]}
        for final, array in states.items():
            inputs[final.removesuffix("_n")], outputs[final] = array[step, group], array[step + 1, group]
        return _bind(session, inputs, outputs)

    bindings = [bind(step, group) for step in range(case.steps) for group in range(groups)]

    def call() -> list[np.ndarray]:
        for array in states.values():
            array[0] = array[-1]
        for binding in bindings:
            session.run_with_iobinding(binding)
        return [y, *(array[-1] for array in states.values())]

    def read(outputs: list[np.ndarray]) -> list[np.ndarray]:
        y, *finals = outputs
        rows = (1, case.batch, case.hidden_size)
        return join_outputs(case, [y.reshape(case.steps, *rows), *(final.reshape(rows) for final in finals)])

    return ReadyNetwork(call, read)
