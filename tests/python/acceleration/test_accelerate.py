"""accelerate: a module returns and raises what torch's module does.

Promise 1 (parity). gatecell runs the calls that it can run correctly. torch runs all other calls.
"""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import gatecell
from helpers.accelerated import X, accelerated, assert_close, assert_same, small
from helpers.extended_grids import kind_id
from helpers.parity import Outputs, assert_parity, named_outputs, named_states
from helpers.torch_case import MODES, SCALES, Case, run_torch
from helpers.torch_grids import FEATURES, KINDS, STACKS, grid


def tensors(value: Any) -> Any:
    """Converts arrays in tuples to tensors."""
    if isinstance(value, tuple):
        return tuple(map(tensors, value))
    return None if value is None else torch.from_numpy(value)


def arrays(outputs: Outputs) -> Outputs:
    return {name: tensor.numpy() for name, tensor in outputs.items()}


@pytest.mark.parametrize("stack", STACKS, ids=kind_id)
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_every_accelerated_option_keeps_the_bound(kind: dict[str, Any], stack: dict[str, Any], dtype: str) -> None:
    for case in grid(kind, stack, dtype):
        module, entry = accelerated(case.module())
        for mode in (torch.inference_mode, torch.no_grad):
            with mode():
                got = arrays(named_outputs(*module(*tensors(case.inputs()))))
            assert_parity(got, case.reference(), case.own_error(), dtype, case)
        assert entry.served == 2


@pytest.mark.parametrize("stack", STACKS, ids=kind_id)
@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_every_packed_option_keeps_the_bound(kind: dict[str, Any], stack: dict[str, Any], dtype: str) -> None:
    for case in grid(kind, stack, dtype):
        if case.rows is None:
            continue
        case = case.with_(lengths=(2, 5, 1))
        module, entry = accelerated(case.module())
        x, hx = tensors(case.inputs())
        with torch.inference_mode():
            packed = pack_padded_sequence(x, torch.tensor(case.lengths), case.batch_first, enforce_sorted=False)
            y, hidden = module(packed, hx)
            padded, _ = pad_packed_sequence(y, case.batch_first, total_length=case.steps)
        assert_parity(arrays(named_outputs(padded, hidden)), case.reference(), case.own_error(), dtype, case)
        assert entry.served == 1
        assert type(y) is PackedSequence
        for index in ("batch_sizes", "sorted_indices", "unsorted_indices"):
            assert getattr(y, index) is getattr(packed, index)


def test_sorted_packed_sequences_are_served() -> None:
    case = Case("LSTM", bidirectional=True, num_layers=2)
    module, entry = accelerated(case.module())
    x, hx = tensors(case.inputs())
    with torch.inference_mode():
        packed = pack_padded_sequence(x, torch.tensor([5, 3, 1]))
        assert_close(module(packed, hx), case.module()(packed, hx))
        assert_close(module(packed), case.module()(packed))
    assert entry.served == 2


def test_a_packed_sequence_with_half_its_indices_falls_back() -> None:
    """torch then returns the final state in the order of the packed rows."""
    module, entry = accelerated(Case("GRU").module())
    x, _ = tensors(Case("GRU").inputs())
    packed = pack_padded_sequence(x, torch.tensor([1, 5, 3]), enforce_sorted=False)._replace(unsorted_indices=None)
    with torch.inference_mode():
        assert_same(module(packed)[1], Case("GRU").module()(packed)[1])
    assert entry.fell_back == {"a packed sequence without one of its indices": 1}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_accelerated_cells_keep_the_bound(mode: str, bias: bool, dtype: str) -> None:
    for inputs, hidden in zip(FEATURES, reversed(FEATURES), strict=True):
        for scale, rows, state in itertools.product(SCALES, (None, 1, 5), (True, False)):
            case = Case(mode, inputs, hidden, bias=bias, dtype=dtype, steps=1, rows=rows, state=state, scale=scale)
            options = {"bias": bias, "dtype": getattr(torch, dtype)}
            if case.class_name == "RNN":
                options["nonlinearity"] = case.options["nonlinearity"]
            cell = getattr(torch.nn, f"{case.class_name}Cell")(inputs, hidden, **options)
            cell.load_state_dict({key.removesuffix("_l0"): value for key, value in case.module().state_dict().items()})
            x, hx = case.inputs()
            hx = None if hx is None else tuple(h[0] for h in hx) if isinstance(hx, tuple) else hx[0]
            reference = run_torch(cell, torch.float64, x[0], hx)
            module, entry = accelerated(cell)
            with torch.inference_mode():
                got = module(tensors(x[0]), tensors(hx))
            assert_parity(arrays(named_states(got)), reference, case.own_error(), dtype, case)
            assert entry.served == 1


