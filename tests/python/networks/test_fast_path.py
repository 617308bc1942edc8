"""The fast path: a call without conversion of its arguments goes straight to the core.

It gives what the general call gives. It leaves all other arguments to the general call, and it keeps the reference
counts right.
"""

from __future__ import annotations

import copy
import ctypes
import inspect
import pickle
import pydoc
import sys
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest

import gatecell
from gatecell import _core
from helpers.torch_case import Case

KINDS = [{"mode": "LSTM"}, {"mode": "LSTM", "proj_size": 3}, {"mode": "GRU"}, {"mode": "RNN_TANH"}]


def leaves(result: Any) -> list[np.ndarray]:
    return [result] if isinstance(result, np.ndarray) else [leaf for part in result for leaf in leaves(part)]


@pytest.mark.parametrize("shape", [(3, 2, 5), (0, 2, 5), (3, 0, 5), (0, 0, 5), (1, 1, 5)])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_fast_path_gives_what_the_general_call_gives(
    kind: dict[str, Any], batch_first: bool, shape: tuple[int, ...], dtype: str
) -> None:
    case = Case(**kind, input_size=5, hidden_size=8, num_layers=2, bidirectional=True, dtype=dtype)
    core = case.network(gatecell, num_threads=1)._core
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype)
    rows = shape[0 if batch_first else 1]
    h, c = (rng.uniform(-1, 1, (4, rows, size)).astype(dtype) for size in (kind.get("proj_size", 8), 8))
    lstm = kind["mode"] == "LSTM"
    for hx in (None, (h, c) if lstm else h):
        h_0, c_0 = (None, None) if hx is None else (h, c if lstm else None)
        result = _core.call(core, x, hx, batch_first, 1)
        y, h_n, c_n = core.forward(x, h_0, c_0, None, None, batch_first, 1)
        assert type(result) is tuple
        assert type(result[1]) is (tuple if lstm else np.ndarray)
        for got, wanted in zip(leaves(result), [y, h_n, c_n][: 3 if lstm else 2], strict=True):
            assert (got.shape, got.strides, got.dtype) == (wanted.shape, wanted.strides, wanted.dtype)
            assert str(got.flags) == str(wanted.flags)
            assert got.tobytes() == wanted.tobytes()


def lstm() -> tuple[gatecell.LSTM, np.ndarray, np.ndarray]:
    net = Case(mode="LSTM", input_size=4, hidden_size=8, dtype="float32").network(gatecell, num_threads=1)
    return net, np.ones((3, 2, 4), np.float32), np.zeros((1, 2, 8), np.float32)


def test_other_arguments_go_to_the_general_call() -> None:
    net, x, h = lstm()
    unaligned = np.frombuffer(b"\0" * 97, np.uint8)[1:].view(np.float32).reshape(3, 2, 4)
    subclass = x.view(type("Subclass", (np.ndarray,), {}))
    inputs = [x.astype(">f4"), x.astype(float), x[:, ::2], x[::-1], subclass, unaligned, x[0], x[..., :3], None, 5]
    states = [h, [h, h], (h,), (h, h, h), (h, None), (h, h[:, :1]), (h, h[0]), 5]
    for arguments in [(wrong, None) for wrong in inputs] + [(x, wrong) for wrong in states]:
        assert _core.call(net._core, *arguments, False, 1) is NotImplemented
    for network in (None, 5, _core.Network32, net, _core.Network32.__new__(_core.Network32)):
        assert _core.call(network, x, None, False, 1) is NotImplemented
    for num_threads in (0, -1, 2**31, 2**70, 2.0, None):
        assert _core.call(net._core, x, None, False, num_threads) is NotImplemented
    with pytest.raises(TypeError, match=r"expected call\(network"):
        _core.call(net._core, x)  # type: ignore[call-arg]


@pytest.mark.parametrize("value", [True, 1, np.True_])
def test_batch_first_is_any_true_value(value: Any) -> None:
    net, x, _ = lstm()
    expected = net(np.ascontiguousarray(x.swapaxes(0, 1)))[0]
    net.batch_first = value
    np.testing.assert_array_equal(net(x)[0].swapaxes(0, 1), expected)
    np.testing.assert_array_equal(net(x, out=np.empty((3, 2, 8), np.float32))[0].swapaxes(0, 1), expected)


