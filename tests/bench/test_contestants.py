"""Contestants run ragged batches and streams: the outputs are those of PyTorch for each row alone.

Cells that PyTorch has not are those of the equations, which give PyTorch's where it has the cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from contestants import CONTESTANTS, UnsupportedError
from packages import installed
from suite.cases import Case, make_input, make_lengths, make_weights
from suite.equations import forward
from suite.rounds import difference

# The environment of the tests has PyTorch and ONNX Runtime, that of the benchmarks, where CI runs this too, all others.
ONNX_RUNTIME = ["onnxruntime"] if find_spec("onnxruntime") and find_spec("onnx") else []
OPENVINO = ["openvino"] if find_spec("openvino") and find_spec("onnx") else []


@pytest.fixture(autouse=True)
def _torch_settings() -> Iterator[None]:
    """As they were: a contestant has a process to itself."""
    threads, onednn = torch.get_num_threads(), torch.backends.mkldnn.enabled
    yield
    torch.set_num_threads(threads)
    torch.backends.mkldnn.set_flags(onednn)


def outputs(name: str, text: str) -> list[np.ndarray]:
    """What a contestant computes in its first call."""
    case = Case.parse(text)
    contestant = CONTESTANTS[name]
    built = contestant.build(case, contestant.prepare(case, make_weights(case)), make_input(case), 1)
    return built.read(built.call())


def alone(text: str) -> list[np.ndarray]:
    """Each row by itself through PyTorch's module, up to its length: y, zeros after it, h_n and for an LSTM c_n."""
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
def test_ragged_batches_and_streams_are_their_rows_alone(name: str, text: str) -> None:
    assert difference(outputs(name, text), alone(text)) < 1e-5


WAYS = [(name, text) for name in ("gatecell.packed", "gatecell.full", "torch.full") for text in RAGGED[:2]]
WAYS += [(f"{name}.batch", STREAMS[0]) for name in ONNX_RUNTIME]


@pytest.mark.parametrize(("name", "text"), WAYS)
def test_other_ways(name: str, text: str) -> None:
    assert difference(outputs(name, text), alone(text)) < 1e-5


CLASSIFIERS = [f"{cell},B=5,T=20,I=3,H=8,layers=2,bidirectional,batch_first,no_hx,ragged" for cell in ("lstm", "gru")]


@pytest.mark.parametrize("text", CLASSIFIERS)
def test_classifiers_agree(text: str) -> None:
    assert difference(outputs("gatecell.classifier", text), outputs("torch.classifier", text)) < 1e-6


@pytest.mark.parametrize("name", ["gatecell.classifier", "torch.classifier"])
def test_a_classifier_of_other_layers_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedError, match="only for lstm or gru with layers=2"):
        outputs(name, RAGGED[0])


def equations(text: str) -> list[np.ndarray]:
    case = Case.parse(text)
    return forward(case, make_weights(case), make_input(case))


@pytest.mark.parametrize("text", [*RAGGED, *STREAMS, "rnn,B=3,T=5,I=4,H=8,layers=2,ragged"])
def test_equations_are_pytorchs(text: str) -> None:
    assert difference(equations(text), alone(text)) < 1e-6


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_equations_with_a_projection() -> None:
    text = "lstm,B=2,T=5,I=4,H=8,layers=2,proj=3,bidirectional,float64"
    assert difference(equations(text), outputs("torch", text)) < 1e-14


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
def test_cells_that_pytorch_has_not(name: str, text: str) -> None:
    assert difference(outputs(name, text), equations(text)) < 1e-5


NONE = [("torch", text) for text in ("gru,H=8,reset=before", "lstm,H=8,peepholes=diagonal", "lstm,H=8,coupled_gates")]
NONE += [("torch", "gru,H=8,reset=none,ragged"), ("torch.model", "lstm,H=8,coupled_gates,streams")]
NONE += [(name, text) for name in [*ONNX_RUNTIME, *OPENVINO] for text in NOT_IN_ONNX]
NONE += [(name, text) for name in OPENVINO for text in ("lstm,H=8,peepholes=diagonal", "lstm,H=8,coupled_gates")]


@pytest.mark.parametrize(("name", "text"), NONE)
def test_who_has_not_the_cell_says_so(name: str, text: str) -> None:
    """And does not run another."""
    with pytest.raises(UnsupportedError):
        outputs(name, text)


@pytest.mark.parametrize("name", ["gatecell", "torch"])
def test_streams_go_on_from_call_to_call(name: str) -> None:
    long, short = Case.parse("lstm,B=4,T=6,I=5,H=8,streams"), Case.parse("lstm,B=4,T=3,I=5,H=8,streams")
    weights, x = make_weights(short), make_input(short)["x"]
    once, twice = (
        CONTESTANTS[name].build(case, weights, {"x": np.concatenate([x] * (case.steps // 3))}, 1)
        for case in (long, short)
    )
    twice.call()
    y, *hidden = once.read(once.call())
    assert difference(twice.read(twice.call()), [y[3:], *hidden]) < 1e-6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gatecell.packed", "lstm,H=8"),
        ("gatecell.full", "lstm,H=8"),
        ("gatecell.full", "lstm,H=8,bidirectional,ragged"),  # backwards it would begin in the padding
        ("torch.full", "lstm,H=8"),
        ("torch.full", "lstm,H=8,layers=2,ragged"),
        ("torch.jit", "lstm,H=8,ragged"),
    ],
)
def test_what_a_contestant_has_nothing_for(name: str, text: str) -> None:
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
    """The model of bench/accelerate.py as it is, accelerated and by hand."""
    expected = outputs("torch.model", text)
    assert len(expected) == (1 if "ragged" in text else 3 if "lstm" in text else 2)
    for name in ("gatecell.accelerate", "gatecell.own"):
        for got, wanted in zip(outputs(name, text), expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["onnxruntime.vad", "onnxruntime.vad_at_once"])
@pytest.mark.parametrize("text", ["lstm,B=1,T=5,H=128,streams", "lstm,B=3,T=2,H=128,streams"])
def test_voice_activity_detectors_agree(name: str, text: str) -> None:
    """In their second call, which goes on from the first."""
    installed("silero_vad")
    found = []
    for contestant in (CONTESTANTS["gatecell.vad"], CONTESTANTS[name]):
        built = contestant.build(Case.parse(text), {}, {}, 1)
        built.call()
        found.append(built.read(built.call()))
    assert difference(*found) < 1e-5


@pytest.mark.parametrize("name", ["gatecell.vad", "onnxruntime.vad", "onnxruntime.vad_at_once"])
def test_other_cases_are_no_voice_activity_detectors(name: str) -> None:
    installed("silero_vad")
    with pytest.raises(UnsupportedError, match="only for lstm,H=128,streams"):
        outputs(name, STREAMS[0])
