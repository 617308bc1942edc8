"""The operator gatecell::recurrent, which torch.compile puts into a graph for an accelerated module. Imports torch.

Arguments of the operator are the weights, so that the graph depends on them; the number of the module that it runs; and
the sizes that determine the shapes of its outputs. The number is a tensor, so that one graph works for several modules.
A compiled graph may write into weights, and PyTorch does not count these changes. So a graph has an engine of its own,
which compares the contents of the weights with those that it has packed. Calls outside graphs do not use that engine.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import torch

# The accelerated modules by the numbers of their engines.
modules: WeakValueDictionary[int, Any] = WeakValueDictionary()


def can_run(module: Any, input: Any, hx: Any) -> bool:
    """Whether the operator may run the call. When it runs, it checks again what is not known during tracing."""
    pair = isinstance(hx, (tuple, list)) and len(hx) == 2
    if not isinstance(input, torch.Tensor) or not (hx is None or (pair if _has_c(module) else _is_tensor(hx))):
        return False
    if torch.compiler.is_exporting() or torch.is_autocast_enabled("cpu") or module.training:
        return False
    if _transform() or torch.autograd.forward_ad._current_level >= 0:
        return False
    if torch._inductor.config.freezing:  # it would make the number a constant, which is wrong for other modules
        return False
    tensors = [input, *_states(hx), *_weights(module)]
    gradients = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return not gradients and all(tensor.is_cpu for tensor in tensors)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _transform() -> bool:
    """Whether a transform such as vmap is active. Dynamo compiles again if this changes."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def forward(module: Any, input: Any, hx: Any) -> Any:
    """The result of the module's call, computed by the operator."""
    has_c, hidden_size = _has_c(module), module.hidden_size
    if _is_layer(module):
        directions = 2 if module.bidirectional else 1
        direction_runs, out = module.num_layers * directions, module.proj_size or hidden_size
        sizes = [has_c, module.batch_first, direction_runs, directions, out, hidden_size]
    else:
        sizes = [has_c, False, 0, 1, hidden_size, hidden_size]
    outputs = recurrent(input, _states(hx), _weights(module), module._gatecell.number, [int(size) for size in sizes])
    hidden = tuple(outputs[-2:]) if has_c else outputs[-1]
    return (outputs[0], hidden) if _is_layer(module) else hidden


def _run(
    input: torch.Tensor, hx: list[torch.Tensor], weights: list[torch.Tensor], number: torch.Tensor, sizes: list[int]
) -> list[torch.Tensor]:
    """The operator. Returns y (layers only), h, and c (LSTM only). hx: empty, h, or h and c.

    sizes: whether there is a c; batch_first; direction runs (0 for a cell); directions; features of h; features of c.
    """
    module = modules.get(int(number))
    if module is None:
        raise RuntimeError("the module that this graph calls is gone: keep the model as long as what is compiled of it")
    engine = module._gatecell.in_graph(weights)
    # A copy of the module runs, because functional_call and graphs may pass other weights than the module's.
    twin = object.__new__(type(module))
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
    """Tensors of the same shapes and dtypes as the operator returns, without values, for tracing."""
    has_c, batch_first, direction_runs, directions, out, hidden = sizes
    *lead, _ = input.shape
    if not direction_runs:
        shapes = [(*lead, hidden)] * (2 if has_c else 1)
    else:
        rows = lead[1 - batch_first :][:1] if len(lead) == 2 else []
        shapes = [(*lead, directions * out), (direction_runs, *rows, out)]
        shapes += [(direction_runs, *rows, hidden)] if has_c else []
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
