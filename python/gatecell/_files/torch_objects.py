"""The meaning of the calls in torch.save's pickles: the calls that make tensors, and the parts of a tensor.

The names come from torch/_utils.py, torch/_tensor.py and torch/serialization.py. Other calls make no tensors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .pickle_objects import PERSISTENT, Call, Name
from .sizes import are_sizes, is_size, overflows

# The element types of torch's storages. The elements of an UntypedStorage are bytes.
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
    "UntypedStorage": "uint8",
}
_UTILS = "torch._utils._rebuild_"
_TENSORS = {_UTILS + "tensor", _UTILS + "tensor_v2", _UTILS + "tensor_v3"}
_REFUSED = {
    _UTILS + "sparse_tensor": "a sparse tensor: save tensor.to_dense()",
    _UTILS + "sparse_csr_tensor": "a sparse tensor: save tensor.to_dense()",
    _UTILS + "qtensor": "a quantised tensor: save tensor.dequantize()",
    _UTILS + "nested_tensor": "a nested tensor: save tensor.to_padded_tensor(...)",
    "torch.nested._internal.nested_tensor._rebuild_njt": "a nested tensor: save tensor.to_padded_tensor(...)",
    _UTILS + "meta_tensor_no_storage": "a meta tensor, which has a shape but no values",
}
_BUILTINS = ("builtins", "__builtin__")
# Calls of these names stand for their first argument.
_WRAPPERS = {
    _UTILS + "parameter",
    _UTILS + "parameter_with_state",
    _UTILS + "device_tensor_from_cpu_tensor",
    _UTILS + "device_tensor_from_numpy",
    _UTILS + "xla_tensor",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
    "torch.jit._pickle.restore_type_tag",
    "torch.jit._pickle.build_tensorlist",
    "torch.Size",
    *(f"{module}.{name}" for module in _BUILTINS for name in ("set", "frozenset", "list", "tuple")),
}
# Calls of these names have as arguments a function, a class, the arguments of the function, and a state.
_TYPED = {"torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type", "torch.tensor._rebuild_from_type"}
_MAX_WRAPPERS = 10


class Storage(NamedTuple):
    """`size` elements of a storage, from element `begin` on. Only older files name a part of a storage."""

    key: object
    dtype: str
    size: int
    begin: int = 0


class Tensor(NamedTuple):
    """A view of a storage. The units of `offset` and `strides` are elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    conjugate: bool
    negative: bool


def unwrap(node: Any) -> Any:
    """The object inside a parameter or another wrapper, through at most _MAX_WRAPPERS wrappers. Else `node` itself."""
    for _ in range(_MAX_WRAPPERS):
        if type(node) is not Call:
            break
        if node.args and (node.name in _WRAPPERS or node.name.startswith("torch.return_types.")):
            node = node.args[0]
        elif node.name in _TYPED and len(node.args) == 4:
            function, _, args, _ = node.args
            if type(function) is not Name or type(args) is not tuple:
                break
            if not makes_tensor(function.name) and function.name not in _WRAPPERS:
                break
            node = Call(function.name, args)
        else:
            break
    return node


def attributes(node: Any) -> list[Any]:
    """The attributes that Python code has set on a tensor or parameter.

    torch saves them as the __dict__ and the slots, or as a state of the class's own kind.
    """
    found: list[Any] = []
    for _ in range(_MAX_WRAPPERS):
        if type(node) is not Call or not node.args:
            break
        if len(node.args) == 4 and (node.name in _TYPED or node.name == _UTILS + "parameter_with_state"):
            states: list[Any] = list(states_of(node.args[3]))
            found += states or [[node.args[3]]]
        node = node.args[0]
    return [part for part in found if part]


def states_of(state: Any) -> list[dict[Any, Any]]:
    """The attributes in the state of an object: its dict, or its dict and its slots; else empty."""
    if type(state) is tuple and len(state) == 2 and all(type(part) in (dict, type(None)) for part in state):
        return [part or {} for part in state]
    return [state or {}] if state is None or type(state) is dict else []


def makes_tensor(name: str) -> bool:
    """Whether a call of this name makes a tensor. Also true for unknown kinds, so that they cause an error."""
    known = name in _TENSORS or name in _REFUSED or name in _TYPED
    return known or (name.startswith(_UTILS) and name not in _WRAPPERS)


def storage(pid: Any) -> Storage:
    """The storage that a persistent id names. In older files a sixth item names a part of a storage."""
    if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] not in ("storage", b"storage"):
        raise ValueError("expected a storage")
    _, kind, key, _, size, *view = pid
    dtype = STORAGES.get(kind.name.rpartition(".")[2]) if type(kind) is Name else None
    if dtype is None:
        raise ValueError(f"its storage is of an unknown type{f', {kind.name}' if type(kind) is Name else ''}")
    if not (type(key) is str or is_size(key)) or not is_size(size):
        raise ValueError("its storage has no name, or no size")
    if view and view[0] is not None:
        if type(view[0]) is not tuple or len(view[0]) != 3 or not all(map(is_size, view[0][1:])):
            raise ValueError("its storage is part of another in an unknown way")
        _, begin, part = view[0]
        if begin + part > size:
            raise ValueError("its storage reaches beyond the one it is part of")
        return Storage(key, dtype, part, begin)
    return Storage(key, dtype, size)


def tensor(call: Call) -> Tensor:
    """The tensor that a call makes. Checks every number. Raises ValueError for sparse, quantised and other kinds."""
    if call.name not in _TENSORS:
        raise ValueError(_REFUSED.get(call.name, f"a tensor of a class of its own, made by {call.name}"))
    held, offset, shape, strides, *more = call.args if len(call.args) >= 4 else (None,) * 4
    if type(held) is not Call or held.name != PERSISTENT:
        raise ValueError("has no storage")
    place = storage(held.args[0])
    dtype = place.dtype
    metadata = more[2] if len(more) > 2 else None
    if call.name.endswith("_v3"):
        metadata = more[3] if len(more) > 3 else None
        dtype = more[2].name.removeprefix("torch.") if len(more) > 2 and type(more[2]) is Name else "unknown"
    shape, strides = unwrap(shape), unwrap(strides)
    if not are_sizes(shape) or not are_sizes(strides):
        raise ValueError("has a shape or strides that are not up to 32 sizes")
    if not is_size(offset) or len(shape) != len(strides):
        raise ValueError("has an offset that is no size, or another number of strides than of dimensions")
    if overflows(shape):
        raise ValueError("has a shape that overflows")
    flags = metadata if type(metadata) is dict else {}
    return Tensor(place, dtype, offset, tuple(shape), tuple(strides), bool(flags.get("conj")), bool(flags.get("neg")))
