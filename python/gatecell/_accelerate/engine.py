"""Engine: runs the calls of an accelerated module. It packs the weights and checks each call. Imports torch."""

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
from .._networks.layer_base import Layer
from .._torch.recurrent import CLASSES, network_of

# gatecell's class by torch's class.
COUNTERPARTS: dict[Any, Any] = {getattr(torch.nn, ours.__name__): ours for ours in CLASSES}
NOTICE = (
    "a module that gatecell accelerates was called with grad mode on, and its input or weights require grad: PyTorch's "
    "own forward runs such calls. For inference call the model under torch.inference_mode()"
)
# Other classes of tensors may give their numbers another meaning.
_PLAIN = frozenset({torch.Tensor, torch.nn.Parameter})
_DTYPES = frozenset({torch.float32, torch.float64})
SIZES = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size")

# The core reads tensors with this table of C functions. Older versions of PyTorch lack it.
_TABLE = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
# Functions of torch that each call uses. To look up their names would take as long as to call them.
_peek_transform = torch._C._functorch.peek_interpreter_stack
_dispatch_modes, _function_modes = torch._C._len_torch_dispatch_stack, torch._C._len_torch_function_stack
_tracing, _autocast, _grad_mode = torch._C._get_tracing_state, torch.is_autocast_enabled, torch.is_grad_enabled
_numbers = itertools.count()


class UnfitError(Exception):
    """The reason why torch's own forward runs a call, or why a module cannot be accelerated."""


class PackedWeights(NamedTuple):
    """A network, and what is needed to see whether the module still has the same weights."""

    network: Any
    key: list[tuple[Any, ...]]  # for each weight the result of _identity
    bits: int  # bits of each number in the weights
    weights: list[Any]  # the tensors
    storages: list[Any]  # kept alive, so that no other weights can get the same addresses