def test_reference_counts_stay_the_same() -> None:
    net, x, h = lstm()
    hx = (h, h)

    def counts() -> list[int]:
        values = (np.dtype(np.float32), x, h, hx, net._core, net, gatecell.LSTM.__call__, NotImplemented)
        return [sys.getrefcount(value) for value in values]

    before = counts()
    for _ in range(1000):
        _core.call(net._core, x, hx, False, 1)
        _core.call(net._core, x, None, False, 1)
        _core.call(net._core, x, h, False, 1)
        _core.call(net._core, x[:, ::2], None, False, 1)
        net(x, hx)
        net(x, hx=hx)
        net.forward(x)
        net(x[:, ::2])
    assert counts() == before


METHODS = [gatecell.LSTM.__call__, gatecell.LSTM.forward, gatecell.Stream.step]


@pytest.mark.parametrize("method", METHODS, ids=["call", "forward", "step"])
def test_methods_that_the_core_tries_first_look_like_functions(method: Any) -> None:
    function = method.__wrapped__
    assert inspect.isfunction(function)
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "__defaults__"):
        assert getattr(method, name) == getattr(function, name)
    assert inspect.signature(method) == inspect.signature(function)
    assert inspect.getsource(method) == inspect.getsource(function)
    assert inspect.isroutine(method)
    assert function.__doc__.split("\n")[0] in pydoc.render_doc(method)
    assert pickle.loads(pickle.dumps(method)) is copy.deepcopy(method) is method
    assert weakref.ref(method)() is method
    with pytest.raises(AttributeError, match="nothing"):
        method.nothing  # noqa: B018
    with pytest.raises(TypeError):
        type(method)()


def test_all_ways_to_call_a_layer_are_the_same() -> None:
    net, x, h = lstm()
    hx = (h, h)
    wanted = leaves(_core.call(net._core, x, hx, False, 1))

    class Child(gatecell.LSTM):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return super().forward(*args, **kwargs)

    child = Child(4, 8)
    child.load_state_dict(net.state_dict())
    assert str(inspect.signature(net)).startswith("(x: 'ArrayLike | PackedSequence', hx: 'Any' = None, *, lengths")
    assert inspect.signature(net.forward) == inspect.signature(net)
    bound = pickle.loads(pickle.dumps(net.forward))
    assert weakref.WeakMethod(net.forward)() == net.forward
    calls = [net, net.forward, net.__call__, bound, child, child.forward, partial(gatecell.LSTM.__call__, net)]
    for call in calls:
        for result in (call(x, hx), call(x, hx=hx), call(x=x, hx=hx), call(*[x, hx]), call(x, list(hx))):
            for got, expected in zip(leaves(result), wanted, strict=True):
                np.testing.assert_array_equal(got, expected)
        for result in (call(x), call(x, None), call(x.tolist())):
            np.testing.assert_array_equal(leaves(result)[0], net(x, lengths=[3, 3])[0])
        for wrong in ((), (x, hx, None)):
            with pytest.raises(TypeError, match="positional argument"):
                call(*wrong)
        with pytest.raises(TypeError, match="unexpected keyword argument 'h'"):
            call(x, h=hx)
    with pytest.raises(AttributeError, match="'int' object has no attribute"):
        gatecell.LSTM.__call__(5, x)  # type: ignore[call-overload]
    with pytest.raises(RuntimeError, match="LSTM has no weights yet"):
        gatecell.LSTM(4, 8)(x)
    net.num_threads = 2**40  # the core takes no such number
    with pytest.raises(TypeError):
        net(x)


def test_all_ways_to_take_a_step_are_the_same() -> None:
    net, x, _ = lstm()
    wanted = net(x)[0][0]
    out = np.empty_like(wanted)
    for take in (
        lambda stream: stream.step(x[0]),
        lambda stream: stream.step(x[0], None),
        lambda stream: stream.step(x[0], out),
        lambda stream: stream.step(x[0], out=out),
        lambda stream: stream.step(x=x[0], out=out),
        lambda stream: gatecell.Stream.step(stream, x[0]),
        lambda stream: pickle.loads(pickle.dumps(stream.step))(x[0]),
        lambda stream: stream.step(x[0].tolist(), out),
    ):
        np.testing.assert_array_equal(take(net.stream(2)), wanted)
    assert net.stream(2).step(x[0], out=out) is out
    with pytest.raises(TypeError, match="unexpected keyword argument 'o'"):
        net.stream(2).step(x[0], o=out)  # type: ignore[call-arg]


