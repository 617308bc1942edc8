"""Tests of weights and inputs: they have the shapes of PyTorch's modules and are the same each time."""

import numpy as np
import pytest
import torch

from suite.arrays import make_input, make_lengths, make_weights
from suite.cases import Case


@pytest.mark.parametrize(
    ("text", "gate_rows", "peephole"),
    [
        ("lstm,I=3,H=8,peepholes=diagonal", 32, (24,)),
        ("lstm,I=3,H=8,peepholes=full", 32, (24, 8)),
        ("lstm,I=3,H=8,coupled_gates", 24, None),
        ("lstm,I=3,H=8,peepholes=diagonal,coupled_gates", 24, (16,)),
        ("lstm,I=3,H=8,proj=5,peepholes=full,coupled_gates", 24, (16, 8)),
        ("gru,I=3,H=8,reset=before", 24, None),
        ("gru,I=3,H=8,reset=none", 16, None),
    ],
)
def test_weights_of_extended_cells(text, gate_rows, peephole):
    case = Case.parse(text)
    shapes = {"weight_ih_l0": (gate_rows, 3), "weight_hh_l0": (gate_rows, case.proj_size or 8)}
    shapes |= {"bias_ih_l0": (gate_rows,), "bias_hh_l0": (gate_rows,)}
    shapes |= {"weight_peephole_l0": peephole} if peephole else {}
    shapes |= {"weight_hr_l0": (5, 8)} if case.proj_size else {}
    weights = make_weights(case)
    assert {name: array.shape for name, array in weights.items()} == shapes
    assert list(weights) == list(shapes)  # the order also agrees


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize(
    "text", ["lstm,I=3,H=8,layers=2,bidirectional,proj=5", "gru,B=2,T=4,I=3,H=8,layers=3,batch_first", "rnn,H=4,no_hx"]
)
def test_arrays_fit_the_torch_module(text):
    case = Case.parse(text)
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[case.cell]
    options = {"proj_size": case.proj_size} if case.proj_size else {}
    module = kind(
        case.input_size,
        case.hidden_size,
        case.num_layers,
        batch_first=case.batch_first,
        bidirectional=case.bidirectional,
        **options,
    )
    weights, inputs = make_weights(case), make_input(case)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == {k: v.shape for k, v in weights.items()}
    bound = case.hidden_size**-0.5
    assert all(np.abs(w).max() <= bound for w in weights.values())
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    state = tuple(tensors[name] for name in ("h_0", "c_0") if name in tensors)
    assert len(state) == (0 if case.no_hx else 2 if case.cell == "lstm" else 1)
    y = module(tensors["x"], *([state if len(state) == 2 else state[0]] if state else []))[0]
    rows = (case.batch, case.steps) if case.batch_first else (case.steps, case.batch)
    assert y.shape == (*rows, case.output_size * case.directions)


def test_lengths():
    case = Case.parse("gru,B=500,T=40,H=1,ragged")
    lengths = make_input(case)["lengths"]
    assert lengths.dtype == np.int64
    assert set(lengths) == set(range(4, 41))  # T/10..T: 500 rows have each of these lengths at least once
    assert np.array_equal(lengths, make_lengths(case))
    assert set(make_lengths(Case.parse("gru,B=50,T=5,H=1,ragged"))) == {1, 2, 3, 4, 5}
    assert np.array_equal(make_lengths(Case.parse("gru,B=3,T=5,H=1")), [5, 5, 5])
    assert "lengths" not in make_input(Case.parse("gru,B=3,T=5,H=1"))


def test_streams_have_no_initial_state():
    inputs = make_input(Case.parse("lstm,B=3,T=5,I=2,H=4,streams"))
    assert {name: array.shape for name, array in inputs.items()} == {"x": (5, 3, 2)}


def test_arrays_are_the_same_each_time():
    case = Case.parse("lstm,B=2,T=3,H=4,float64,ragged")
    for make in (make_weights, make_input):
        first, second = make(case), make(case)
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[k], second[k]) for k in first)
        assert all(first[k].dtype == np.float64 for k in first if k != "lengths")
