"""Compares the outputs of contestants for ragged batches and streams with PyTorch's outputs for each row alone.

Outputs of extended cells are compared with the equations of the tests (tests/python/helpers/equations.py). So is the
reference of the benchmarks, gatecell.gates, which for PyTorch's cells is also compared with PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from contestants import CONTESTANTS, UnsupportedError
from helpers import equations as tests_equations
from helpers.extended_case import ExtendedCase
from packages import load_example
from suite.arrays import make_input, make_lengths, make_weights
from suite.cases import Case
from suite.rounds import largest_difference

# The environment of the tests has PyTorch and ONNX Runtime. CI also runs this file in that of the benchmarks, which has
# the other libraries.
ONNX_RUNTIME = ["onnxruntime"] if find_spec("onnxruntime") and find_spec("onnx") else []
OPENVINO = ["openvino"] if find_spec("openvino") and find_spec("onnx") else []


@pytest.fixture(autouse=True)
def _torch_settings() -> Iterator[None]:
    """Restores PyTorch's settings, because contestants change them: in the benchmarks each has its own process."""
    threads, onednn = torch.get_num_threads(), torch.backends.mkldnn.enabled
    yield
    torch.set_num_threads(threads)
    torch.backends.mkldnn.set_flags(onednn)


def outputs(name: str, text: str) -> list[np.ndarray]:
    """The outputs of a contestant's first call."""
    case = Case.parse(text)
    contestant = CONTESTANTS[name]
    built = contestant.build(case, contestant.prepare(case, make_weights(case)), make_input(case), 1)
    return built.read(built.call())


def alone(text: str) -> list[np.ndarray]:
    """PyTorch's outputs for each row alone, without padding: y with zeros after the row's end, h_n and maybe c_n."""
    case = Case.parse(text)
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[case.cell]
    module = kind(case.input_size, case.hidden_size, case.num_layers, bidirectional=case.bidirectional)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in make_weights(case).items()})
    inputs = make_input(case)
    x = torch.from_numpy(inputs["x"].swapaxes(0, 1) if case.batch_first else inputs["x"])
    states = [torch.from_numpy(inputs[name]) for name in ("h_0", "c_0") if name in inputs]
    y = np.zeros((case.steps, case.batch, case.hidden_size * case.directions), np.float32)
    finals = []
    for row, length in enumerate(make_lengths(case)):
        hx = [state[:, row : row + 1] for state in states]
        with torch.inference_mode():
            out, hidden = module(x[:length, row : row + 1], *([tuple(hx) if len(hx) > 1 else hx[0]] if hx else []))
        y[:length, row] = out[:, 0]
        finals.append([state.numpy() for state in (hidden if case.cell == "lstm" else [hidden])])
    hidden = [np.concatenate(states, axis=1) for states in zip(*finals, strict=True)]
    return [y.swapaxes(0, 1) if case.batch_first else y, *hidden]


RAGGED = [
    "lstm,B=5,T=20,I=3,H=8,ragged",
    "gru,B=5,T=20,I=3,H=8,batch_first,no_hx,ragged",
    "lstm,B=4,T=10,I=3,H=8,layers=2,bidirectional,ragged",
]
STREAMS = ["lstm,B=4,T=3,I=5,H=8,streams", "lstm,B=50,T=3,I=5,H=8,streams", "gru,B=3,T=4,I=5,H=8,layers=2,streams"]


@pytest.mark.parametrize("text", [*RAGGED, *STREAMS])
@pytest.mark.parametrize("name", ["gatecell", "torch", *ONNX_RUNTIME])
def test_ragged_batches_and_streams_equal_their_rows_alone(name: str, text: str) -> None:
    assert largest_difference(outputs(name, text), alone(text)) < 1e-5


WAYS = [(name, text) for name in ("gatecell.packed", "gatecell.full", "torch.full") for text in RAGGED[:2]]
WAYS += [(f"{name}.batch", STREAMS[0]) for name in ONNX_RUNTIME]


@pytest.mark.parametrize(("name", "text"), WAYS)
def test_other_ways(name: str, text: str) -> None:
    assert largest_difference(outputs(name, text), alone(text)) < 1e-5


