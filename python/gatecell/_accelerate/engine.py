"""What runs the calls of an accelerated module: its packed weights, and the check of each call. Imports torch."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import from_numpy
from torch.autograd import forward_ad
from torch.nn.utils.rnn import PackedSequence
from torch.utils._device import DeviceContext

from .._core import call, plain_tensors, unchanged
from .._networks.layer import Layer
from .._torch.networks import CLASSES, load

NAMESAKES: dict[Any, Any] = {getattr(torch.nn, ours.__name__): ours for ours in CLASSES}
NOTICE = (
    "a module that gatecell accelerates was called with grad mode on, and its input or weights require grad: PyTorch's "
    "own forward runs such calls. For inference call the model under torch.inference_mode()"
)
_PLAIN = frozenset({torch.Tensor, torch.nn.Parameter})  # the numbers of another class may mean something else
_DTYPES = frozenset({torch.float32, torch.float64})
SIZES = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size")

_TABLE = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)  # by which tensors are read; older PyTorch has none
# What each call asks torch, bound here: looking the names up would take as long as the answers.
_transform = torch._C._functorch.peek_interpreter_stack
_dispatch_modes, _function_modes = torch._C._len_torch_dispatch_stack, torch._C._len_torch_function_stack
_tracing, _autocast, _grad_mode = torch._C._get_tracing_state, torch.is_autocast_enabled, torch.is_grad_enabled
_numbers = itertools.count()


class UnfitError(Exception):
    """Why torch has to run a call itself, or a module cannot be accelerated."""


class Packed(NamedTuple):
    """A network, and by what its weights are known again."""

    network: Any
    key: list[tuple[Any, ...]]
    bits: int  # of a number
    weights: list[Any]
    storages: list[Any]  # kept, so that no other weights can come to lie at the same addresses


class Engine:
    """What an accelerated module has beside torch's attributes: packed weights, number of threads, counters."""

    def __init__(self, original: Any, names: list[str], num_threads: int | None, notices: Iterator[str] | None = None):
        self.number = torch.tensor(next(_numbers), device="cpu")  # see compiled.py
        self.original = original
        self.ours = next(ours for theirs, ours in NAMESAKES.items() if issubclass(original, theirs))
        self.is_layer = issubclass(self.ours, Layer)
        self.has_c = self.ours.__name__.startswith("LSTM")
        self.names = names  # of the weights
        self.num_threads = num_threads
        self.notices = iter([NOTICE]) if notices is None else notices  # the modules of a model share one
        self.packed: Packed | None = None
        self.graph: Engine | None = None
        self.copies: list[Any] = []  # of the weights, in a graph's engine
        self.reset()

    def reset(self) -> None:
        self.served = 0
        self.fell_back: Counter[str] = Counter()

    def forget(self) -> None:
        """Have the weights packed again."""
        self.packed = self.graph = None

    def in_graph(self, weights: list[Any]) -> Engine:
        """The engine for calls with these weights within compiled graphs."""
        if self.graph is None:
            self.graph = Engine(self.original, self.names, self.num_threads, self.notices)
        graph = self.graph
        graph.num_threads = self.num_threads
        if len(graph.copies) != len(weights) or not all(map(_equal, graph.copies, weights)):
            graph.packed, graph.copies = None, [weight.clone() for weight in weights]
        return graph

    def count(self, graph: Engine) -> None:
        """Count the calls of a graph's engine as this one's."""
        self.served += graph.served
        self.fell_back += graph.fell_back
        graph.reset()

    def serve(self, module: Any, input: Any, hx: Any) -> Any:
        """What the module's own forward would return; raises UnfitError if it may be something else."""
        is_packed = type(input) is PackedSequence
        is_pair = isinstance(hx, (tuple, list))
        data = input.data if is_packed else input
        states = () if hx is None else tuple(hx) if is_pair else (hx,)
        self.check(module, data, states)
        network = self.network(module)
        if not data.numel():
            raise UnfitError("an empty input")  # torch refuses T = 0
        threads = self.num_threads or torch.get_num_threads()
        if self.is_layer and not is_packed and is_pair <= self.has_c and _TABLE is not None:
            result = call(network._core, data, states if is_pair else hx, network.batch_first, threads, _TABLE)
            if result is not NotImplemented:
                return result
        network.num_threads = threads
        result = self.call(network, input, data, states, is_pair)
        if not self.is_layer:
            return _tensors(result)
        y, hidden = result
        if is_packed:
            return PackedSequence(from_numpy(y.data), *input[1:]), _tensors(hidden)
        return from_numpy(y), _tensors(hidden)

    def call(self, network: Any, input: Any, data: Any, states: tuple[Any, ...], is_pair: bool) -> Any:
        """The network's results for any input that fits; raises UnfitError for others."""
        try:
            x, *arrays = [tensor.numpy() for tensor in (data, *states)]
        except (RuntimeError, TypeError):
            raise UnfitError("an input of another dtype, device or layout") from None
        if any(array.dtype != network.dtype for array in (x, *arrays)):
            raise UnfitError("an input of another dtype, device or layout")
        if data is not input:
            if (input.sorted_indices is None) != (input.unsorted_indices is None):
                raise UnfitError("a packed sequence without one of its indices")
            if input.batch_sizes.dtype != torch.int64:
                raise UnfitError("an input that does not fit")
            x = input._replace(data=x)
        try:
            return network(x, tuple(arrays) if is_pair else arrays[0] if arrays else None)
        except (TypeError, ValueError):  # torch has errors of its own
            raise UnfitError("an input that does not fit") from None

    def check(self, module: Any, data: Any, states: tuple[Any, ...]) -> None:
        """Raises UnfitError where torch does more than compute these numbers. Each question takes some 50 ns."""
        if module.training:
            self.forget()  # a fused optimizer changes weights without a trace
            raise UnfitError("training mode")
        if _transform() is not None or forward_ad._current_level >= 0:
            raise UnfitError("vmap or another transform")
        if _dispatch_modes() or (_function_modes() and not all(map(_is_cpu_default, range(_function_modes())))):
            raise UnfitError("a torch mode, such as that of fake tensors")
        if _tracing() is not None:
            raise UnfitError("torch.jit tracing")
        if _autocast("cpu"):
            raise UnfitError("autocast")
        if not plain_tensors(data, states, _PLAIN):
            raise UnfitError("an input that is no plain tensor")
        if _grad_mode() and any(t.requires_grad for t in (data, *states, *self.weights(module))):
            self.forget()  # as in training mode
            for notice in self.notices:
                warnings.warn(notice, stacklevel=7)  # the line that calls the module
            raise UnfitError("grad mode")

    def weights(self, module: Any) -> list[Any]:
        parameters = module._parameters
        try:
            return [parameters[name] for name in self.names]
        except KeyError as name:
            raise UnfitError(f"{name} is no parameter: parametrized, pruned or weight-normed") from None

    def network(self, module: Any) -> Any:
        """The network of the module's weights, packed now if they are not those of the last call."""
        packed = self.packed
        if packed and unchanged(module._parameters, self.names, packed.weights, packed.key, packed.bits, _TABLE):
            return packed.network
        weights = self.weights(module)
        key = [_known(weight) for weight in weights]
        if packed is None or packed.key != key:
            network = self.pack(module, weights)
            storages = [weight.untyped_storage() for weight in weights]
            self.packed = packed = Packed(network, key, 8 * network.dtype.itemsize, weights, storages)
        return packed.network

    def pack(self, module: Any, weights: list[Any]) -> Any:
        if not all(weight.is_cpu for weight in weights):
            raise UnfitError("weights on another device")
        dtypes = {weight.dtype for weight in weights}
        if len(dtypes) > 1 or not dtypes <= _DTYPES:
            raise UnfitError(f"weights of {', '.join(sorted(map(str, dtypes)))}")
        try:
            named = dict(zip(self.names, weights, strict=True))
            network = load(self.ours, module, named, num_threads=self.num_threads)
        except (TypeError, ValueError) as error:
            raise UnfitError(str(error)) from None
        for size in SIZES:
            if hasattr(network, size) and getattr(network, size) != getattr(module, size):
                raise UnfitError(f"{size} is another than the weights'")
        return network


