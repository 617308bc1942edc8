"""Promise 2 (same bits): each stream of a stream pool gives the bits that it gives alone.

The streams open, close and step in any order.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import gatecell
from helpers.fresh_process import run_script
from helpers.stream_cases import NETWORKS, assert_same, flat, inputs, network, start_inside, states

CAPACITY = 5


def rows_of_state(hx: Any, rows: Any) -> Any:
    """The state of some rows."""
    return tuple(array[:, rows] for array in hx) if isinstance(hx, tuple) else hx[:, rows]


class PoolMachine(RuleBasedStateMachine):
    """A stream pool, and beside it one gatecell.Stream for each of its streams. Both must always agree."""

    @initialize(name=st.sampled_from(list(NETWORKS)), float64=st.booleans(), batch_first=st.booleans())
    def make(self, name: str, float64: bool, batch_first: bool) -> None:
        dtype = torch.float64 if float64 else torch.float32
        self.net = network(name, dtype=dtype)
        self.pool = gatecell.StreamPool(network(name, dtype=dtype, batch_first=batch_first), CAPACITY)
        self.alone: dict[int, gatecell.Stream] = {}
        self.gone: set[int] = set()

    def draw_ids(self, data: st.DataObject) -> list[int]:
        ids = data.draw(st.permutations(sorted(self.alone)))
        return list(ids[: data.draw(st.integers(0, len(ids)))])

    def draw_array(self, data: st.DataObject, *shape: int) -> Any:
        seed = data.draw(st.integers(0, 2**16))
        return np.random.default_rng(seed).uniform(-2, 2, shape).astype(self.net.dtype)

    def draw_state(self, data: st.DataObject, rows: int) -> Any:
        shapes = [(*array.shape[:1], rows, *array.shape[2:]) for array in flat(self.net.stream().state)]
        made = tuple(self.draw_array(data, *shape) for shape in shapes)
        return made if len(made) > 1 else made[0]

    @precondition(lambda self: len(self.alone) < CAPACITY)
    @rule(data=st.data(), given=st.booleans())
    def open(self, data: st.DataObject, given: bool) -> None:
        state = self.draw_state(data, 1) if given else None
        sid = self.pool.open(state)
        assert isinstance(sid, int)
        assert sid not in self.gone
        assert sid not in self.alone
        self.alone[sid] = self.net.stream(1, state)

    @precondition(lambda self: len(self.alone) == CAPACITY)
    @rule()
    def open_one_too_many(self) -> None:
        with pytest.raises(RuntimeError, match=f"all {CAPACITY} streams of this pool are open"):
            self.pool.open()

    @precondition(lambda self: self.alone)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        sid = data.draw(st.sampled_from(sorted(self.alone)))
        self.pool.close(sid)
        del self.alone[sid]
        self.gone.add(sid)

    @rule(data=st.data(), as_array=st.booleans())
    def step(self, data: st.DataObject, as_array: bool) -> None:
        ids = self.draw_ids(data)
        x = self.draw_array(data, len(ids), self.net.input_size)
        y = self.pool.step(np.array(ids, np.int64) if as_array else ids, x)
        assert y.dtype == self.net.dtype
        for i, sid in enumerate(ids):
            np.testing.assert_array_equal(y[i], self.alone[sid].step(x[i]), strict=True)
        assert len(y) == len(ids)

    @rule(data=st.data())
    def run_chunks(self, data: st.DataObject) -> None:
        ids = self.draw_ids(data)
        chunks = [self.draw_array(data, data.draw(st.integers(0, 6)), self.net.input_size) for _ in ids]
        outputs = self.pool.run(ids, chunks)
        assert len(outputs) == len(ids)
        for sid, x, y in zip(ids, chunks, outputs, strict=True):
            np.testing.assert_array_equal(y, self.alone[sid].run(x)[0], strict=True)

    @rule(data=st.data())
    def reset(self, data: st.DataObject) -> None:
        ids = self.draw_ids(data)
        self.pool.reset(ids)
        for sid in ids:
            self.alone[sid].reset()

    @rule(data=st.data())
    def set_state(self, data: st.DataObject) -> None:
        ids = self.draw_ids(data)
        state = self.draw_state(data, len(ids))
        self.pool.set_state(ids, state)
        for i, sid in enumerate(ids):
            self.alone[sid].state = rows_of_state(state, [i])

    @rule(data=st.data())
    def read_more_than_once(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.alone)), max_size=6)) if self.alone else []
        state = self.pool.state(ids)
        for i, sid in enumerate(ids):
            assert_same(rows_of_state(state, [i]), self.alone[sid].state)

    @rule(data=st.data(), use=st.sampled_from(["step", "run", "state", "set_state", "reset", "close"]))
    def use_a_wrong_stream(self, data: st.DataObject, use: str) -> None:
        """Uses the id of a closed stream, an id that never existed, or one id twice.

        The other streams must not change.
        """
        ids = self.draw_ids(data)
        repeated = [] if use in ("state", "close") else ids
        wrong = data.draw(st.sampled_from([*sorted(self.gone), -1, 10**9, *repeated]))
        ids.insert(data.draw(st.integers(0, len(ids))), wrong)
        x = self.draw_array(data, len(ids), self.net.input_size)
        calls: dict[str, Callable[[], Any]] = {
            "step": lambda: self.pool.step(ids, x),
            "run": lambda: self.pool.run(ids, [row[None] for row in x]),
            "state": lambda: self.pool.state(ids),
            "set_state": lambda: self.pool.set_state(ids, self.draw_state(data, len(ids))),
            "reset": lambda: self.pool.reset(ids),
            "close": lambda: self.pool.close(wrong),
        }
        why = (
            ", which is closed" if wrong in self.gone else " twice" if wrong in self.alone else ", which never was one"
        )
        with pytest.raises(ValueError, match=f"expected ids of open streams, each once, got {wrong}{why}"):
            calls[use]()

    @invariant()
    def states_are_those_of_the_streams_alone(self) -> None:
        if not hasattr(self, "pool"):
            return
        assert len(self.pool) == len(self.alone)
        ids = sorted(self.alone)
        for i, sid in enumerate(ids):
            assert_same(rows_of_state(self.pool.state(ids), [i]), self.alone[sid].state)


TestStreamPool = PoolMachine.TestCase
TestStreamPool.settings = settings(max_examples=60, stateful_step_count=30)


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("layer", [torch.nn.LSTM(16, 64, 2, proj_size=24), torch.nn.GRU(16, 96)], ids=["lstm", "gru"])
def test_500_streams_on_any_number_of_threads(layer: torch.nn.RNNBase, isa: str) -> None:
    count, steps = 500, 6
    net = gatecell.from_torch(layer, isa=isa, num_threads=1)
    x, hx = inputs(net, count, steps), states(net, count)
    expected, final = net(x, hx)
    lengths = np.random.default_rng(0).integers(0, steps - 1, count)
    for num_threads in (1, 2, 3):
        pool = gatecell.StreamPool(gatecell.from_torch(layer, isa=isa, num_threads=num_threads))
        assert num_threads == 1 or pool._net.plan(1, count).threads > 1
        ids = np.array([pool.open() for _ in range(count)])
        pool.set_state(ids, hx)
        order = np.random.default_rng(1).permutation(count)
        np.testing.assert_array_equal(pool.step(ids[order], x[0, order]), expected[0, order])
        chunks = pool.run(ids, [x[1 : 1 + n, i] for i, n in enumerate(lengths)])
        rest = pool.run(ids, [x[1 + n :, i] for i, n in enumerate(lengths)])
        for i in range(count):
            np.testing.assert_array_equal(np.concatenate([chunks[i], rest[i]]), expected[1:, i])
        assert_same(pool.state(ids), final)


def test_ids_and_input_may_have_any_form() -> None:
    net = network("gru")
    x = inputs(net, 3, 1)[0]
    expected = net(x[None])[0][0]
    ways: list[Callable[[list[int]], Any]] = [list, tuple, np.array, lambda ids: np.array(ids, "u4")]
    ways += [lambda ids: np.repeat(ids, 2)[::2], lambda ids: [np.int32(sid) for sid in ids]]
    forms = [x, x.tolist(), np.asfortranarray(x), torch.from_numpy(x), x.astype(np.longdouble), x.astype(np.float64)]
    for way in ways:
        for form in [*forms, x[::-1].astype(">f8")[::-1], np.repeat(x.astype(np.float64), 2, 1)[:, ::2]]:
            pool = gatecell.StreamPool(net, 4)
            y = pool.step(way([pool.open() for _ in range(3)]), form)
            np.testing.assert_array_equal(y, expected, strict=True)


def test_a_pool_keeps_its_weights_and_packs_nothing() -> None:
    net = network("gru")
    x = inputs(net, 1)
    y = net(x)[0]
    packed = gatecell._core.pack_count()
    pool = gatecell.StreamPool(net, 1000)
    ids = [pool.open() for _ in range(1000)]
    pool.step(ids, np.zeros((1000, net.input_size), np.float32))
    pool.reset(ids)
    assert gatecell._core.pack_count() == packed
    net.load_state_dict({key: np.zeros_like(array) for key, array in net.state_dict().items()})
    np.testing.assert_array_equal(pool.run(ids[:1], [x[:, 0]])[0], y[:, 0])


def test_nbytes_is_the_size_of_the_states() -> None:
    net = gatecell.from_torch(torch.nn.LSTM(64, 128, 2, proj_size=32))
    pool = gatecell.StreamPool(net, 10)
    assert pool.nbytes == 10 * 2 * (32 + 128) * 4
    assert pool.capacity == 10
    assert repr(pool) == f"StreamPool({net!r}, capacity=10): 0 open"


def test_nan_stays_in_its_stream() -> None:
    net = network("lstm_proj")
    x = inputs(net, 3)
    pool, clean = gatecell.StreamPool(net), gatecell.StreamPool(net)
    ids = [pool.open() for _ in range(3)]
    assert ids == [clean.open() for _ in range(3)]
    for step in x:
        expected = clean.step(ids, step)
        step[1] = np.nan
        y = pool.step(ids, step)
        assert np.isnan(y[1]).all()
        np.testing.assert_array_equal(y[[0, 2]], expected[[0, 2]])
    pool.close(ids[1])
    new = pool.open()  # its memory held NaN before
    np.testing.assert_array_equal(pool.step([new], x[0, :1] * 0), net.stream().step(x[0, :1] * 0))


X = np.zeros((2, 5), np.float32)
IDS = "ids: expected integers, ids of open streams and not a mask, got "
BAD_USES: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "one id": (lambda pool: pool.step(0, X[:1]), ValueError, r"expected ids \(n,\), got \(\)"),
    "no ids": (lambda pool: pool.step(None, X[:1]), TypeError, IDS + "NoneType"),
    "a set": (lambda pool: pool.step({0}, X[:1]), TypeError, IDS + "set"),
    "a tensor": (lambda pool: pool.step(torch.tensor(0), X[:1]), ValueError, r"expected ids \(n,\), got \(\)"),
    "masked ids": (lambda pool: pool.reset(np.ma.masked_equal([0, 1], 0)), TypeError, "ids: a masked array"),
    "unsigned id": (
        lambda pool: pool.reset(np.array([2**63], "u8")),
        ValueError,
        "got 9223372036854775808, which never",
    ),
    "ids in a table": (lambda pool: pool.reset([[0, 1]]), ValueError, r"expected ids \(n,\), got \(1, 2\)"),
    "float ids": (lambda pool: pool.step([0.0, 1.0], X), TypeError, IDS + "float64"),
    "bool ids": (lambda pool: pool.step([False, True], X), TypeError, IDS + "bool"),
    "a bool among ids": (lambda pool: pool.state([1, False]), TypeError, IDS + "bool"),
    "a mask": (lambda pool: pool.reset(np.array([True, False])), TypeError, IDS + "bool"),
    "a mask of torch": (lambda pool: pool.set_state(torch.tensor([True]), X), TypeError, IDS + "bool"),
    "a mask of 0 and 1": (lambda pool: pool.reset([0, 1, 1, 0]), ValueError, "got 1 twice: these look like a mask"),
    "a mask of one kind": (lambda pool: pool.step([1, 1], X), ValueError, "got 1 twice: these look like a mask"),
    "a mask of floats": (lambda pool: pool.run(np.ones(2), [X, X]), TypeError, IDS + "float64"),
    "twice": (lambda pool: pool.reset([1, 0, 1]), ValueError, "each once, got 1 twice"),
    "twice to set": (lambda pool: pool.set_state([0, 0], pool.state([0, 0])), ValueError, "got 0 twice"),
    "close a bool": (lambda pool: pool.close(True), TypeError, IDS + "bool"),
    "text ids": (lambda pool: pool.state(["a"]), TypeError, IDS + "<U1"),
    "endless id": (lambda pool: pool.state([2**70]), TypeError, IDS + "object"),
    "too few rows": (lambda pool: pool.step([0, 1], X[:1]), ValueError, r"expected input \(2, 5\), got \(1, 5\)"),
    "features": (lambda pool: pool.step([0, 1], X[:, :4]), ValueError, r"expected input \(2, 5\), got \(2, 4\)"),
    "a sequence": (lambda pool: pool.step([0], X[None, :1]), ValueError, r"expected input \(1, 5\), got \(1, 1, 5\)"),
    "integers": (lambda pool: pool.step([0, 1], X.astype(int)), TypeError, "input: expected real floating"),
    "too few chunks": (lambda pool: pool.run([0, 1], [X]), ValueError, "a chunk for each of 2 streams, got 1"),
    "chunk's rank": (lambda pool: pool.run([0, 1], [X, X[0]]), ValueError, r"chunks\[1\] \(T, 5\), got \(5,\)"),
    "chunk's dtype": (lambda pool: pool.run([0, 1], [X, [[1] * 5]]), TypeError, r"chunks\[1\]: expected real float"),
    "state's rows": (lambda pool: pool.set_state([0], pool.state([0, 1])), ValueError, r"h_0 \(1, 1, 7\), got"),
    "state's kind": (lambda pool: pool.set_state([0], X), TypeError, r"expected hx to be a tuple \(h_0, c_0\)"),
    "first state": (lambda pool: pool.open((X, X)), ValueError, r"expected h_0 \(1, 7\), got \(2, 5\)"),
    "flat state": (lambda pool: pool.open((X[0], X[0])), ValueError, r"expected h_0 \(1, 7\), got \(5,\)"),
    "close by list": (lambda pool: pool.close([0]), ValueError, r"expected ids \(n,\), got \(1, 1\)"),
}


@pytest.mark.parametrize("case", BAD_USES)
def test_bad_use_leaves_the_states(case: str) -> None:
    use, error, message = BAD_USES[case]
    net = network()
    pool = gatecell.StreamPool(net)
    ids = [pool.open(), pool.open()]
    pool.run(ids, [np.ones((3, 5), np.float32)] * 2)
    before = pool.state(ids)
    with pytest.raises(error, match=message):
        use(pool)
    assert_same(pool.state(ids), before)
    assert len(pool) == 2
    pool.step(ids, X)


def test_wrong_networks_and_capacities_are_errors() -> None:
    net = network()
    for capacity in (0, -1, 2.5, True, "3", None, 2**63):
        with pytest.raises((TypeError, ValueError), match="capacity"):
            gatecell.StreamPool(net, capacity)
    for capacity in (2**57, 2**62, 2**63 - 1):
        with pytest.raises(MemoryError):
            gatecell.StreamPool(net, capacity)
    with pytest.raises(ValueError, match="expected a layer of one direction to stream, got a bidir"):
        gatecell.StreamPool(gatecell.from_torch(torch.nn.GRU(5, 7, bidirectional=True)))
    with pytest.raises(RuntimeError, match="no weights yet"):
        gatecell.StreamPool(gatecell.GRU(5, 7))
    for wrong in (gatecell.from_torch(torch.nn.GRUCell(5, 7)), gatecell.LSTM, None):
        with pytest.raises(TypeError, match="expected an LSTM, GRU or RNN of gatecell, got <class"):
            gatecell.StreamPool(wrong)


def test_a_pool_cannot_be_copied() -> None:
    pool = gatecell.StreamPool(network())
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a pool cannot be copied or pickled"):
            way(pool)


def test_out_of_memory_leaves_the_states() -> None:
    """The ids need more memory than there is. The scratch memory of a chunk does not fit either."""
    run_script("""