CLASSIFIERS = [f"{cell},B=5,T=20,I=3,H=8,layers=2,bidirectional,batch_first,no_hx,ragged" for cell in ("lstm", "gru")]


@pytest.mark.parametrize("text", CLASSIFIERS)
def test_classifiers_agree(text: str) -> None:
    assert largest_difference(outputs("gatecell.classifier", text), outputs("torch.classifier", text)) < 1e-6


@pytest.mark.parametrize("name", ["gatecell.classifier", "torch.classifier"])
def test_a_classifier_of_other_layers_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedError, match="only for lstm or gru with layers=2"):
        outputs(name, RAGGED[0])


def equations(text: str) -> list[np.ndarray]:
    """The float64 results of the equations of the tests."""
    bench, inputs = Case.parse(text), make_input(Case.parse(text))
    sizes = ("input_size", "hidden_size", "num_layers", "batch_first", "bidirectional", "proj_size", "steps")
    case = ExtendedCase(
        mode={"rnn": "RNN_TANH"}.get(bench.cell, bench.cell.upper()),
        rows=bench.batch,
        lengths=tuple(make_lengths(bench).tolist()),
        **{name: getattr(bench, name) for name in sizes},
        **bench.options,
    )
    states = tuple(inputs[name] for name in ("h_0", "c_0") if name in inputs)
    found = tests_equations.run(case, make_weights(bench), inputs["x"], states or None, "float64")
    return list(found.values())


@pytest.mark.parametrize("text", [*RAGGED, *STREAMS, "rnn,B=3,T=5,I=4,H=8,layers=2,ragged"])
def test_the_reference_agrees_with_pytorch(text: str) -> None:
    assert largest_difference(outputs("gatecell.gates", text), alone(text)) < 1e-6


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_the_reference_with_a_projection() -> None:
    text = "lstm,B=2,T=5,I=4,H=8,layers=2,proj=3,bidirectional,float64"
    assert largest_difference(outputs("gatecell.gates", text), outputs("torch", text)) < 1e-14


GRUS = [
    "gru,B=3,T=6,I=5,H=8,reset=before",
    "gru,B=1,T=6,I=5,H=8,layers=2,reset=before,bidirectional,batch_first,no_hx",
    "gru,B=5,T=20,I=3,H=8,reset=before,ragged",
]
LSTMS = [
    "lstm,B=3,T=6,I=5,H=8,peepholes=diagonal",
    "lstm,B=1,T=6,I=5,H=8,coupled_gates",
    "lstm,B=3,T=6,I=5,H=8,layers=2,peepholes=diagonal,coupled_gates,bidirectional,batch_first,no_hx",
    "lstm,B=5,T=20,I=3,H=8,peepholes=diagonal,ragged",
]
LIVE = ["gru,B=4,T=3,I=5,H=8,reset=before,streams", "lstm,B=4,T=3,I=5,H=8,peepholes=diagonal,coupled_gates,streams"]
NOT_IN_ONNX = [
    "gru,B=3,T=6,I=5,H=8,reset=none",
    "lstm,B=3,T=6,I=5,H=8,peepholes=full",
    "lstm,B=3,T=6,I=5,H=8,proj=3,peepholes=full,coupled_gates,bidirectional",
    "lstm,B=3,T=6,I=5,H=8,proj=3,peepholes=diagonal",
]
CELLS = [("gatecell", text) for text in [*GRUS, *LSTMS, *LIVE, *NOT_IN_ONNX]]
CELLS += [(name, text) for name in ONNX_RUNTIME for text in [*GRUS, *LSTMS, *LIVE]]
CELLS += [(f"{name}.batch", text) for name in ONNX_RUNTIME for text in LIVE]
CELLS += [(name, text) for name in OPENVINO for text in GRUS]


@pytest.mark.parametrize(("name", "text"), CELLS)
def test_extended_cells(name: str, text: str) -> None:
    assert largest_difference(outputs(name, text), equations(text)) < 1e-5


