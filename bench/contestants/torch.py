"""PyTorch: eager, and compiled by `torch.jit` and `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from suite.cases import Arrays, Case

from . import Built

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}

Arguments = tuple[Any, ...]
Compiler = Callable[[nn.Module, Arguments], Callable[..., Any]]


def build(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> Built:
    return _build(case, weights, inputs, threads, lambda network, arguments: network)


def build_jit(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> Built:
    return _build(case, weights, inputs, threads, _trace)


def build_compile(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> Built:
    import torch._inductor.config  # here, as it is slow and the others do without

    torch._dynamo.reset()  # else the last case counts as the same network, to be compiled again for other shapes
    torch._dynamo.config.allow_rnn = True
    torch._inductor.config.freezing = True  # the weights as constants, packed once
    # A GRU becomes T copies of a step, which compile for minutes: half as long with the wrapper in C++ (2 us a call).
    torch._inductor.config.cpp_wrapper = case.steps > 1
    return _build(case, weights, inputs, threads, _compile)


def _trace(network: nn.Module, arguments: Arguments) -> Callable[..., Any]:
    return torch.jit.freeze(torch.jit.trace(network, arguments, check_trace=False))


def _compile(network: nn.Module, arguments: Arguments) -> Callable[..., Any]:
    compiled = torch.compile(network, mode="max-autotune", fullgraph=True)
    compiled(*arguments)
    return compiled


def _build(case: Case, weights: Arrays, inputs: Arrays, threads: int, compile_: Compiler) -> Built:
    torch.set_num_threads(threads)
    # oneDNN packs an LSTM's weights in every call: T=1 takes two to four times as long with it.
    torch.backends.mkldnn.set_flags(case.batch * case.steps > 8)
    # One step of one layer is what the cells are for: at H=64 a third less time than the layer's.
    one_step = case.steps == case.num_layers == case.directions == 1 and not case.proj_size
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    x, *states = tensors.values()
    named = {name: torch.from_numpy(array) for name, array in weights.items()}
    sizes = {"input_size": case.input_size, "hidden_size": case.hidden_size, "dtype": x.dtype}
    time_axis = int(case.batch_first)
    if one_step:
        x, states = x.squeeze(time_axis), [state.squeeze(0) for state in states]
        named = {name.removesuffix("_l0"): tensor for name, tensor in named.items()}
        network = CELLS[case.cell](**sizes)
    else:
        options = {"num_layers": case.num_layers, "bidirectional": case.bidirectional, "batch_first": case.batch_first}
        options |= {"proj_size": case.proj_size} if case.proj_size else {}
        network = LAYERS[case.cell](**sizes, **options)
    network.load_state_dict(named)
    arguments = (x, *([tuple(states) if len(states) > 1 else states[0]] if states else []))
    with torch.inference_mode():
        compiled = compile_(network.eval(), arguments)

    def call() -> Any:
        with torch.inference_mode():
            return compiled(*arguments)

    def read(result: Any) -> list[np.ndarray]:
        y, final = (None, result) if one_step else result
        finals = list(final) if case.cell == "lstm" else [final]
        if one_step:
            finals = [state.unsqueeze(0) for state in finals]
            y = finals[0].movedim(0, time_axis)
        return [tensor.numpy() for tensor in (y, *finals)]

    return Built(call, read)
