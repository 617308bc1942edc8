"""Promise 2 (same bits): a stream gives the bits of one call over all steps, in steps or in chunks."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from helpers.fresh_process import run_script
from helpers.stream_cases import NETWORKS, assert_same, inputs, network, start_inside, states, whole


@pytest.mark.parametrize("rows", [1, 4, 60])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_and_chunks_have_the_bits_of_one_call(
    name: str, batch_first: bool, dtype: torch.dtype, rows: int, isa: str
) -> None:
    net = network(name, batch_first=batch_first, dtype=dtype, isa=isa)
    x, hx = inputs(net, rows), states(net, rows)
    y, hidden = whole(net, x, hx)
    stream = net.stream(rows, hx)
    time = int(batch_first)
    fed = [stream.step(x[0])[None], stream.step(x[1], out=np.empty_like(y[1]))[None]]
    chunk, after = stream.run(x[2:7].swapaxes(0, time))
    assert_same(after, stream.state)
    fed += [chunk.swapaxes(0, time), stream.step(x[7].tolist())[None], stream.step(x[8, ::-1][::-1])[None]]
    np.testing.assert_array_equal(np.concatenate(fed), y, strict=True)
    assert_same(stream.state, hidden)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_one_row_may_come_without_its_axis(name: str, batch_first: bool, isa: str) -> None:
    net = network(name, batch_first=batch_first, isa=isa)
    x = inputs(net, 1)[:, 0]
    y, hidden = net(x)
    stream = net.stream()
    out = np.empty_like(y[1])
    assert stream.step(x[1], out=out) is out
    stream.reset()
    fed = [stream.step(x[0]), stream.step(x[1], out=out)]
    chunk, after = stream.run(x[2:])
    np.testing.assert_array_equal(np.stack([*fed, *chunk]), y, strict=True)
    assert_same(after, hidden)


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("kind", "layers"), [(torch.nn.GRU, 1), (torch.nn.LSTM, 2)])
def test_long_steps_and_chunks_use_threads_and_keep_the_bits(kind: Any, layers: int, batch_first: bool) -> None:
    net = gatecell.from_torch(kind(256, 512, layers, batch_first=batch_first), num_threads=2)
    assert net.plan(1, 64).threads == 2
    x, hx = inputs(net, 64, 6), states(net, 64)
    time = int(batch_first)
    y, hidden = net(x.swapaxes(0, time), hx)
    stream = net.stream(64, hx)
    fed = [stream.step(x[0]), stream.step(x[1], out=np.empty_like(x[1], shape=(64, 512)))]
    chunk, after = stream.run(x[2:].swapaxes(0, time))
    assert chunk.flags.c_contiguous
    np.testing.assert_array_equal(np.stack([*fed, *chunk.swapaxes(0, time)]), y.swapaxes(0, time), strict=True)
    assert_same(after, hidden)
    assert_same(stream.state, hidden)


def test_state_is_a_copy_and_can_be_set() -> None:
    net = network()
    x, hx = inputs(net, 3), states(net, 3)
    stream = net.stream(3)
    assert_same(stream.state, tuple(np.zeros_like(part) for part in hx))
    stream.state = hx
    for part in stream.state:
        part[...] = 7
    assert_same(stream.state, hx)
    y = stream.step(x[0])
    stream.state = hx
    np.testing.assert_array_equal(stream.step(x[0]), y, strict=True)


def test_the_state_of_one_row_may_come_without_its_axis() -> None:
    for name in NETWORKS:
        net = network(name)
        x, hx = inputs(net, 1)[:, 0], states(net, 1)
        one = tuple(part[:, 0] for part in hx) if isinstance(hx, tuple) else hx[:, 0]
        assert_same(net.stream(1, one).state, hx)
        stream = net.stream()
        stream.state = stream.run(x)[1]
        assert_same(stream.state, net.stream(1, net(x)[1]).state)


def test_unpickled_arrays_take_the_fast_path() -> None:
    """After unpickling an array has another dtype object than NumPy's own."""
    net = network()
    x = pickle.loads(pickle.dumps(inputs(net, 1)))
    np.testing.assert_array_equal(net.stream().run(x)[0], net(x)[0])
    out = np.empty((1, 7), np.float32)
    assert gatecell._core.step(net.stream()._core, x[0], out) is out
    assert gatecell._core.call(net._core, x, None, False, 1) is not NotImplemented
    swapped = x[0].astype(x.dtype.newbyteorder())
    assert gatecell._core.step(net.stream()._core, swapped, out) is NotImplemented
    np.testing.assert_array_equal(net.stream().step(swapped), net.stream().step(x[0]))


