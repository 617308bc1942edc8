"""What torch.compile sees of an accelerated module: one opaque operator, gatecell::recurrent. Imports torch.

The operator is given the weights, so that the graph knows of them, the number of the module whose forward it runs, as a
tensor so that one graph does for many modules, and the sizes that its outputs' shapes depend on. Graphs write into
memory without a trace: what is packed in one is known again by the weights' contents, and eager calls do not trust it.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import torch

modules: WeakValueDictionary[int, Any] = WeakValueDictionary()  # the accelerated ones, by their engines' numbers


def fits(module: Any, input: Any, hx: Any) -> bool:
    """Whether the operator may stand for the call. It checks for itself what a trace cannot tell."""
    pair = isinstance(hx, (tuple, list)) and len(hx) == 2
    if not isinstance(input, torch.Tensor) or not (hx is None or (pair if _has_c(module) else _is_tensor(hx))):
        return False
    if torch.compiler.is_exporting() or torch.is_autocast_enabled("cpu") or module.training:
        return False
    if _transform() or torch.autograd.forward_ad._current_level >= 0:
        return False
    if torch._inductor.config.freezing:  # it would make the number a constant, for other modules too
        return False
    tensors = [input, *_states(hx), *_weights(module)]
    gradients = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return not gradients and all(tensor.is_cpu for tensor in tensors)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _transform() -> bool:
    """Dynamo compiles again where transforms differ."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def forward(module: Any, input: Any, hx: Any) -> Any:
    """The module's result, by way of the operator."""
    has_c, hidden_size = _has_c(module), module.hidden_size
    if _is_layer(module):
        directions = 2 if module.bidirectional else 1
        chains, out = module.num_layers * directions, module.proj_size or hidden_size
        sizes = [has_c, module.batch_first, chains, directions, out, hidden_size]
    else:
        sizes = [has_c, False, 0, 1, hidden_size, hidden_size]
    outputs = recurrent(input, _states(hx), _weights(module), module._gatecell.number, [int(size) for size in sizes])
    hidden = tuple(outputs[-2:]) if has_c else outputs[-1]
    return (outputs[0], hidden) if _is_layer(module) else hidden


def _run(
    input: torch.Tensor, hx: list[torch.Tensor], weights: list[torch.Tensor], number: torch.Tensor, sizes: list[int]
) -> list[torch.Tensor]:
    """y (of a layer only), h and (of an LSTM) c. `hx` has as many tensors as are given.

    sizes: whether there is c and the batch comes first, chains (none of a cell), directions, features of h and of c.
    """
    module = modules.get(int(number))
    if module is None:
        raise RuntimeError("the module that this graph calls is gone: keep the model as long as what is compiled of it")
    engine = module._gatecell.in_graph(weights)
    twin = object.__new__(type(module))  # the weights may be others than its own: those of functional_call, or copies
    named = dict(zip(module._gatecell.names, weights, strict=True))
    vars(twin).update(vars(module), _gatecell=engine, _parameters={**module._parameters, **named})
    vars(twin).update(_flat_weights=weights, _flat_weight_refs=[None] * len(weights))
    try:
        result = twin.forward(input, tuple(hx) if len(hx) == 2 else hx[0] if hx else None)
    finally:
        module._gatecell.count(engine)
    y, states = ([result[0]], result[1]) if _is_layer(module) else ([], result)
    return [tensor.contiguous() for tensor in (*y, *_states(states))]


def _fake(
    input: torch.Tensor, hx: list[torch.Tensor], weights: list[torch.Tensor], number: torch.Tensor, sizes: list[int]
) -> list[torch.Tensor]:
    """The same tensors without values."""
    has_c, batch_first, chains, directions, out, hidden = sizes
    *lead, _ = input.shape
    if not chains:
        shapes = [(*lead, hidden)] * (2 if has_c else 1)
    else:
        rows = lead[1 - batch_first :][:1] if len(lead) == 2 else []
        shapes = [(*lead, directions * out), (chains, *rows, out)]
        shapes += [(chains, *rows, hidden)] if has_c else []
    return [input.new_empty(shape) for shape in shapes]


recurrent: Any = torch.library.custom_op("gatecell::recurrent", _run, mutates_args=())
recurrent.register_fake(_fake)


def _is_layer(module: Any) -> bool:
    return isinstance(module, torch.nn.RNNBase)


def _has_c(module: Any) -> bool:
    return isinstance(module, (torch.nn.LSTM, torch.nn.LSTMCell))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _states(hx: Any) -> list[Any]:
    return [] if hx is None else [hx] if _is_tensor(hx) else list(hx)


def _weights(module: Any) -> list[Any]:
    return [getattr(module, name) for name in module._gatecell.names]