class Engine:
    """The attribute that acceleration adds to a module: packed weights, number of threads and counters of calls.

    original: the module's class before. names: its weights' names. notices: warnings to issue, shared by a model's
    modules so that each is issued once.
    """

    def __init__(self, original: Any, names: list[str], num_threads: int | None, notices: Iterator[str] | None = None):
        self.number = torch.tensor(next(_numbers), device="cpu")  # compiled.py finds the module by this number
        self.original = original
        self.ours = next(ours for theirs, ours in COUNTERPARTS.items() if issubclass(original, theirs))
        self.is_layer = issubclass(self.ours, Layer)
        self.has_c = self.ours.__name__.startswith("LSTM")
        self.names = names  # names of the weights
        self.num_threads = num_threads
        self.notices = iter([NOTICE]) if notices is None else notices  # the modules of a model share it
        self.packed: PackedWeights | None = None
        self.graph: Engine | None = None
        self.copies: list[Any] = []  # copies of the weights; only in the engine of a graph
        self.reset()

    def reset(self) -> None:
        self.served = 0
        self.fell_back: Counter[str] = Counter()

    def discard_weights(self) -> None:
        """Discard the packed weights. The next call packs the weights again."""
        self.packed = self.graph = None

    def in_graph(self, weights: list[Any]) -> Engine:
        """The engine that runs calls inside compiled graphs. It packs these weights if they differ from its copies."""
        if self.graph is None:
            self.graph = Engine(self.original, self.names, self.num_threads, self.notices)
        graph = self.graph
        graph.num_threads = self.num_threads
        if len(graph.copies) != len(weights) or not all(map(_equal, graph.copies, weights)):
            graph.packed, graph.copies = None, [weight.clone() for weight in weights]
        return graph

    def count(self, graph: Engine) -> None:
        """Add the counters of the graph's engine to those of this engine, and reset them."""
        self.served += graph.served
        self.fell_back += graph.fell_back
        graph.reset()

    def serve(self, module: Any, input: Any, hx: Any) -> Any:
        """The result that the module's own forward would return. Raises UnfitError if the result could differ."""
        is_packed = type(input) is PackedSequence
        is_pair = isinstance(hx, (tuple, list))
        data = input.data if is_packed else input
        states = () if hx is None else tuple(hx) if is_pair else (hx,)
        self.check(module, data, states)
        network = self.network(module)
        if not data.numel():
            raise UnfitError("an empty input")  # for T = 0 torch raises an error
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
        """The network's results for all forms of input. Raises UnfitError for input that does not fit."""
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
        except (TypeError, ValueError):  # torch's forward then raises its own error
            raise UnfitError("an input that does not fit") from None

    def check(self, module: Any, data: Any, states: tuple[Any, ...]) -> None:
        """Raises UnfitError if torch would do more than compute the result. Each check takes about 50 ns."""
        if module.training:
            self.discard_weights()  # a fused optimizer changes weights, and torch does not count it as a change
            raise UnfitError("training mode")
        if _peek_transform() is not None or forward_ad._current_level >= 0:
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
            self.discard_weights()  # for the same reason as in training mode
            for notice in self.notices:
                warnings.warn(notice, stacklevel=7)  # the warning names the line that calls the module
            raise UnfitError("grad mode")

    def weights(self, module: Any) -> list[Any]:
        """The weights of the module. Raises UnfitError if one is no parameter."""
        parameters = module._parameters
        try:
            return [parameters[name] for name in self.names]
        except KeyError as name:
            raise UnfitError(f"{name} is no parameter: parametrized, pruned or weight-normed") from None

    def network(self, module: Any) -> Any:
        """The network with the module's weights. It is packed again if the weights have changed since the last call."""
        packed = self.packed
        if packed and unchanged(module._parameters, self.names, packed.weights, packed.key, packed.bits, _TABLE):
            return packed.network
        weights = self.weights(module)
        key = [_identity(weight) for weight in weights]
        if packed is None or packed.key != key:
            network = self.pack(module, weights)
            storages = [weight.untyped_storage() for weight in weights]
            self.packed = packed = PackedWeights(network, key, 8 * network.dtype.itemsize, weights, storages)
        return packed.network

    def pack(self, module: Any, weights: list[Any]) -> Any:
        """A network with these weights and the module's options. Raises UnfitError."""
        if not all(weight.is_cpu for weight in weights):
            raise UnfitError("weights on another device")
        dtypes = {weight.dtype for weight in weights}
        if len(dtypes) > 1 or not dtypes <= _DTYPES:
            raise UnfitError(f"weights of {', '.join(sorted(map(str, dtypes)))}")
        try:
            named = dict(zip(self.names, weights, strict=True))
            network = network_of(self.ours, module, named, num_threads=self.num_threads)
        except (TypeError, ValueError) as error:
            raise UnfitError(str(error)) from None
        for size in SIZES:
            if hasattr(network, size) and getattr(network, size) != getattr(module, size):
                raise UnfitError(f"{size} is another than the weights'")
        network._loaded().discard_weights()  # the module has them
        return network


try:  # Dynamo cannot trace Engine.serve. This lets the interpreter run all of it.
    from torch._C._dynamo.eval_frame import _FrameAction, _FrameExecStrategy, set_code_exec_strategy

    set_code_exec_strategy(Engine.serve.__code__, _FrameExecStrategy(_FrameAction.SKIP, _FrameAction.SKIP))
except ImportError:  # before PyTorch 2.7 there is no such setting: Dynamo tries to trace Engine.serve, and fails
    pass


def _equal(one: Any, other: Any) -> bool:
    """Whether two tensors have the same dtype and values."""
    return bool(one.dtype == other.dtype and torch.equal(one, other))


def _is_cpu_default(mode: int) -> bool:
    """Whether the function mode at this position of torch's stack is that of torch.set_default_device("cpu").

    This mode does not change the result.
    """
    entry = torch._C._get_function_stack_at(mode)
    return type(entry) is DeviceContext and entry.device.type == "cpu"


def _tensors(hidden: Any) -> Any:
    """h or (h, c) as tensors that share the memory of the arrays."""
    return (from_numpy(hidden[0]), from_numpy(hidden[1])) if isinstance(hidden, tuple) else from_numpy(hidden)


def _identity(weight: Any) -> tuple[Any, ...]:
    """Values that differ if the weight was changed or replaced. Inference tensors have no version."""
    if type(weight) not in _PLAIN:
        raise UnfitError("weights that are no plain tensors")
    version = None if weight.is_inference() else weight._version
    return weight.data_ptr(), version, weight.shape, weight.dtype, weight.stride(), weight.is_neg()
