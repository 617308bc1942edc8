"""Runs cases with gatecell: LSTM, GRU and RNN networks, stream pools, accelerated PyTorch models, whole models."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import gatecell
from suite.arrays import Arrays, make_lengths
from suite.cases import Case

from . import NO_OUTPUT, ReadyNetwork, UnsupportedError, vad, zero_padding

LAYERS = {"lstm": gatecell.LSTM, "gru": gatecell.GRU, "rnn": gatecell.RNN}


def build(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """The network as it is. A ragged batch is called with `lengths`; streams run in a StreamPool."""
    net, x, hx = _network(case, weights, inputs, threads)
    if case.streams:
        return _pool(case, net, x)
    if case.ragged:
        lengths = inputs["lengths"]
        return ReadyNetwork(lambda: net(x, hx, lengths=lengths), partial(_read, case))
    return ReadyNetwork(lambda: net(x, hx), partial(_read, case), partial(_plan, case, net))


def build_packed(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """A ragged batch: the call packs the padded batch, runs the network and pads the result."""
    if not case.ragged:
        raise UnsupportedError("only for ragged cases")
    net, x, hx = _network(case, weights, inputs, threads)
    lengths, batch_first = inputs["lengths"], case.batch_first

    def call() -> Any:
        packed = gatecell.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        y, hidden = net(packed, hx)
        padded, _ = gatecell.pad_packed_sequence(y, batch_first, total_length=case.steps)
        return padded, hidden

    return ReadyNetwork(call, partial(_read, case))


def build_full(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """A ragged batch without its lengths: the padding is computed, too. It shows how much time the lengths save."""
    if not case.ragged or case.bidirectional:
        raise UnsupportedError("only for ragged cases of one direction")
    net, x, hx = _network(case, weights, inputs, threads)

    def read(result: Any) -> list[np.ndarray]:
        y, *states = _read(case, result)
        return [zero_padding(case, y), *(NO_OUTPUT for _ in states)]

    return ReadyNetwork(lambda: net(x, hx), read)


def build_gates(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """gatecell's equations in NumPy and float64, with which outputs of extended cells are compared.

    They share no code with the calls that are timed. They take no lengths, so rows of one length are computed together.
    """
    net, x, hx = _network(replace(case, batch_first=False), weights, inputs, threads)
    x = x.swapaxes(0, 1) if case.batch_first else x
    lengths = make_lengths(case)
    sizes = {"h": case.output_size, "c": case.hidden_size} if case.cell == "lstm" else {"h": case.output_size}

    def call() -> list[np.ndarray]:
        y = np.zeros((case.steps, case.batch, case.output_size * case.directions))
        finals = {name: np.zeros((case.direction_runs, case.batch, size)) for name, size in sizes.items()}
        for length in np.unique(lengths):
            rows = lengths == length
            states = None if hx is None else tuple(s[:, rows] for s in hx) if case.cell == "lstm" else hx[:, rows]
            gates = net.gates(x[:length, rows], states, dtype="float64")
            y[:length, rows] = np.concatenate(gates["h"][-case.directions :], axis=-1)
            for name, final in finals.items():
                for run in range(case.direction_runs):
                    final[run, rows] = gates[name][run, 0 if run % case.directions else -1]
        return [y.swapaxes(0, 1) if case.batch_first else y, *finals.values()]

    return ReadyNetwork(call, lambda outputs: outputs)


def build_accelerated(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """A PyTorch model that contains the layer, with `gatecell.accelerate`."""
    from . import model  # not at the top, because it imports PyTorch

    return model.build(case, weights, inputs, threads, lambda network: gatecell.accelerate(network)[0])


def build_own(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """The same model with a direct call of gatecell, with arrays, in place of the layer."""
    import torch

    from . import model

    net, _, _ = _network(case, weights, inputs, threads)

    def layer(packed: Any) -> Any:
        y, hidden = net(packed)
        return packed._replace(data=torch.from_numpy(y.data)), hidden

    if not case.ragged:
        return model.with_inputs(case, net, inputs)
    torch.set_num_threads(threads)
    return model.with_inputs(case, model.Tagger(case, layer).eval(), model.tensors(inputs))


def build_classifier(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """The text classifier. Its layers use one thread for each CPU of the process."""
    from . import classifier

    model = classifier.make("text_classifier", case)
    model.load_state_dict(classifier.state_dict(case, weights))
    words, lengths = classifier.words(case, inputs["lengths"]), inputs["lengths"]
    return ReadyNetwork(lambda: model(words, lengths), lambda logits: [logits])


def build_vad(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> ReadyNetwork:
    """Silero VAD of gatecell.examples. Its LSTM uses one thread for each CPU of the process."""
    from gatecell.examples import silero_vad

    frames = vad.frames(case)
    try:
        model = silero_vad.load()
    except FileNotFoundError as why:
        raise UnsupportedError(str(why)) from None
    if case.batch == 1:
        chunk, state = frames[:, 0], None

        def run() -> list[np.ndarray]:
            nonlocal state
            probabilities, state = model(chunk, state)
            return [probabilities[:, None], *state]

        return ReadyNetwork(run, lambda outputs: outputs)
    streams = silero_vad.Streams(model, case.batch)
    ids = np.array([streams.pool.open() for _ in range(case.batch)])

    def step() -> list[np.ndarray]:
        return [streams.step(ids, frame) for frame in frames]

    return ReadyNetwork(step, lambda steps: [np.stack(steps), *(state[0] for state in streams.pool.state(ids))])


def _network(case: Case, weights: Arrays, inputs: Arrays, threads: int) -> tuple[Any, np.ndarray, Any]:
    """The network, x and hx."""
    options = {"batch_first": case.batch_first, "num_threads": threads, **case.options}
    net = LAYERS[case.cell].from_state_dict(weights, **options)
    hx = (inputs["h_0"], inputs["c_0"]) if "c_0" in inputs else inputs.get("h_0")
    return net, inputs["x"], hx


def _plan(case: Case, net: Any) -> dict[str, Any]:
    plan = net.plan(case.steps, case.batch)
    parts = {
        "rows": plan.row_parts,
        "directions": plan.direction_parts,
        "layers": plan.layer_parts,
        "hidden units": plan.hidden_parts,
    }
    return {"seconds": plan.seconds, "parts": {name: count for name, count in parts.items() if count > 1}}


def _pool(case: Case, net: Any, x: np.ndarray) -> ReadyNetwork:
    pool = gatecell.StreamPool(net, capacity=case.batch)
    ids = np.array([pool.open() for _ in range(case.batch)])
    steps = list(x)

    def call() -> list[np.ndarray]:
        return [pool.step(ids, x_t) for x_t in steps]

    return ReadyNetwork(call, lambda ys: _read(case, (np.stack(ys), pool.state(ids))))


def _read(case: Case, result: Any) -> list[np.ndarray]:
    y, hidden = result
    return [y, *(hidden if case.cell == "lstm" else [hidden])]