def strided(x: torch.Tensor) -> torch.Tensor:
    """The same numbers with gaps in memory between them."""
    return torch.stack([x, x], -1)[..., 0]


@pytest.mark.parametrize("rows", [3, None])
def test_all_forms_of_input_are_served(rows: int | None) -> None:
    """Views, parameters, lists of states, keyword arguments, tensors of inference mode, and outputs as new inputs."""
    case = Case("LSTM", num_layers=2, rows=rows)
    module, entry = accelerated(case.module())
    x, (h, c) = tensors(case.inputs())
    with torch.inference_mode():
        expected = case.module()(x, (h, c))
        results = [
            module(strided(x), (strided(h), strided(c))),
            module(torch.nn.Parameter(x), (torch.nn.Parameter(h), c)),
            module(x, [h, c]),
            module(hx=(h * 1, c * 1), input=x * 1),  # products made in inference mode
        ]
        for result in results:
            assert_close(result, expected)
        first, state = module(x[:3], (h, c))
        rest, state = module(x[3:], state)
        assert_close((torch.cat([first, rest]), state), expected)
    assert entry.served == 6


def test_without_grad_mode_nothing_need_be_frozen() -> None:
    """gatecell serves calls without grad mode, even if weights and inputs require grad.

    It serves calls with grad mode if nothing requires grad.
    """
    case = Case("GRU", bidirectional=True)
    module, entry = accelerated(case.module())
    x, h = tensors(case.inputs())
    with torch.no_grad():
        expected = case.module()(x, h)
        assert_close(module(x.clone().requires_grad_(), h), expected)
        packed = pack_padded_sequence(x.clone().requires_grad_(), torch.tensor([5, 5, 5]))
        assert_close(module(packed, h)[1], expected[1])
    module.requires_grad_(False)
    assert_close(module(x, h), expected)
    assert entry.served == 3


def test_nothing_is_copied() -> None:
    """In a call NumPy allocates the outputs and at most 50 kB more. A copy of x would show."""
    module, _ = accelerated(torch.nn.GRU(64, 8))
    x, h = torch.zeros(500, 8, 64), torch.zeros(1, 8, 8)
    with torch.inference_mode():
        module(x, h)
        tracemalloc.start()
        try:
            y, h_n = module(x, h)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    outputs = y.nbytes + h_n.nbytes
    assert outputs <= peak < outputs + 50_000
    assert x.nbytes > 1_000_000


# Calls that torch runs itself.