@pytest.mark.parametrize("text", [text for name, text in CELLS if name == "gatecell"])
def test_the_reference_of_extended_cells(text: str) -> None:
    assert largest_difference(outputs("gatecell.gates", text), equations(text)) < 1e-14


NONE = [("torch", text) for text in ("gru,H=8,reset=before", "lstm,H=8,peepholes=diagonal", "lstm,H=8,coupled_gates")]
NONE += [("torch", "gru,H=8,reset=none,ragged"), ("torch.model", "lstm,H=8,coupled_gates,streams")]
NONE += [(name, text) for name in [*ONNX_RUNTIME, *OPENVINO] for text in NOT_IN_ONNX]
NONE += [(name, text) for name in OPENVINO for text in ("lstm,H=8,peepholes=diagonal", "lstm,H=8,coupled_gates")]


@pytest.mark.parametrize(("name", "text"), NONE)
def test_a_cell_that_a_library_lacks_is_an_error(name: str, text: str) -> None:
    """The library does not run another cell instead."""
    with pytest.raises(UnsupportedError):
        outputs(name, text)


@pytest.mark.parametrize("name", ["gatecell", "torch"])
def test_streams_keep_their_state_from_call_to_call(name: str) -> None:
    long, short = Case.parse("lstm,B=4,T=6,I=5,H=8,streams"), Case.parse("lstm,B=4,T=3,I=5,H=8,streams")
    weights, x = make_weights(short), make_input(short)["x"]
    once, twice = (
        CONTESTANTS[name].build(case, weights, {"x": np.concatenate([x] * (case.steps // 3))}, 1)
        for case in (long, short)
    )
    twice.call()
    y, *hidden = once.read(once.call())
    assert largest_difference(twice.read(twice.call()), [y[3:], *hidden]) < 1e-6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gatecell.packed", "lstm,H=8"),
        ("gatecell.full", "lstm,H=8"),
        ("gatecell.full", "lstm,H=8,bidirectional,ragged"),  # the reverse direction would start in the padding
        ("torch.full", "lstm,H=8"),
        ("torch.full", "lstm,H=8,layers=2,ragged"),
        ("torch.jit", "lstm,H=8,ragged"),
    ],
)
def test_unsupported_cases(name: str, text: str) -> None:
    with pytest.raises(UnsupportedError):
        outputs(name, text)


@pytest.mark.parametrize(
    "text",
    [
        "gru,B=4,T=10,I=3,H=8,layers=2,bidirectional,no_hx,ragged",
        "lstm,B=1,T=5,I=3,H=8,streams",
        "lstm,B=1,T=1,H=8",
        "gru,B=2,T=3,H=8",
    ],
)
def test_models_agree(text):
    """The model of bench/accelerate.py: unchanged, accelerated, and with direct calls of gatecell."""
    expected = outputs("torch.model", text)
    assert len(expected) == (1 if "ragged" in text else 3 if "lstm" in text else 2)
    for name in ("gatecell.accelerate", "gatecell.own"):
        for actual, desired in zip(outputs(name, text), expected, strict=True):
            np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["onnxruntime.vad", "onnxruntime.vad_at_once"])
@pytest.mark.parametrize("text", ["lstm,B=1,T=5,H=128,streams", "lstm,B=3,T=2,H=128,streams"])
def test_voice_activity_detectors_agree(name: str, text: str) -> None:
    """Compares the second calls, which start from the states after the first calls."""
    load_example("silero_vad")
    found = []
    for contestant in (CONTESTANTS["gatecell.vad"], CONTESTANTS[name]):
        built = contestant.build(Case.parse(text), {}, {}, 1)
        built.call()
        found.append(built.read(built.call()))
    assert largest_difference(*found) < 1e-5


@pytest.mark.parametrize("name", ["gatecell.vad", "onnxruntime.vad", "onnxruntime.vad_at_once"])
def test_voice_activity_detectors_reject_other_cases(name: str) -> None:
    load_example("silero_vad")
    with pytest.raises(UnsupportedError, match="only for lstm,H=128,streams"):
        outputs(name, STREAMS[0])