@pytest.mark.parametrize(
    "twin_of", [gatecell.Stream.copy, copy.copy, copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))]
)
@pytest.mark.parametrize("name", NETWORKS)
def test_copies_are_independent(name: str, twin_of: Callable[[Any], Any]) -> None:
    net = network(name)
    x = inputs(net, 2)
    stream = net.stream(2)
    stream.run(x[:4])
    twin = twin_of(stream)
    stream.run(x[::-1])
    assert_same(twin.run(x[4:])[1], net(x)[1])
    assert repr(twin) == repr(stream)


def test_a_stream_keeps_its_weights() -> None:
    net = network()
    x = inputs(net, 1)
    y, _ = net(x)
    stream = net.stream()
    net.load_state_dict({key: np.zeros_like(array) for key, array in net.state_dict().items()})
    for twin in (stream, pickle.loads(pickle.dumps(stream)), stream.copy()):
        np.testing.assert_array_equal(twin.run(x)[0], y)
    assert not net.stream().run(x)[0].any()


def test_nan_stays_in_its_row() -> None:
    net = network("lstm_proj")
    x = inputs(net, 3)
    stream, clean = net.stream(3), net.stream(3)
    for step in x:
        expected = clean.step(step)
        step[1] = np.nan
        y = stream.step(step)
        assert np.isnan(y[1]).all()
        np.testing.assert_array_equal(y[[0, 2]], expected[[0, 2]])


# A short step, a step that releases the GIL, and a step that is worth two threads.
@pytest.mark.parametrize(("hidden_size", "rows", "num_threads"), [(256, 1, 1), (1024, 1, 1), (512, 64, 2)])
def test_a_step_into_out_makes_no_array(hidden_size: int, rows: int, num_threads: int) -> None:
    net = gatecell.from_torch(torch.nn.LSTM(5, hidden_size), num_threads=num_threads)
    x, out = inputs(net, rows)[0], np.empty((rows, hidden_size), np.float32)
    stream = net.stream(rows)
    stream.step(x, out)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(100):
            stream.step(x, out)
        assert tracemalloc.get_traced_memory()[1] - before < out.nbytes / 2
    finally:
        tracemalloc.stop()


def read_only() -> Any:
    out = np.empty((2, 7), np.float32)
    out.flags.writeable = False
    return out


X = np.zeros((2, 5), np.float32)
SHARED = np.zeros((2, 7), np.float32)
BAD_STEPS: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "features": (np.zeros((2, 4)), None, ValueError, r"expected input \(2, 5\), got \(2, 4\)"),
    "rows": (np.zeros((3, 5)), None, ValueError, r"expected input \(2, 5\), got \(3, 5\)"),
    "no rows": (np.zeros(5), None, ValueError, r"expected input \(2, 5\), got \(5,\)"),
    "a sequence": (np.zeros((1, 2, 5)), None, ValueError, r"expected input \(2, 5\), got \(1, 2, 5\)"),
    "integers": (np.zeros((2, 5), int), None, TypeError, "input"),
    "nothing": (None, None, TypeError, "input"),
    "out's shape": (X, np.empty((2, 8), np.float32), ValueError, r"expected out \(2, 7\), got \(2, 8\)"),
    "out's rank": (X, np.empty(7, np.float32), ValueError, r"expected out \(2, 7\), got \(7,\)"),
    "out's dtype": (X, np.empty((2, 7)), TypeError, "expected out of dtype float32, got float64"),
    "out read-only": (X, read_only(), ValueError, "read-only"),
    "out no array": (X, [0.0], TypeError, "expected out to be a NumPy array"),
    "out is x": (SHARED[:, :5], SHARED, ValueError, "overlapping memory"),
    "out is plain x": (SHARED.reshape(-1)[:10].reshape(2, 5), SHARED, ValueError, "overlapping memory"),
}


@pytest.mark.parametrize("case", BAD_STEPS)
def test_bad_steps_leave_the_state(case: str) -> None:
    x, out, error, message = BAD_STEPS[case]
    net = network()
    hx = states(net, 2)
    stream = net.stream(2, hx)
    with pytest.raises(error, match=message):
        stream.step(x, out)
    assert_same(stream.state, hx)
    stream.step(X)