try:  # Dynamo shall leave this, which it cannot follow, to the interpreter as a whole
    from torch._C._dynamo.eval_frame import _FrameAction, _FrameExecStrategy, set_code_exec_strategy

    set_code_exec_strategy(Engine.serve.__code__, _FrameExecStrategy(_FrameAction.SKIP, _FrameAction.SKIP))
except ImportError:  # before PyTorch 2.7 it tries, in vain
    pass


def _equal(one: Any, other: Any) -> bool:
    return bool(one.dtype == other.dtype and torch.equal(one, other))


def _is_cpu_default(mode: int) -> bool:
    """Whether a mode is that of torch.set_default_device("cpu"), which changes nothing here."""
    entry = torch._C._get_function_stack_at(mode)
    return type(entry) is DeviceContext and entry.device.type == "cpu"


def _tensors(hidden: Any) -> Any:
    return (from_numpy(hidden[0]), from_numpy(hidden[1])) if isinstance(hidden, tuple) else from_numpy(hidden)


def _known(weight: Any) -> tuple[Any, ...]:
    """By what a weight is known again. Inference tensors have no version."""
    if type(weight) not in _PLAIN:
        raise UnfitError("weights that are no plain tensors")
    version = None if weight.is_inference() else weight._version
    return weight.data_ptr(), version, weight.shape, weight.dtype, weight.stride(), weight.is_neg()
