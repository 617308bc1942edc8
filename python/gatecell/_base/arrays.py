"""Conversion of arguments to arrays that the core can read. Errors say why an argument cannot be converted."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

# How long NumPy may search for an overlap. This is enough for an exact answer on usual layouts. Where it is not enough,
# NumPy reports an overlap.
_OVERLAP_EFFORT: Any = 10_000


def view(value: Any, name: str, *, force: bool = False) -> Floats:
    """`value` as a NumPy array of real floats. It shares the memory of `value` where NumPy can do so.

    force is for weights: a torch tensor may then require grad or be on a GPU, and lists may hold integers.
    """
    array = value if type(value) is np.ndarray else to_numpy(value, name, force)
    if force and array.dtype.kind in "iu" and isinstance(value, (list, tuple)) and is_list_of_numbers(value):
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        alone = array.ndim == 0 and not hasattr(value, "dtype")  # for None, a dict or a generator NumPy says "object"
        got = array.dtype if not alone else "None" if value is None else type(value).__name__
        raise TypeError(f"{name}: expected real floating point numbers, got {got}")
    return array


def is_list_of_numbers(value: Any) -> bool:
    """Whether `value` is a Python number, or a list or nested list that begins with one. It then has no dtype."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, Real) and not hasattr(value, "dtype")


def widest_dtype(values: Iterable[Any], arrays: Iterable[Floats]) -> np.dtype[Any]:
    """The widest dtype among weights. `values` are the weights as the caller passed them, `arrays` the same as arrays.

    Lists of numbers have no dtype and do not count. If all weights are lists, the dtype is float32, as in torch.
    """
    dtypes = {array.dtype for value, array in zip(values, arrays, strict=True) if not is_list_of_numbers(value)}
    return np.result_type(*(dtypes or {np.dtype(np.float32)}))


def float32_or_float64(value: Any, dtype: np.dtype[Any], name: str) -> Floats:
    """`value` as an array of float32 or float64, between which a step of the core converts. Else it becomes `dtype`."""
    array = view(value, name)
    return array if array.itemsize in (4, 8) else cast(array, dtype)


def to_numpy(value: Any, name: str, force: bool) -> NDArray[Any]:
    """`value` as a NumPy array of any dtype. `name` is the argument's name in errors; force is as for `view`."""
    is_list = type(value) is list  # a list skips the other type checks, which take as long as a short step
    if not is_list and isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: a masked array has values that do not count: fill it first, with .filled(...)")
    if not is_list and type(value).__name__ == "PackedSequence":
        raise TypeError(f"{name}: expected an array, got a packed sequence, which only whole calls of a layer take")
    is_torch = not is_list and isinstance(value, getattr(sys.modules.get("torch"), "Tensor", ()))
    if is_torch and value.device.type == "meta":
        raise ValueError(f"{name}: a meta tensor has a shape but no values")
    if is_torch and value.requires_grad and not force:
        raise ValueError(f"{name}: requires grad, which is not followed here; pass it with .detach()")
    try:
        if is_torch:
            # NumPy has no bfloat16.
            array = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy(force=force)
        elif hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            array = np.from_dlpack(value)
        else:
            array = np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:  # __array__ and __dlpack__ may raise anything
        raise TypeError(f"{name}: NumPy cannot view this {type(value).__name__}: {error}") from error
    return array  # type: ignore[no-any-return]


def integers(value: Any, name: str, expected: str = "integers") -> NDArray[Any]:
    """`value` as an array of some integer dtype. Raises TypeError for other dtypes, also for booleans.

    name: the argument's name in errors. expected: what the error says was expected.
    """
    if isinstance(value, (list, tuple)):
        if not value:  # NumPy would make an array of floats
            return np.zeros(0, np.int64)
        if not {bool, np.bool_}.isdisjoint(map(type, value)):  # in a list of integers NumPy would make them 0 and 1
            raise TypeError(f"{name}: expected {expected}, got bool")
    return array_of_kind(value, name, "iu", expected)


def array_of_kind(value: Any, name: str, kinds: str, expected: str) -> NDArray[Any]:
    """`value` as an array of one of these kinds (letters of NumPy's dtype.kind). Raises TypeError for another kind.

    name: the argument's name in errors. expected: what the error says was expected.
    """
    array = value if type(value) is np.ndarray else to_numpy(value, name, False)
    if array.dtype.kind not in kinds:
        got = array.dtype if array.ndim or hasattr(value, "dtype") else type(value).__name__
        raise TypeError(f"{name}: expected {expected}, got {got}")
    return array


def cast(array: Floats, dtype: np.dtype[Any]) -> Floats:
    """The array itself if it has this dtype, else a converted copy.

    Values beyond float32's range become infinite without a warning.
    """
    if array.dtype == dtype:
        return array
    if array.itemsize == 2:  # float16 cannot overflow, so errstate, which takes a microsecond, is not needed
        return array.astype(dtype, order="C")
    with np.errstate(all="ignore"):
        return array.astype(dtype, order="C")


def floats(value: Any, dtype: np.dtype[Any], name: str) -> Floats:
    """`value` as an array of `dtype`. `name` is the argument's name in errors."""
    return cast(view(value, name), dtype)


def contiguous(array: Floats) -> Floats:
    """The array itself if it is C-contiguous and aligned, else a copy that is."""
    return array if array.flags.c_contiguous and array.flags.aligned else array.copy()


def adjacent(array: Floats) -> Floats:
    """The array itself if its features are adjacent in memory and aligned, else a C-contiguous copy."""
    return array if array.strides[-1] == array.itemsize and array.flags.aligned else array.copy()


def initial_state(value: Any, dtype: np.dtype[Any], name: str, shape: tuple[int, ...]) -> Floats:
    """`value` as an initial state: a C-contiguous array of this dtype. Raises ValueError if it has another shape."""
    if type(value) is not np.ndarray or value.dtype != dtype:
        value = floats(value, dtype, name)
    if value.shape != shape:
        raise ValueError(f"expected {name} {shape}, got {value.shape}")
    return contiguous(value)


def check_out(out: Any, dtype: np.dtype[Any], shape: tuple[int, ...], inputs: list[Floats | None]) -> None:
    """Raises TypeError or ValueError unless the core can write y directly into `out` while it reads `inputs`."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"expected out to be a NumPy array, got {type(out).__name__}")
    if out.dtype != dtype:
        raise TypeError(f"expected out of dtype {dtype}, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"expected out {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("expected a writeable out, got a read-only array")
    is_adjacent = out.strides[-1] == out.itemsize or out.shape[-1] == 1 or not out.size
    if not is_adjacent or not out.flags.aligned:
        raise ValueError(f"expected out with adjacent and aligned features, got strides {out.strides}")
    if not out.flags.c_contiguous and _overlaps_itself(out):
        raise ValueError(f"expected out with an element of its own for each value, got strides {out.strides}")
    if any(np.may_share_memory(out, array, max_work=_OVERLAP_EFFORT) for array in inputs if array is not None):
        raise ValueError("expected out to share no memory with the input and the initial state, got overlapping memory")


def _overlaps_itself(array: NDArray[Any]) -> bool:
    """Whether two elements of the array may share memory.

    They may if the stride of an axis is smaller than the memory that the axes of smaller strides take.
    """
    reach = array.itemsize
    for stride, size in sorted((abs(stride), size) for stride, size in zip(array.strides, array.shape, strict=True)):
        if size > 1 and stride < reach:
            return True
        reach += stride * (size - 1)
    return False