class Doubled(torch.Tensor):
    """A tensor class for which a GRU returns twice the output."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_function__(func, types, args, kwargs or {})
        return tuple(2 * tensor for tensor in result) if func is torch._VF.gru else result


def without_grad(*args: Any) -> Any:
    def run(module: Any) -> Any:
        with torch.no_grad():
            return module(*args)

    return run


def training(module: Any) -> Any:
    with torch.inference_mode():
        return module.train()(X)


def autocast(module: Any) -> Any:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        return module(X)


def vmap(module: Any) -> Any:
    with torch.no_grad():
        return torch.vmap(module)(X)


def jvp(module: Any) -> Any:
    with torch.no_grad():
        return torch.func.jvp(module, (X,), (torch.ones_like(X),))


def forward_ad(module: Any) -> Any:
    with torch.no_grad(), torch.autograd.forward_ad.dual_level():
        y, _ = module(torch.autograd.forward_ad.make_dual(X, torch.ones_like(X)))
        return tuple(torch.autograd.forward_ad.unpack_dual(y))


def traced(module: Any) -> Any:
    with torch.no_grad():
        return torch.jit.trace(module, (X,), check_trace=False)(-X)


def make_fx(module: Any) -> Any:
    with torch.no_grad():
        return torch.fx.experimental.proxy_tensor.make_fx(module)(X)(-X)


def exported(module: Any) -> Any:
    with torch.no_grad():
        return torch.export.export(module, (X,)).module()(-X)


def fake(module: Any) -> Any:
    with torch.no_grad(), torch._subclasses.FakeTensorMode(allow_non_fake_inputs=True):
        return tuple(torch.Size(part.shape) for part in module(X))


def function_mode(module: Any) -> Any:
    class Twice(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            return tuple(2 * tensor for tensor in result) if func is torch._VF.gru else result

    with torch.no_grad(), Twice():
        return module(X)


def on_cpu(call: Any) -> Any:
    def run(module: Any) -> Any:
        with torch.device("cpu"):
            return call(module)

    return run


def on_meta(module: Any) -> Any:
    with torch.no_grad(), torch.device("meta"):
        return module(X)


MODE = "a torch mode, such as that of fake tensors"
LAYOUT = "an input of another dtype, device or layout"
TRANSFORM = "vmap or another transform"
FALLBACKS: dict[str, tuple[str, Any, str]] = {
    "training": ("GRU", training, "training mode"),
    "autocast": ("GRU", autocast, "autocast"),
    "vmap": ("GRUCell", vmap, TRANSFORM),
    "jvp": ("GRU", jvp, TRANSFORM),
    "forward mode differentiation": ("GRU", forward_ad, TRANSFORM),
    "torch.jit.trace": ("GRU", traced, "torch.jit tracing"),
    "torch.export": ("GRU", exported, MODE),
    "make_fx": ("GRU", make_fx, MODE),
    "fake tensors": ("GRU", fake, MODE),
    "function mode": ("GRU", function_mode, MODE),
    "function mode over the default device's": ("GRU", on_cpu(function_mode), MODE),
    "other default device": ("GRU", on_meta, MODE),
    "tensor subclass": ("GRU", without_grad(X.as_subclass(Doubled)), "an input that is no plain tensor"),
    "negated view": ("GRU", without_grad(torch._neg_view(X)), "an input that is no plain tensor"),
    "zeros without memory": ("GRU", without_grad(torch._efficientzerotensor(X.shape)), LAYOUT),
    "no rows": ("GRU", without_grad(X[:, :0]), "an empty input"),
    "grad mode": ("GRU", lambda module: module(X), "grad mode"),
}


@pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*is deprecated:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
    "ignore:The tensor attributes self._flat_weights:UserWarning",
    "ignore:There is a performance drop:UserWarning",
    "ignore:a module that gatecell accelerates:UserWarning",
)
@pytest.mark.parametrize("name", FALLBACKS)
def test_torch_runs_calls_that_gatecell_cannot(name: str) -> None:
    """torch runs this call, with the bits of a module that was never accelerated. gatecell serves the next call."""
    kind, run, reason = FALLBACKS[name]
    module, entry = accelerated(small(kind))
    result, expected = run(module), run(small(kind))
    if name == "fake tensors":
        assert result == expected
    else:
        assert_same(result, expected)
    assert (entry.served, entry.fell_back) == (0, {reason: 1})
    module.eval()
    x = X if kind == "GRU" else X[0]
    with torch.no_grad():
        assert_close(module(x), small(kind)(x))
    assert entry.served == 1


def test_the_default_device_may_be_set() -> None:
    module, entry = accelerated(small())
    assert_close(on_cpu(without_grad(X))(module), without_grad(X)(small()))
    assert entry.served == 1


def test_gradients_are_torchs_and_noticed_once() -> None:
    """An embedding before the layers requires grad, and that is enough. One warning covers all modules of the model."""

    def make() -> Any:
        torch.manual_seed(0)
        layers = [torch.nn.Embedding(5, 3), torch.nn.GRU(3, 4), torch.nn.GRU(4, 2)]
        return torch.nn.ModuleList(layers).eval()

    def loss(model: Any) -> torch.Tensor:
        embedding, first, second = model
        return second(first(embedding(torch.tensor([[1, 4], [0, 2]])))[0])[0].square().sum()

    model, report = gatecell.accelerate(make())
    for recurrent in list(model)[1:]:
        recurrent.requires_grad_(False)
    with pytest.warns(UserWarning, match=r"torch\.inference_mode\(\)") as caught:
        loss(model).backward()
    loss(model)
    assert len(caught) == 1
    plain = make()
    loss(plain).backward()
    assert_same(model[0].weight.grad, plain[0].weight.grad)
    assert [entry.fell_back for entry in report.modules.values()] == [{"grad mode": 2}] * 2
    with torch.inference_mode():
        loss(model)
    assert [entry.served for entry in report.modules.values()] == [1, 1]


LSTM_STATE = (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
PACKED = pack_padded_sequence(X, torch.tensor([4, 2]))
BAD: dict[str, tuple[str, tuple[Any, ...]]] = {
    "features": ("GRU", (X[..., :2],)),
    "axes": ("GRU", (X[None],)),
    "no steps": ("GRU", (X[:0],)),
    "dtype": ("GRU", (X.double(),)),
    "integers": ("GRU", (X.long(),)),
    "half": ("GRU", (X.half(),)),
    "sparse": ("GRU", (X.to_sparse(),)),
    "meta": ("GRU", (X.to("meta"),)),
    "array": ("GRU", (X.numpy(),)),
    "state's rows": ("GRU", (X, torch.zeros(1, 3, 4))),
    "state's axes": ("GRU", (X, torch.zeros(2, 4))),
    "state's dtype": ("GRU", (X, torch.zeros(1, 2, 4).double())),
    "state of an LSTM": ("GRU", (X, LSTM_STATE)),
    "state of a GRU": ("LSTM", (X, LSTM_STATE[0])),
    "one state": ("LSTM", (X, LSTM_STATE[:1])),
    "unbatched state": ("LSTM", (X[:, 0], LSTM_STATE)),
    "packed features": ("GRU", (PACKED._replace(data=PACKED.data[:, :2]),)),
    "packed dtype": ("GRU", (PACKED._replace(data=PACKED.data.double()),)),
    "packed rows": ("GRU", (PACKED._replace(data=PACKED.data[:-1]),)),
    "packed state": ("GRU", (PACKED, torch.zeros(1, 3, 4))),
    "cell's features": ("GRUCell", (X[0, :, :2],)),
    "cell's axes": ("GRUCell", (X,)),
    "cell's state": ("LSTMCell", (X[0], (torch.zeros(3, 4), torch.zeros(3, 4)))),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_torchs(name: str) -> None:
    kind, arguments = BAD[name]
    module, entry = accelerated(small(kind))
    with torch.inference_mode():
        with pytest.raises(Exception) as expected:  # noqa: PT011
            small(kind)(*arguments)
        with pytest.raises(expected.type) as got:
            module(*arguments)
    assert str(got.value) == str(expected.value)
    assert got.value.__context__ is None
    assert (entry.served, sum(entry.fell_back.values())) == (0, 1)
