"""PyTorch in eager mode, and compiled by `torch.jit` and `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from suite.arrays import Arrays
from suite.cases import Case

from . import NO_OUTPUT, ReadyNetwork, UnsupportedError, model, require_plain_cell, zero_padding

CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}

Arguments = tuple[Any, ...]
Compiler = Callable[[nn.Module, Arguments], Callable[..., Any]]


def build(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """Eager mode. For a ragged batch the call packs, runs the network and pads again; streams run as one batch."""
    if not case.ragged:
        return _build(case, weights, inputs, threads, lambda network, arguments: network)
    network = _network(case, weights, threads)
    (x, *hx), lengths = _arguments(case, inputs), torch.from_numpy(inputs["lengths"])

    def call() -> Any:
        with torch.inference_mode():
            packed = pack_padded_sequence(x, lengths, case.batch_first, enforce_sorted=False)
            y, final = network(packed, *hx)
            return pad_packed_sequence(y, case.batch_first, total_length=case.steps)[0], final

    return ReadyNetwork(call, lambda result: _read(case, result))


def build_full(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """A ragged batch without its lengths: the padding is computed, too. Each row's h_n is then read from y."""
    if not case.ragged or case.direction_runs > 1:
        raise UnsupportedError("only for ragged cases of one layer and direction")
    network = _network(case, weights, threads)
    (x, *hx), lengths = _arguments(case, inputs), torch.from_numpy(inputs["lengths"])
    rows = torch.arange(case.batch)

    def call() -> Any:
        with torch.inference_mode():
            y = network(x, *hx)[0]
            return y, y[rows, lengths - 1] if case.batch_first else y[lengths - 1, rows]

    def read(result: Any) -> list[np.ndarray]:
        y, h_n = (tensor.numpy() for tensor in result)
        return [zero_padding(case, y), h_n[None], *([NO_OUTPUT] if case.cell == "lstm" else [])]

    return ReadyNetwork(call, read)


