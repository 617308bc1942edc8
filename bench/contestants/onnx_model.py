"""Writes a case as an ONNX model for ONNX Runtime and OpenVINO: one LSTM, GRU or RNN node for each layer.

The states of each layer are separate inputs and outputs of the model, in the shapes of its node, and y keeps the node's
axis of directions. Nodes that split, join or transpose them would cost copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from suite.arrays import Arrays
from suite.cases import GATES, Case

from . import UnsupportedError

OPTIONS = {"reset": ("before",), "peepholes": ("diagonal",), "coupled_gates": (True,)}  # that ONNX has
ONNX_GATES = {"lstm": "iofg", "gru": "zrn", "rnn": "h"}
OPSET, IR_VERSION = 17, 8  # versions of 2022, which current libraries can read


def make_model(case: Case, weights: Arrays) -> bytes:
    """The serialised model. Its inputs have the names of `split_inputs`, its outputs the order of `join_outputs`.

    For streams it is one step of any number of streams. Raises UnsupportedError.
    """
    if case.proj_size:
        raise UnsupportedError("no LSTM with a projection")
    if any(value not in OPTIONS.get(name, ()) for name, value in case.options.items()):
        raise UnsupportedError(f"no {case.cell.upper()} with {case.variant}")
    attributes: dict[str, Any] = {"direction": "bidirectional" if case.bidirectional else "forward"}
    attributes["hidden_size"] = case.hidden_size
    if case.cell == "gru":
        attributes["linear_before_reset"] = int(case.reset == "after")  # 1: reset after the product, as PyTorch does
    if case.coupled_gates:
        attributes["input_forget"] = 1
    constants: Arrays = {}
    nodes = []
    steps, batch = case.input_steps, "B" if case.streams else case.batch

    def add(operator: str, operands: list[str], results: list[str], **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, operands, results, **attributes))
        return results[0]

    finals: list[str] = []
    value = add("Transpose", ["x"], ["x_by_step"], perm=[1, 0, 2]) if case.batch_first else "x"
    for layer in range(case.num_layers):
        if layer:  # (T, directions, B, H) to (T, B, directions * H)
            if case.bidirectional:
                value = add("Transpose", [value], [f"{value}_swapped"], perm=[0, 2, 1, 3])
            constants["joined"] = np.array([steps, -1, case.directions * case.hidden_size])
            value = add("Reshape", [value, "joined"], [f"x{layer}"])
        of_layer = _node_weights(case, weights, layer)
        states = [f"{name}{layer}" for name in ("hc" if case.cell == "lstm" else "h")]
        lengths = "lengths" if case.ragged else ""  # "" means that all rows have T steps
        initial = [""] * len(states) if case.no_hx else states
        w, r, b, *peepholes = of_layer
        operands = [value, w, r, b, lengths, *initial, *peepholes]
        results = [f"{state}_n" for state in states]
        value = add(case.cell.upper(), operands, [f"y{layer}", *results], **attributes)
        constants |= of_layer
        finals += results
    if case.batch_first:
        value = add("Transpose", [value], ["y"], perm=[2, 0, 1, 3])

    def declare(name: str, shape: Sequence[int | str], dtype: np.dtype = case.dtype) -> Any:
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)

    rows = (batch, steps) if case.batch_first else (steps, batch)
    state_shape = (case.directions, batch, case.hidden_size)
    y_shape = (*rows, case.directions, case.hidden_size) if case.batch_first else (steps, *state_shape)
    inputs = [declare("x", (*rows, case.input_size))]
    if case.ragged:
        inputs.append(declare("lengths", (batch,), np.dtype(np.int32)))
    if not case.no_hx:
        inputs += [declare(final.removesuffix("_n"), state_shape) for final in finals]
    outputs = [declare(value, y_shape), *(declare(final, state_shape) for final in finals)]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, str(case), inputs, outputs, initializers)
    opset = helper.make_opsetid("", OPSET)
    serialized: bytes = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION).SerializeToString()
    return serialized


def _node_weights(case: Case, weights: Arrays, layer: int) -> Arrays:
    """The weights of a node by name, each with a first axis of directions:

    W (gates * H, inputs), R (gates * H, H), B (2 * gates * H) and, with peepholes, P (3 * H).

    ONNX requires matrix rows for gate f even if f = 1 - i. They are zeros and are not used.
    """

    def reorder(array: np.ndarray, gates: str, onnx_gates: str) -> np.ndarray:
        gates = "".join(gate for gate in gates if gate in case.gates)
        blocks = dict(zip(gates, np.split(array, len(gates)), strict=True))
        return np.concatenate([blocks.get(gate, np.zeros_like(blocks[gates[0]])) for gate in onnx_gates])

    def stack(name: str, gates: str = GATES[case.cell], onnx_gates: str = ONNX_GATES[case.cell]) -> np.ndarray:
        suffixes = ("", "_reverse")[: case.directions]
        return np.stack([reorder(weights[f"{name}_l{layer}{suffix}"], gates, onnx_gates) for suffix in suffixes])

    bias = np.concatenate([stack("bias_ih"), stack("bias_hh")], axis=1)
    peepholes = {f"P{layer}": stack("weight_peephole", "ifo", "iof")} if case.peepholes else {}
    return {f"W{layer}": stack("weight_ih"), f"R{layer}": stack("weight_hh"), f"B{layer}": bias, **peepholes}


def split_inputs(case: Case, inputs: Arrays) -> Arrays:
    """The model's inputs by name: x, lengths, h0, c0, h1, ... Each layer has states of shape (directions, B, H)."""
    feeds = {"x": inputs["x"]}
    if case.ragged:
        feeds["lengths"] = inputs["lengths"].astype(np.int32)
    for name in inputs.keys() & {"h_0", "c_0"}:
        layers = np.split(inputs[name], case.num_layers)
        feeds |= {f"{name[0]}{layer}": states for layer, states in enumerate(layers)}
    return feeds


def join_outputs(case: Case, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """y, h_n and, for an LSTM, c_n in PyTorch's shapes."""
    y, *finals = outputs
    if not case.batch_first:
        y = y.swapaxes(1, 2)
    states = 2 if case.cell == "lstm" else 1
    return [y.reshape(*y.shape[:2], -1), *(np.concatenate(finals[i::states]) for i in range(states))]
