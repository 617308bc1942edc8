"""The life of a network: torch's signatures, attributes and repr; loading of new weights; pickle and copies."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import itertools
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.option_table import DEFAULTS, OPTIONS_OF

NAMES = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")
LAYER_OPTIONS: dict[str, tuple[Any, Any]] = {
    "num_layers": (1, 3),
    "bias": (True, False),
    "batch_first": (False, True),
    "dropout": (0.0, 0.5),
    "bidirectional": (False, True),
}
CELL_OPTIONS: dict[str, tuple[Any, Any]] = {"bias": (True, False)}
OWN_OPTIONS: dict[str, dict[str, tuple[Any, Any]]] = {
    "LSTM": {"proj_size": (0, 2)},
    "RNN": {"nonlinearity": ("tanh", "relu")},
    "RNNCell": {"nonlinearity": ("tanh", "relu")},
}


def option_sets(name: str) -> list[dict[str, Any]]:
    options = (CELL_OPTIONS if name.endswith("Cell") else LAYER_OPTIONS) | OWN_OPTIONS.get(name, {})
    chosen = [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]
    # torch warns that dropout has no effect in a single layer
    return [choice for choice in chosen if not choice.get("dropout") or choice["num_layers"] > 1]


def network(name: str, *, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return gatecell.from_torch(getattr(torch.nn, name)(5, 7), **options)


def flat(result: Any) -> list[Any]:
    """The arrays of nested tuples as a list."""
    return [array for part in result for array in flat(part)] if isinstance(result, tuple) else [result]


def assert_same_results(net: Any, other: Any) -> None:
    x = np.random.default_rng(0).standard_normal((4, 5))
    for array, expected in zip(flat(net(x)), flat(other(x)), strict=True):
        np.testing.assert_array_equal(array, expected, strict=True)


def torch_signature(name: str) -> list[tuple[str, Any]]:
    """Names and defaults of the constructor's arguments. For layers, only torch's base class declares them."""
    if name.endswith("Cell"):
        parameters = list(inspect.signature(getattr(torch.nn, name)).parameters.values())
    else:
        parameters = list(inspect.signature(torch.nn.RNNBase).parameters.values())[1:]  # without the argument mode
        if name != "LSTM":
            parameters = [parameter for parameter in parameters if parameter.name != "proj_size"]
    signature = [(parameter.name, parameter.default) for parameter in parameters]
    if name == "RNN":
        signature.insert(3, ("nonlinearity", "tanh"))
    return signature


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_torchs(name: str) -> None:
    parameters = list(inspect.signature(getattr(gatecell, name)).parameters.values())
    ours = [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert ours == torch_signature(name)
    keyword_only = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    cell = name.removesuffix("Cell")
    own = {option: DEFAULTS[option] for option in OPTIONS_OF["RNN_TANH" if cell == "RNN" else cell]}
    assert keyword_only == {"num_threads": None, "isa": None} | own


def test_positional_arguments_are_torchs() -> None:
    """All positions that torch accepts. Unlike its documentation, torch reads the device of a GRU as proj_size."""
    arguments: dict[str, tuple[Any, ...]] = {
        "LSTM": (5, 7, 2, False, True, 0.5, True, 3, "cpu", torch.float64),
        "GRU": (5, 7, 2, False, True, 0.5, True),
        "RNN": (5, 7, 2, "relu", False, True, 0.5, True),
        "LSTMCell": (5, 7, False, "cpu", torch.float64),
        "GRUCell": (5, 7, False, "cpu", torch.float64),
        "RNNCell": (5, 7, False, "relu", "cpu", torch.float64),
    }
    for name, values in arguments.items():
        ours, theirs = getattr(gatecell, name)(*values), getattr(torch.nn, name)(*values)
        assert repr(ours).startswith(repr(theirs)[:-1])
        assert str(ours.dtype) == str(next(theirs.parameters()).dtype).removeprefix("torch.")


@pytest.mark.parametrize("name", NAMES)
def test_attributes_and_repr_are_torchs(name: str, isa: str) -> None:
    for options in option_sets(name):
        ours = getattr(gatecell, name)(5, 7, **options, isa=isa, num_threads=3)
        theirs = getattr(torch.nn, name)(5, 7, **options)
        for attribute in ("input_size", "hidden_size", *options):
            assert getattr(ours, attribute) == getattr(theirs, attribute)
            assert type(getattr(ours, attribute)) is type(getattr(theirs, attribute))
        assert (ours.isa, ours.num_threads, ours.dtype) == (isa, 3, np.float32)
        assert repr(ours) == f"{repr(theirs)[:-1]}, isa={isa!r}, num_threads=3)"
        if not name.endswith("Cell"):
            assert ours.proj_size == theirs.proj_size


def test_repr_shows_the_options_that_were_given() -> None:
    isa = gatecell.available_isas()[-1]
    net = gatecell.LSTM(80, 256, num_layers=2, batch_first=True, bidirectional=True, isa=isa, num_threads=2)
    options = f"num_layers=2, batch_first=True, bidirectional=True, isa='{isa}', num_threads=2"
    assert repr(net) == f"LSTM(80, 256, {options})"


@pytest.mark.parametrize(
    "options",
    [
        {"input_size": 0},
        {"hidden_size": -1},
        {"num_layers": 0},
        {"input_size": "5"},
        {"hidden_size": 7.0},
        {"bias": 1},
        {"batch_first": "yes"},
        {"dropout": 1.5},
        {"dropout": -0.1},
        {"dropout": True},
        {"proj_size": -1},
        {"proj_size": 7},
    ],
)
def test_options_that_torch_refuses_are_errors_here_too(options: dict[str, Any]) -> None:
    arguments = {"input_size": 5, "hidden_size": 7} | options
    with pytest.raises((TypeError, ValueError)) as theirs:
        torch.nn.LSTM(**arguments)
    with pytest.raises(type(theirs.value), match=next(iter(options))):
        gatecell.LSTM(**arguments)


@pytest.mark.parametrize("name", ["RNN", "RNNCell"])
def test_an_unknown_nonlinearity_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="expected nonlinearity 'tanh' or 'relu', got 'sigmoid'"):
        getattr(gatecell, name)(5, 7, nonlinearity="sigmoid")


@pytest.mark.parametrize("name", NAMES)
def test_a_network_without_weights_cannot_be_called(name: str) -> None:
    net = getattr(gatecell, name)(5, 7)
    calls: list[Callable[[], object]] = [lambda: net(np.zeros((3, 5))), net.state_dict]
    if not name.endswith("Cell"):
        calls.append(lambda: net.plan(1, 1))
    for call in calls:
        with pytest.raises(RuntimeError, match=f"{name} has no weights yet"):
            call()
    with pytest.raises(RuntimeError, match="no weights"):
        pickle.loads(pickle.dumps(net))(np.zeros((3, 5)))


def test_eval_and_flatten_parameters_do_nothing() -> None:
    net = network("LSTM")
    assert net.eval() is net
    assert net.flatten_parameters() is None
    assert network("GRUCell").eval().hidden_size == 7


def test_a_plan_tells_what_a_call_does() -> None:
    net = network("LSTM", num_threads=1)
    plan = net.plan(100, 8)
    assert (plan.isa, plan.threads, plan.row_parts, plan.direction_parts) == (net.isa, 1, 1, 1)
    assert plan.seconds > net.plan(1, 1).seconds > 0
    assert (plan.steps, plan.rows, plan.kernel, plan.split) == (100, 8, "fused", "")
    assert (net.plan(100, 1).kernel, net.plan(1, 1).kernel) == ("projected", "fused")
    for shape in ((-1, 1), (1, -1), (2**63, 1)):
        with pytest.raises(ValueError, match="expected numbers of steps and rows"):
            net.plan(*shape)
    for shape in ((True, 1), (1, np.True_), (1.0, 1)):
        with pytest.raises(TypeError, match=r"expected (steps|rows) to be an int, got "):
            net.plan(*shape)


def test_plan_counts_what_a_step_reads() -> None:
    """float32, one row at a time.

    Each step reads W_hh. A fused step reads W_ih, too. Otherwise W_ih is read once for each chunk. Both matrices are
    padded to blocks.
    """
    net = gatecell.from_torch(torch.nn.GRU(32, 64), num_threads=1)
    recurrent, inputs = 4 * 3 * 64 * 64, 4 * 3 * 64 * 32
    assert net.plan(1, 1).step_bytes == recurrent + inputs
    plan = net.plan(1000, 1)
    chunks = -(-1000 // plan.chunk)
    assert plan.step_bytes == round(recurrent + inputs * chunks / 1000)
    assert net.plan(0, 1).step_bytes == 0


def test_plan_explains_itself() -> None:
    plan = dataclasses.replace(
        network("LSTM", num_threads=1).plan(100, 8),
        isa="avx2",
        threads=4,
        row_parts=2,
        hidden_parts=2,
        kernel="projected",
        chunk=50,
        group_rows=4,
        step_bytes=1_310_720,
        limit="L2",
        seconds=3.21e-4,
    )
    assert str(plan).splitlines() == [
        "T=100, B=8 on avx2: about 321 us, most of it reading weights from the L2 cache",
        "  threads  4 share the rows and hidden units",
        "  kernel   projected: input products of 50 steps at once, then step by step",
        "  rows     4 at a time in a thread",
        "  weights  1.31 MB read in a step of the network",
    ]
    alone = dataclasses.replace(plan, kernel="fused", threads=1, row_parts=1, hidden_parts=1, seconds=0.0421)
    assert "about 42.1 ms" in str(alone)
    assert "\n  threads  1\n  kernel   fused: input and recurrent products together, step by step\n" in str(alone)


@pytest.mark.parametrize("limit", ["multiply-adds", "L1", "L2", "L3", "memory", "meetings", "calls"])
def test_plan_names_every_limit(limit: str) -> None:
    assert "most of it" in str(dataclasses.replace(network("LSTM").plan(3, 2), limit=limit))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_pickle_and_copies_keep_the_results(name: str, twin_of: Callable[[Any], Any]) -> None:
    net = network(name)
    twin = twin_of(net)
    assert repr(twin) == repr(net)
    assert_same_results(net, twin)
    kept = net.state_dict()
    twin.load_state_dict({key: np.zeros_like(array) for key, array in kept.items()})
    assert all(np.array_equal(array, kept[key]) for key, array in net.state_dict().items())


def test_pickle_keeps_options_and_chooses_for_its_machine_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    best, worst = gatecell.available_isas()[0], gatecell.available_isas()[-1]
    monkeypatch.delenv("GATECELL_ISA", raising=False)
    monkeypatch.setenv("GATECELL_NUM_THREADS", "7")
    options = {"batch_first": True, "dtype": "float64"}
    default = gatecell.LSTM(5, 7, 2, isa=worst, **options)
    explicit = gatecell.LSTM(5, 7, 2, num_threads=3, **options)
    monkeypatch.setenv("GATECELL_NUM_THREADS", "2")
    loaded = pickle.loads(pickle.dumps(default))
    assert (loaded.isa, loaded.num_threads, loaded.dtype, loaded.batch_first) == (best, 2, np.float64, True)
    assert pickle.loads(pickle.dumps(explicit)).num_threads == 3
    monkeypatch.setenv("GATECELL_ISA", worst)
    assert pickle.loads(pickle.dumps(explicit)).isa == worst


def test_new_weights_replace_the_old_ones() -> None:
    net, other = network("GRU"), network("GRU", seed=1)
    net.load_state_dict(other.state_dict())
    assert_same_results(net, other)


def test_a_failed_load_changes_nothing() -> None:
    net, state_dict = network("GRU"), network("GRU", seed=1).state_dict()
    for wrong in (np.zeros((21, 8)), np.zeros((21, 7), int)):
        with pytest.raises((ValueError, TypeError)):
            net.load_state_dict(state_dict | {"weight_hh_l0": wrong})
        assert_same_results(net, network("GRU"))


def test_threads_see_the_old_or_the_new_weights() -> None:
    net, olds, news = network("LSTM"), network("LSTM"), network("LSTM", seed=1)
    x = np.random.default_rng(0).standard_normal((20, 3, 5))
    allowed = [olds(x)[0].tobytes(), news(x)[0].tobytes()]
    seen: list[bytes] = []
    callers = [threading.Thread(target=lambda: seen.extend(net(x)[0].tobytes() for _ in range(200))) for _ in range(3)]
    for caller in callers:
        caller.start()
    while any(caller.is_alive() for caller in callers):
        net.load_state_dict(news.state_dict())
        net.load_state_dict(olds.state_dict())
    assert len(seen) == 600
    assert set(seen) <= set(allowed)
