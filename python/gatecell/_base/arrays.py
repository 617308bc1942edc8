"""Arrays in and out: whatever holds real floats becomes an array the core can read, or an error that says why not."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

# Decides exactly for the layouts met in practice; an overlap that is harder to decide counts as one.
_OVERLAP_EFFORT: Any = 10_000


def view(value: Any, name: str, *, force: bool = False) -> Floats:
    """`value` as a NumPy array of real floats, sharing its memory where NumPy can.

    With `force` (weights) a torch tensor may require grad or live on a GPU, and lists may hold whole numbers.
    """
    array = value if type(value) is np.ndarray else to_numpy(value, name, force)
    if force and array.dtype.kind in "iu" and isinstance(value, (list, tuple)) and is_numbers(value):
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        alone = array.ndim == 0 and not hasattr(value, "dtype")  # NumPy calls None, a dict or a generator "object"
        got = array.dtype if not alone else "None" if value is None else type(value).__name__
        raise TypeError(f"{name}: expected real floating point numbers, got {got}")
    return array


def is_numbers(value: Any) -> bool:
    """Whether it is a list of numbers, nested or not: these have no dtype."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, Real) and not hasattr(value, "dtype")


def widest(values: Iterable[Any], arrays: Iterable[Floats]) -> np.dtype[Any]:
    """The dtype that weights have in common, given as they came and as arrays.

    Lists of numbers take that of the arrays beside them. Lists alone are float32, as in torch.
    """
    dtypes = {array.dtype for value, array in zip(values, arrays, strict=True) if not is_numbers(value)}
    return np.result_type(*(dtypes or {np.dtype(np.float32)}))


def either_type(value: Any, dtype: np.dtype[Any], name: str) -> Floats:
    """`value` as an array of float32 or float64 numbers, which a step of the core converts to `dtype` by itself."""
    array = view(value, name)
    return array if array.itemsize in (4, 8) else cast(array, dtype)


def to_numpy(value: Any, name: str, force: bool) -> NDArray[Any]:
    is_list = type(value) is list  # and not to be asked what else it is: that would take as long as a short step
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
            # NumPy has no bfloat16
            array = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy(force=force)
        elif hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            array = np.from_dlpack(value)
        else:
            array = np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:  # whatever an __array__ or __dlpack__ raises
        raise TypeError(f"{name}: NumPy cannot view this {type(value).__name__}: {error}") from error
    return array  # type: ignore[no-any-return]


def integers(value: Any, name: str, expected: str = "integers") -> NDArray[Any]:
    """What the caller passed as `name`, as an array of some integer type. Raises TypeError, for bools too."""
    if isinstance(value, (list, tuple)):
        if not value:  # NumPy takes it for floats
            return np.zeros(0, np.int64)
        if not {bool, np.bool_}.isdisjoint(map(type, value)):  # beside integers NumPy takes them for 0 and 1
            raise TypeError(f"{name}: expected {expected}, got bool")
    return of_kind(value, name, "iu", expected)


def of_kind(value: Any, name: str, kinds: str, expected: str) -> NDArray[Any]:
    """What the caller passed as `name`, as an array of one of NumPy's kinds of dtype. Raises TypeError."""
    array = value if type(value) is np.ndarray else to_numpy(value, name, False)
    if array.dtype.kind not in kinds:
        got = array.dtype if array.ndim or hasattr(value, "dtype") else type(value).__name__
        raise TypeError(f"{name}: expected {expected}, got {got}")
    return array


def cast(array: Floats, dtype: np.dtype[Any]) -> Floats:
    """The array itself if it is of `dtype`, else converted. Values beyond float32's range become infinite, silently."""
    if array.dtype == dtype:
        return array
    if array.itemsize == 2:  # nothing to be silent about, which takes NumPy a microsecond
        return array.astype(dtype, order="C")
    with np.errstate(all="ignore"):
        return array.astype(dtype, order="C")


def floats(value: Any, dtype: np.dtype[Any], name: str) -> Floats:
    """What the caller passed as `name`, as an array of `dtype`."""
    return cast(view(value, name), dtype)


def contiguous(array: Floats) -> Floats:
    """The array itself if it is C-contiguous and aligned, else a copy that is."""
    return array if array.flags.c_contiguous and array.flags.aligned else array.copy()


def adjacent(array: Floats) -> Floats:
    """The array itself if its features lie side by side and aligned, else a copy that is C-contiguous."""
    return array if array.strides[-1] == array.itemsize and array.flags.aligned else array.copy()


def initial_state(value: Any, dtype: np.dtype[Any], name: str, shape: tuple[int, ...]) -> Floats:
    """An initial state, C-contiguous, of exactly `shape`."""
    if type(value) is not np.ndarray or value.dtype != dtype:
        value = floats(value, dtype, name)
    if value.shape != shape:
        raise ValueError(f"expected {name} {shape}, got {value.shape}")
    return contiguous(value)


def check_out(out: Any, dtype: np.dtype[Any], shape: tuple[int, ...], inputs: list[Floats | None]) -> None:
    """Raise unless y can be written straight into `out` while `inputs` are being read."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"expected out to be a NumPy array, got {type(out).__name__}")
    if out.dtype != dtype:
        raise TypeError(f"expected out of dtype {dtype}, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"expected out {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("expected a writeable out, got a read-only array")
    side_by_side = out.strides[-1] == out.itemsize or out.shape[-1] == 1 or not out.size
    if not side_by_side or not out.flags.aligned:
        raise ValueError(f"expected out with its features side by side and aligned, got strides {out.strides}")
    if not out.flags.c_contiguous and _overlaps_itself(out):
        raise ValueError(f"expected out with an element of its own for each value, got strides {out.strides}")
    if any(np.may_share_memory(out, array, max_work=_OVERLAP_EFFORT) for array in inputs if array is not None):
        raise ValueError("expected out apart from the input and the initial state, got overlapping memory")


def _overlaps_itself(array: NDArray[Any]) -> bool:
    """Whether two elements may share memory: some axis steps less far than the axes inside it reach."""
    reach = array.itemsize
    for stride, size in sorted((abs(stride), size) for stride, size in zip(array.strides, array.shape, strict=True)):
        if size > 1 and stride < reach:
            return True
        reach += stride * (size - 1)
    return False
