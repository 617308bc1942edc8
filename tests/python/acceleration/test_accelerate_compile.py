"""accelerate with torch.compile and torch.export: gatecell is one operator with right results, or torch runs a call."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import gatecell
from helpers.accelerated import X, accelerated, assert_close, double_weights, small

pytestmark = [
    pytest.mark.usefixtures("allow_rnn"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's compiler itself causes such warnings
]
BACKENDS = ["eager", "aot_eager", "inductor"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files that Inductor compiles. It is new, so nothing is left from another run."""
    return tmp_path_factory.mktemp("inductor")


@pytest.fixture
def allow_rnn(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets Dynamo compile nn.LSTM, nn.GRU and nn.RNN. By default it leaves them to the interpreter."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(cache))
    torch._dynamo.reset()
    with torch._dynamo.config.patch(allow_rnn=True):
        yield
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_in_one_graph(backend: str) -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.linear = torch.nn.Linear(3, 5)
            self.gru = torch.nn.GRU(5, 4, 2, bidirectional=True, batch_first=True)
            self.lstm = torch.nn.LSTM(8, 4, proj_size=2)
            self.cell = torch.nn.LSTMCell(2, 3)

        def forward(self, x: torch.Tensor, h_0: torch.Tensor) -> Any:
            y, h_n = self.gru(self.linear(x).tanh(), h_0)
            z, state = self.lstm(y)
            unbatched = self.lstm(y[0], (torch.zeros(1, 2), torch.zeros(1, 4)))
            return z + 1, h_n, state, unbatched, self.cell(z[0])

    model, plain = Model().eval(), Model().eval()
    _, report = gatecell.accelerate(model)
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    arguments = X, torch.ones(4, 4, 4)
    with torch.inference_mode():
        assert_close(compiled(*arguments), plain(*arguments))
        double_weights(model.gru)
        double_weights(plain.gru)
        assert_close(compiled(*arguments), plain(*arguments))
    assert [entry.served for entry in report.modules.values()] == [2, 4, 2]


@pytest.mark.parametrize("kind", ["RNN", "RNNCell"])
def test_several_modules_share_one_graph(kind: str) -> None:
    """For example the layers of a decoder, which one line of code calls."""
    layers, plain = (
        [
            getattr(torch.nn, kind)(5, 5, nonlinearity=("tanh", "relu")[i % 2]).requires_grad_(False).eval()
            for i in range(12)
            if torch.manual_seed(i)
        ]
        for _ in range(2)
    )
    entries = [accelerated(layer)[1] for layer in layers]
    compiled = torch.compile(lambda layer, x: layer(x), backend="aot_eager", fullgraph=True)
    x = torch.ones(4, 5)
    compiled(layers[0], x)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for layer, like in zip(layers, plain, strict=True):
            assert_close(compiled(layer, x), like(x))
    assert [entry.served for entry in entries] == [2] + [1] * 11


def test_modules_that_dynamo_leaves_are_served() -> None:
    """Dynamo leaves an nn.GRU to the interpreter.

    It does not try to compile the functions that nn.GRU calls; it would warn about them.
    """
    module, entry = accelerated(small())
    with torch._dynamo.config.patch(allow_rnn=False), torch.no_grad(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_close(torch.compile(torch.nn.Sequential(torch.nn.Identity(), module))(X), small()(X))
    assert entry.served == 1
    assert not [str(warning.message) for warning in caught if "Dynamo" in str(warning.message)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_graph_may_change_weights(backend: str) -> None:
    """gatecell reads the versions of the weights before the graph runs. Changes made by the graph do not show there."""
    (module, _), like = accelerated(small("GRUCell")), small("GRUCell")

    def step(cell: Any, x: torch.Tensor) -> torch.Tensor:
        y = cell(x)
        for _ in range(3):
            cell.weight_hh.mul_(1.3 + y.mean())
            cell.bias_ih.add_(0.1)
            y = cell(x, y)
        cell.weight_hh.mul_(0.5)
        return y

    compiled = torch.compile(step, backend=backend)
    with torch.no_grad():
        for _ in range(2):
            assert_close(compiled(module, X[0]), step(like, X[0]))
            assert_close(module(X[0], X[0, :, [0, 1, 2, 0]]), like(X[0], X[0, :, [0, 1, 2, 0]]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_graph_may_make_weights(backend: str) -> None:
    """Several weights may have the same address, one after the other."""
    (module, _), like = accelerated(small("GRUCell")), small("GRUCell")
    initial = module.weight_hh.detach().clone()

    def step(cell: Any, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        y = x.new_zeros(2, 4)
        for factor in (2, 3, 4):
            y = torch.func.functional_call(cell, {"weight_hh": w * factor + y.mean()}, (x, y + 0.5))
        return y

    compiled = torch.compile(step, backend=backend)
    with torch.no_grad():
        assert_close(compiled(module, X[0], initial), step(like, X[0], initial))


def test_torch_runs_frozen_graphs() -> None:
    """A frozen graph holds constants. The number of an accelerated module would be one of them."""
    modules = [accelerated(torch.nn.RNN(3, 3, nonlinearity=name).requires_grad_(False)) for name in ("tanh", "relu")]
    with torch._inductor.config.patch(freezing=True), torch.no_grad():
        for module, entry in modules:
            torch._dynamo.reset()
            assert_close(torch.compile(module)(X), torch.nn.RNN.forward(plain_copy(module), X))
            assert entry.served == 0


def plain_copy(module: Any) -> Any:
    """A copy that was never accelerated."""
    like = torch.nn.RNN(3, 3, nonlinearity=module.nonlinearity)
    like.load_state_dict(module.state_dict())
    return like.eval()


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")  # a warning of torch.vmap
@pytest.mark.parametrize("backend", BACKENDS[:2])
def test_torch_runs_compiled_transforms(backend: str) -> None:
    module, entry = accelerated(small("GRUCell"))
    like, tangent = small("GRUCell"), torch.ones_like(X[0])
    for cell in (module, like):
        cell.requires_grad_(False)

    def dual(cell: Any, x: torch.Tensor) -> Any:
        with torch.autograd.forward_ad.dual_level():
            return tuple(torch.autograd.forward_ad.unpack_dual(cell(torch.autograd.forward_ad.make_dual(x, tangent))))

    transforms: list[Any] = [
        lambda cell, x: torch.func.jvp(cell, (x,), (tangent,)),
        lambda cell, x: torch.func.jacfwd(cell)(x),
        lambda cell, x: torch.func.grad(lambda x: cell(x).sum())(x),
        lambda cell, x: torch.vmap(cell)(x),
        dual,
    ]
    for transform in transforms:
        torch._dynamo.reset()
        compiled = torch.compile(transform, backend=backend)
        assert_close(compiled(module, X[0]), transform(like, X[0]))
        assert entry.served == 0
    with torch.no_grad():
        assert_close(torch.compile(module, backend=backend)(X[0]), like(X[0]))
    assert entry.served == 1


def test_a_call_with_the_number_of_no_module_is_an_error() -> None:
    graphs = []
    module, _ = accelerated(small().requires_grad_(False))
    torch.compile(module, backend=lambda graph, _: graphs.append(graph) or graph.forward)(X)
    inputs = [node.name for node in graphs[0].graph.nodes if node.op == "placeholder"]
    assert any("number" in name for name in inputs)
    with pytest.raises(RuntimeError, match="the module that this graph calls is gone"):
        torch.ops.gatecell.recurrent(X, [], [], torch.tensor(10**9), [0, 0, 1, 1, 4, 4])


def test_strictly_exported_programs_are_torchs() -> None:
    module, entry = accelerated(small())
    with torch._dynamo.config.patch(allow_rnn=True), torch.no_grad():
        program = torch.export.export(module, (X,), strict=True).module()
        assert_close(program(-X), small()(-X))
    assert entry.served == 0


def test_compiled_calls_fall_back() -> None:
    """torch runs calls that need gradients. It also raises the errors."""
    module, entry = accelerated(small("GRUCell"))
    like, x = small("GRUCell"), X[0].clone().requires_grad_()
    compiled = torch.compile(module, backend="aot_eager")
    gradients = [torch.autograd.grad(cell(x).square().sum(), x) for cell in (compiled, like)]
    assert_close(*gradients)
    with torch.inference_mode():
        assert_close(compiled(X[0]), like(X[0]))
        with pytest.raises(RuntimeError, match="input has inconsistent input_size"):
            compiled(X[0, :, :2])
    assert (entry.served, sum(entry.fell_back.values())) == (1, 1)