def test_bad_arguments_of_other_methods_are_errors() -> None:
    net = network()
    stream = net.stream(2)
    with pytest.raises(ValueError, match=r"expected input for 2 rows, got 1 in an array of shape \(4, 1, 5\)"):
        stream.run(np.zeros((4, 1, 5), np.float32))
    with pytest.raises(ValueError, match=r"expected input for 2 rows, got 1 in an array of shape \(4, 5\)"):
        stream.run(np.zeros((4, 5), np.float32))
    with pytest.raises(ValueError, match=r"expected h_0 \(1, 2, 7\), got \(1, 3, 7\)"):
        stream.state = states(net, 3)
    with pytest.raises(TypeError, match=r"expected hx to be a tuple \(h_0, c_0\)"):
        net.stream(1, np.zeros((1, 1, 7)))
    assert_same(stream.state, net.stream(2).state)
    for batch_size in (0, -1, 1.5, True, "2", None, 2**63, 10**30):
        with pytest.raises(ValueError, match="expected batch_size to be a positive int"):
            net.stream(batch_size)
    for batch_size in (2**50, 2**57, 2**62, 2**63 - 1):
        with pytest.raises(MemoryError):
            net.stream(batch_size)
    with pytest.raises(RuntimeError, match="no weights yet"):
        gatecell.GRU(5, 7).stream()
    with pytest.raises(ValueError, match="expected a layer of one direction to stream, got a bidir"):
        gatecell.from_torch(torch.nn.GRU(5, 7, bidirectional=True)).stream()


def test_a_class_with_its_own_forward_cannot_stream() -> None:
    """A short step would run the layer. A long step or a chunk would run the forward of the class."""

    class Doubled(gatecell.GRU):
        def forward(self, x: Any, hx: Any = None) -> Any:
            y, h = super().forward(x, hx)
            return 2 * y, h

    net = Doubled(5, 7)
    net.load_state_dict(torch.nn.GRU(5, 7).state_dict())
    message = "expected a plain layer to stream, got Doubled: a step would not run its own forward"
    for make in (net.stream, lambda: gatecell.StreamPool(net)):
        with pytest.raises(TypeError, match=message):
            make()
    plain = type("Plain", (gatecell.GRU,), {})(5, 7)
    plain.register_buffer("h0", np.zeros(7, np.float32))
    plain.load_state_dict({**net.state_dict(), "h0": np.ones(7)})
    x = inputs(plain, 1)
    np.testing.assert_array_equal(np.stack([plain.stream().step(x[0])]), plain(x[:1])[0])


@pytest.mark.parametrize("num_threads", [1, 2])
def test_out_of_memory_leaves_the_state(num_threads: int) -> None:
    """The scratch memory of a chunk, 4 MB of pre-activations for each thread, does not fit."""
    run_script(f"""
import resource, numpy as np, gatecell
net = gatecell.LSTM(1024, 1024, num_threads={num_threads})
net.load_state_dict({{name: np.full(shape, 1e-3, "float32") for name, shape in net._shapes().items()}})
hx = tuple(np.full((1, 96, 1024), value, "float32") for value in (0.25, 0.5))
stream = net.stream(96, hx)
x, out = np.ones((8, 96, 1024), "float32"), np.empty((8, 96, 1024), "float32")
used = int(open("/proc/self/statm").read().split()[0]) * 4096
limit = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 20), limit[1]))
try:
    stream._core.run(x, out, False)
except MemoryError:
    failed = True
resource.setrlimit(resource.RLIMIT_AS, limit)
assert failed
for part, wanted in zip(stream.state, hx):
    assert np.array_equal(part, wanted)
y, after = stream.run(x)
wanted, hidden = net(x, hx)
assert np.array_equal(y, wanted)
assert np.array_equal(after[1], hidden[1])
""")


def test_two_threads_in_one_stream_is_an_error() -> None:
    net = gatecell.from_torch(torch.nn.LSTM(64, 256), num_threads=1)
    x = inputs(net, 1, 20_000)
    stream = net.stream()
    expected = net.stream().run(x)[0]
    thread, results = start_inside(lambda: stream.run(x)[0], lambda: stream.reset([]))
    uses: list[Callable[[], Any]] = [lambda: stream.state, stream.reset, stream.copy]
    uses += [lambda: stream.run(x[:1]), lambda: stream.step(x[0]), lambda: setattr(stream, "state", states(net, 1))]
    for use in uses:
        with pytest.raises(RuntimeError, match="this stream is in use by another thread"):
            use()
    thread.join()
    np.testing.assert_array_equal(results[0], expected)
