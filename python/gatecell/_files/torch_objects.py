"""What the calls in torch.save's pickles mean: which of them are tensors, and under which paths they are found.

The names are those of torch/_utils.py, torch/_tensor.py and torch/serialization.py; nothing else in a pickle matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from .numpy_objects import is_array
from .sizes import are_sizes, is_size, overflows
from .unpickle import PERSISTENT, Call, Name, OddKey

# The element types of torch's storages; UntypedStorage counts bytes.
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
# Their first argument is what they stand for.
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
# Their arguments are another function, a class and that function's arguments.
_TYPED = {"torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type", "torch.tensor._rebuild_from_type"}
_DICTS = {"collections.OrderedDict", "collections.defaultdict"}
_PLAIN = {PERSISTENT, "_codecs.encode", "numpy.dtype"} | {
    f"{m}.{n}" for m in _BUILTINS for n in ("bytes", "bytearray", "complex")
}
_HOLDERS = (dict, list, tuple, Call, Name)
_MAX_DEPTH = 1_000
_MAX_WRAPPERS = 10
_MAX_PATH = 10_000  # characters
# Characters of paths and members of containers that are looked at, some seconds' worth; what a pickle of so many bytes
# can hold without making one object look like many.
_MAX_WALK = 1 << 26
_WALK, _WALK_PER_BYTE = 1 << 20, 64


class Storage(NamedTuple):
    """`size` elements of a storage, from `begin` on (older files name parts of storages)."""

    key: object
    dtype: str
    size: int
    begin: int = 0


class Tensor(NamedTuple):
    """A view of a storage; offset and strides count elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    conjugate: bool
    negative: bool


def unwrap(node: Any) -> Any:
    """What a parameter or another wrapper holds; they may be nested, within reason."""
    for _ in range(_MAX_WRAPPERS):
        if type(node) is not Call:
            break
        if node.args and (node.name in _WRAPPERS or node.name.startswith("torch.return_types.")):
            node = node.args[0]
        elif node.name in _TYPED and len(node.args) == 4:
            function, _, args, _ = node.args
            if type(function) is not Name or type(args) is not tuple:
                break
            if not _makes_tensor(function.name) and function.name not in _WRAPPERS:
                break
            node = Call(function.name, args)
        else:
            break
    return node


def _makes_tensor(name: str) -> bool:
    """Whether a call of the name makes a tensor, of whatever kind: one that is not known is not passed over."""
    known = name in _TENSORS or name in _REFUSED or name in _TYPED
    return known or (name.startswith(_UTILS) and name not in _WRAPPERS)


def storage(pid: Any) -> Storage:
    """The storage that a persistent id names; those of older files have a sixth item for parts of storages."""
    if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] not in ("storage", b"storage"):
        raise ValueError("expected a storage")
    _, kind, key, _, size, *view = pid
    dtype = STORAGES.get(kind.name.rpartition(".")[2]) if type(kind) is Name else None
    if dtype is None or not (type(key) is str or is_size(key)) or not is_size(size):
        raise ValueError("its storage is of an unknown type, or has no size")
    if view and view[0] is not None:
        if type(view[0]) is not tuple or len(view[0]) != 3 or not all(map(is_size, view[0][1:])):
            raise ValueError("its storage is part of another in an unknown way")
        _, begin, part = view[0]
        if begin + part > size:
            raise ValueError("its storage reaches beyond the one it is part of")
        return Storage(key, dtype, part, begin)
    return Storage(key, dtype, size)


def tensor(call: Call) -> Tensor:
    """The tensor a call makes, every number checked. Raises ValueError for kinds without values of their own."""
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