import resource, numpy as np, gatecell
net = gatecell.RNN(1, 1, num_threads=1)
net.load_state_dict({name: np.ones(shape, "float32") for name, shape in net._shapes().items()})
pool = gatecell.StreamPool(net, 4)
ids = [pool.open(), pool.open()]
pool.step(ids, np.ones((2, 1), "float32"))
before = pool.state(ids)
zeros, x = np.zeros(40_000_000, np.int64), np.zeros((40_000_000, 1), "float32")
chunks = [x, x[:7]]
used = int(open("/proc/self/statm").read().split()[0]) * 4096
limit = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), limit[1]))
for attempt in (lambda: pool.step(zeros, x), lambda: pool.run(ids, chunks)):
    try:
        attempt()
    except MemoryError:
        pass
    except ValueError as error:
        assert "got 0 twice" in str(error)
    else:
        raise AssertionError("it went through")
resource.setrlimit(resource.RLIMIT_AS, limit)
assert np.array_equal(pool.state(ids), before)
pool.step(ids, np.ones((2, 1), "float32"))
""")


def test_two_threads_in_one_pool_is_an_error() -> None:
    net = gatecell.from_torch(torch.nn.LSTM(64, 256), num_threads=1)
    x = inputs(net, 1, 20_000)[:, 0]
    pool = gatecell.StreamPool(net, 10)
    sid = pool.open()
    expected = net.stream().run(x)[0]
    thread, results = start_inside(lambda: pool.run([sid], [x])[0], lambda: pool.reset([]))
    uses: list[Callable[[], Any]] = [pool.open, lambda: pool.close(sid), lambda: pool.state([sid])]
    uses += [lambda: pool.step([sid], x[:1]), lambda: pool.run([], []), lambda: pool.reset([sid])]
    for use in uses:
        with pytest.raises(RuntimeError, match="this pool is in use by another thread"):
            use()
    thread.join()
    np.testing.assert_array_equal(results[0], expected)


@pytest.mark.usefixtures("two_cpus")
def test_a_pool_works_in_a_child_of_fork() -> None:
    """After the fork parent and child each have their own states."""
    run_script("""
import os, signal, numpy as np, gatecell
rng = np.random.default_rng(0)
net = gatecell.GRU(64, 64, num_threads=2)
net.load_state_dict({name: rng.uniform(-0.1, 0.1, shape).astype("float32") for name, shape in net._shapes().items()})
assert net.plan(1, 500).threads == 2, net.plan(1, 500)
x = rng.standard_normal((3, 500, 64)).astype("float32")
expected = net(x)[0]
pool = gatecell.StreamPool(net, 500)
ids = [pool.open() for _ in range(500)]
assert np.array_equal(pool.step(ids, x[0]), expected[0])
pid = os.fork()
if pid == 0:
    signal.alarm(600)
steps = [np.array_equal(pool.step(ids, x[t]), expected[t]) for t in (1, 2)]
if pid == 0:
    os._exit(0 if all(steps) else 3)
assert all(steps)
assert os.waitpid(pid, 0)[1] == 0
""")