def build_model(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """A PyTorch model around the layer, as it is. Other contestants run the same model with gatecell."""
    return model.build(case, weights, inputs, threads, lambda network: network)


def build_classifier(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """The text classifier, which packs its rows."""
    from . import classifier

    torch.set_num_threads(threads)
    twin = classifier.make("text_classifier_torch", case).eval()
    named = classifier.state_dict(case, weights).items()
    twin.load_state_dict({name: torch.from_numpy(array) for name, array in named})
    words, lengths = map(torch.from_numpy, (classifier.words(case, inputs["lengths"]), inputs["lengths"]))

    def call() -> Any:
        with torch.inference_mode():
            return twin(words, lengths)

    return ReadyNetwork(call, lambda logits: [logits.numpy()])


def build_jit(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    return _build(case, weights, inputs, threads, _trace)


def build_compile(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    import torch._inductor.config  # not at the top: this import is slow, and only this function needs it

    torch._dynamo.reset()  # else it takes the last case for the same network and compiles it for dynamic shapes
    torch._dynamo.config.allow_rnn = True
    torch._inductor.config.freezing = True  # makes the weights constants, which are packed once
    # A GRU becomes T copies of a step and compiles for minutes. The C++ wrapper halves this and costs 2 us per call.
    torch._inductor.config.cpp_wrapper = case.input_steps > 1
    return _build(case, weights, inputs, threads, _compile)


def _trace(network: nn.Module, arguments: Arguments) -> Callable[..., Any]:
    return torch.jit.freeze(torch.jit.trace(network, arguments, check_trace=False))


def _compile(network: nn.Module, arguments: Arguments) -> Callable[..., Any]:
    compiled = torch.compile(network, mode="max-autotune", fullgraph=True)
    compiled(*arguments)
    return compiled


def _build(case: Case, weights: Arrays, inputs: Arrays, threads: int, compile_: Compiler) -> ReadyNetwork:
    if case.ragged:
        raise UnsupportedError("not written for ragged cases")
    if case.streams:
        return _streams(case, weights, inputs["x"], threads, compile_)
    network, arguments = _network(case, weights, threads), _arguments(case, inputs)
    with torch.inference_mode():
        compiled = compile_(network, arguments)

    def call() -> Any:
        with torch.inference_mode():
            return compiled(*arguments)

    return ReadyNetwork(call, lambda result: _read(case, result))


def _streams(case: Case, weights: Arrays, x: np.ndarray, threads: int, compile_: Compiler) -> ReadyNetwork:
    network = _network(case, weights, threads)
    sizes = {"h_0": case.output_size} | ({"c_0": case.hidden_size} if case.cell == "lstm" else {})
    zeros = {name: np.zeros((case.num_layers, case.batch, size), x.dtype) for name, size in sizes.items()}
    steps = [_arguments(case, {"x": x_t[None], **zeros}) for x_t in x]
    with torch.inference_mode():
        compiled = compile_(network, steps[0])
    state, uses_cell = steps[0][1], _uses_cell(case)

    def call() -> list[Any]:
        nonlocal state
        results = []
        with torch.inference_mode():
            for x_t, _ in steps:
                results.append(compiled(x_t, state))
                state = results[-1] if uses_cell else results[-1][1]
        return results

    def read(results: list[Any]) -> list[np.ndarray]:
        outputs = [_read(case, result) for result in results]
        return [np.concatenate([y for y, *_ in outputs]), *outputs[-1][1:]]

    return ReadyNetwork(call, read)


def _uses_cell(case: Case) -> bool:
    """Whether the case runs as nn.LSTMCell, GRUCell or RNNCell: one step of one layer.

    At H=64 a cell takes two thirds of the layer's time. But LSTMCell does not use oneDNN's LSTM, which is faster from
    about 40 rows on and takes a third of the time at 1000 rows.
    """
    one_step = case.input_steps == case.num_layers == case.directions == 1 and not case.proj_size and not case.ragged
    return one_step and (case.cell != "lstm" or case.batch < 40)


def _network(case: Case, weights: Arrays, threads: int) -> nn.Module:
    require_plain_cell(case)
    torch.set_num_threads(threads)
    # oneDNN packs the weights of an LSTM in every call. For T=1 the call takes two to four times as long with it.
    torch.backends.mkldnn.set_flags(case.batch * case.input_steps > 8)
    named = {name: torch.from_numpy(array) for name, array in weights.items()}
    sizes = {"input_size": case.input_size, "hidden_size": case.hidden_size, "dtype": named["weight_hh_l0"].dtype}
    if _uses_cell(case):
        named = {name.removesuffix("_l0"): tensor for name, tensor in named.items()}
        network: nn.Module = CELLS[case.cell](**sizes)
    else:
        options = {"num_layers": case.num_layers, "bidirectional": case.bidirectional, "batch_first": case.batch_first}
        options |= {"proj_size": case.proj_size} if case.proj_size else {}
        network = model.LAYERS[case.cell](**sizes, **options)
    network.load_state_dict(named)
    return network.eval()


def _arguments(case: Case, inputs: Arrays) -> Arguments:
    """The arguments of a call: x and, if there is one, hx."""
    x = torch.from_numpy(inputs["x"])
    states = [torch.from_numpy(inputs[name]) for name in ("h_0", "c_0") if name in inputs]
    if _uses_cell(case):
        x, states = x.squeeze(int(case.batch_first)), [state.squeeze(0) for state in states]
    return (x, *([tuple(states) if len(states) > 1 else states[0]] if states else []))


def _read(case: Case, result: Any) -> list[np.ndarray]:
    y, final = (None, result) if _uses_cell(case) else result
    finals = list(final) if case.cell == "lstm" else [final]
    if _uses_cell(case):
        finals = [state.unsqueeze(0) for state in finals]
        y = finals[0].movedim(0, int(case.batch_first))
    return [tensor.numpy() for tensor in (y, *finals)]