def find(root: Any, size: int) -> tuple[dict[str, Call], dict[str, str]]:
    """The tensors and NumPy arrays by path in what a pickle of `size` bytes holds, and the names of foreign objects.

    Raises ValueError for a container inside itself and for objects so entangled that their paths would fill memory.
    """
    found: dict[str, Call] = {}
    foreign: dict[str, str] = {}
    open_nodes: dict[int, Any] = {}
    branches: list[Iterator[tuple[str, Any]]] = [iter([("", root)])]
    spare = min(_MAX_WALK, _WALK + _WALK_PER_BYTE * size)
    while branches:
        path, node = next(branches[-1], (None, None))
        if path is None:
            branches.pop()
            if open_nodes:
                open_nodes.popitem()
            continue
        node = unwrap(node)
        holders = _holders(node)
        spare -= 64 + len(path) + sum(map(len, holders))
        if spare < 0 or len(branches) > _MAX_DEPTH or len(path) > _MAX_PATH:
            raise ValueError("its objects are too many, or nested too deeply")
        if type(node) is Call and (_makes_tensor(node.name) or is_array(node)):
            if path in found:
                raise ValueError(f"two tensors have the path {path!r}")
            found[path] = node
        elif type(node) is Name:
            if not node.name.startswith("torch."):
                foreign[path] = node.name
        elif type(node) not in (dict, list, tuple, Call):
            continue
        elif id(node) in open_nodes:
            if type(node) is not Call:  # objects may know each other
                raise ValueError(f"{path[:200]!r} contains itself")
        else:
            if type(node) is Call and _is_foreign(node):
                foreign[path] = node.name
            open_nodes[id(node)] = node
            branches.append(_named(path, holders))
    return found, foreign


def _named(path: str, holders: list[Any]) -> Iterator[tuple[str, Any]]:
    """The members that may hold tensors, with their paths."""
    for key, child in chain.from_iterable(
        holder.items() if type(holder) is dict else enumerate(holder) for holder in holders
    ):
        if type(child) in _HOLDERS:
            name = key.name() if type(key) is OddKey else str(key)
            if name is not None:
                yield f"{path}.{name}" if path else name, child


def _is_foreign(call: Call) -> bool:
    inert = call.name in _DICTS or call.name in _PLAIN or call.name.startswith(("__torch__.", "torch."))
    return not inert and _module(call) is None


def _holders(node: Any) -> list[Any]:
    """The containers whose members are to be looked at. A range holds nothing: it counts what was looked at already."""
    if type(node) is not Call:
        return [node] if type(node) in (dict, list, tuple) else []
    if node.name in _DICTS:
        return [*_pairs(node), node.items]
    if (groups := _module(node)) is not None:
        return groups
    states = _states(node)
    if node.name.startswith("__torch__."):  # TorchScript: lists hold parameters only once more
        own = states[0] if states else {}
        return [{key: child for key, child in own.items() if type(unwrap(child)) is Call}, range(len(own))]
    if not states and type(node.state) in (list, tuple):
        states = [node.state]
    return [[None if type(arg) is Name else arg for arg in node.args], *states, node.items, node.entries]


def _states(call: Call) -> list[dict[Any, Any]]:
    """The attributes of an object: its dict, or that and its slots."""
    states = call.state if type(call.state) is tuple and len(call.state) == 2 else (call.state,)
    return [state or {} for state in states] if all(type(state) in (dict, type(None)) for state in states) else []


def _module(call: Call) -> list[Any] | None:
    """Parameters, lasting buffers and modules of a saved torch.nn.Module, or None if it is something else."""
    own = states[0] if (states := _states(call)) else {}
    groups = [unwrap(own.get(name)) for name in ("_parameters", "_buffers", "_modules")]
    if any(type(group) is not dict and not (type(group) is Call and group.name in _DICTS) for group in groups):
        return None
    parameters, buffers, modules = (group.items if type(group) is Call else group for group in groups)
    transient = unwrap(own.get("_non_persistent_buffers_set"))
    transient = transient if type(transient) is list else []
    hidden = {name for name in transient if type(name) is str}
    buffers = {name: child for name, child in buffers.items() if name not in hidden}
    return [parameters, buffers, modules, range(4 * len(transient))]  # a set takes its time


def _pairs(call: Call) -> list[Any]:
    """The items of an OrderedDict that Python 2 passed as a list of pairs."""
    if call.name != "collections.OrderedDict" or not call.args or type(call.args[0]) is not list:
        return []
    pairs = [pair for pair in call.args[0] if type(pair) in (list, tuple) and len(pair) == 2]
    return [
        {key: child for key, child in pairs if type(key) is str or is_size(key)},
        range(len(call.args[0])),
    ]