def test_tensors_take_the_fast_path() -> None:
    """The core reads torch tensors through the C functions in torch.Tensor.__dlpack_c_exchange_api__.

    Tensors that need a conversion do not take the fast path.
    """
    torch = pytest.importorskip("torch")
    table = torch.Tensor.__dlpack_c_exchange_api__
    net, x, h = lstm()
    tensor, state = torch.from_numpy(x), torch.from_numpy(h)
    for hx, states in ((None, None), ((h, h), (state, state))):
        for view in (tensor, torch.cat([tensor, tensor])[3:], torch.nn.Parameter(tensor)):
            result = _core.call(net._core, view, states, False, 1, table)
            wanted = _core.call(net._core, x, hx, False, 1)
            for got, array in zip([result[0], *result[1]], leaves(wanted), strict=True):
                assert type(got) is torch.Tensor
                assert got.is_contiguous()
                np.testing.assert_array_equal(got.numpy(), array)
    inputs = [tensor.double(), tensor.half(), tensor[:, ::2], tensor[0], tensor[..., :3], tensor.to("meta")]
    inputs += [tensor.to_sparse(), torch.ones(3, 2, 1).expand(3, 2, 4), torch._efficientzerotensor((3, 2, 4)), x, None]
    for wrong in inputs:
        assert _core.call(net._core, wrong, None, False, 1, table) is NotImplemented
    for wrong in (state, (state,), (state, h), (state, state[:, :1]), (state.double(), state)):
        assert _core.call(net._core, tensor, wrong, False, 1, table) is NotImplemented
    # For large outputs NumPy's memory is better: it uses huge pages.
    large = torch.zeros(1_000_000 // net.hidden_size, 1, 4)
    assert _core.call(net._core, large, None, False, 1, table) is NotImplemented
    assert _core.call(net._core, large[1:], None, False, 1, table) is not NotImplemented
    assert _core.call(net._core, tensor, None, False, 1, None) is NotImplemented
    np.testing.assert_array_equal(leaves(_core.call(net._core, x, None, False, 1, 5))[0], net(x)[0])


def test_a_tensor_that_cannot_be_made_is_freed() -> None:
    """An exchange table cannot make a tensor. Like the owner that DLPack describes, it frees the memory that it got."""
    torch = pytest.importorskip("torch")
    slots = 7  # words of the table: version, table before, allocator, import, export, view, stream
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    name = b"dlpack_exchange_api"
    table = (ctypes.c_void_p * slots).from_address(pointer(torch.Tensor.__dlpack_c_exchange_api__, name))
    delete = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    freed = []

    @ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    def fail(managed: int, _: int) -> int:
        deleter = ctypes.c_void_p.from_address(managed + 16).value
        delete(deleter)(managed)
        freed.append(managed)
        return -1

    copy = (ctypes.c_void_p * slots)(*table)
    copy[4] = ctypes.cast(fail, ctypes.c_void_p).value
    net, x, _ = lstm()
    with pytest.raises(SystemError, match="without setting an exception"):  # the callback cannot set an exception
        _core.call(net._core, torch.from_numpy(x), None, False, 1, new(ctypes.addressof(copy), name, None))
    assert len(freed) == 1


def test_memory_lives_as_long_as_its_tensors() -> None:
    """The memory lives as long as the tensors or arrays made of it, and no longer. Another thread may free it, too."""
    torch = pytest.importorskip("torch")
    table = torch.Tensor.__dlpack_c_exchange_api__
    net, x, _ = lstm()
    tensor = torch.from_numpy(np.tile(x, (100, 1, 1)))
    expected = net(tensor.numpy())[0]
    _core.call(net._core, tensor, None, False, 1, table)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [_core.call(net._core, tensor, None, False, 1, table)[0][1:].numpy() for _ in range(50)]
        assert tracemalloc.get_traced_memory()[0] - before > 50 * expected.nbytes
        for array in kept:
            np.testing.assert_array_equal(array, expected[1:])
        del array
        with ThreadPoolExecutor(1) as other:
            other.submit(kept.clear).result()
        assert tracemalloc.get_traced_memory()[0] - before < expected.nbytes
    finally:
        tracemalloc.stop()
