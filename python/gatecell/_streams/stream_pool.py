"""StreamPool: the states of streams that begin and end at any time. Any of them can be computed as one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._base.arrays import Floats, cast, contiguous, float32_or_float64, floats, integers
from .._core import Pool32, Pool64, pool_step
from .stream import check_count
from .streamable import Streamable

Ids = Sequence[int] | NDArray[np.integer[Any]]


class StreamPool:
    """A stream pool runs a network of one direction on at most `capacity` open streams. Each has an int as its id.

    An id is never used again. The results of a stream have the same bits as if it were alone. The pool has one copy of
    the weights for all streams: those that `net` has when the pool is made. ids in the methods are ids of open streams:
    a list, a tuple or an array of integers, not a mask. No id may come twice, except in `state`. Only one thread may
    use the pool at a time. Arguments that do not fit raise an error, and then no state has changed: ValueError for ids
    and shapes, TypeError for types, RuntimeError while another thread uses the pool.
    """

    def __init__(self, net: Streamable, capacity: int = 10_000) -> None:
        if not isinstance(net, Streamable):
            raise TypeError(
                f"expected an LSTM, GRU or RNN of gatecell, got {net if isinstance(net, type) else type(net)}"
            )
        self._net = net._frozen()
        self._capacity = check_count("capacity", capacity)
        pool: Any = Pool32 if net.dtype == np.float32 else Pool64
        self._core = pool(net._loaded(), self._capacity, net.num_threads)

    def open(self, state: Any = None) -> int:
        """Open a stream and return its id.

        state: h or (h, c), (L, 1, S) and (L, 1, hidden_size), or without the axis 1. None means zeros.

        Raises RuntimeError while `capacity` streams are open.
        """
        h, c = (None, None) if state is None else self._one_state(state)
        with self._core:
            sid: int = self._core.open(h, c)
        return sid

    def close(self, sid: int) -> None:
        """Close a stream. Its id is never valid again."""
        with self._core:
            self._core.close(*_ids([sid]))

    def step(self, ids: Ids, x: ArrayLike) -> Floats:
        """Compute one time step of n streams: y (n, S) from x (n, input_size). Row i belongs to stream ids[i]."""
        result: Any = pool_step(self._core, ids, x)
        if result is not NotImplemented:
            return result  # type: ignore[no-any-return]
        array = float32_or_float64(x, self._net.dtype, "input")
        if array is not x:
            result = pool_step(self._core, ids, array)
            if result is not NotImplemented:
                return result  # type: ignore[no-any-return]
        checked = _ids(ids)
        array = cast(array, self._net.dtype)
        if array.shape != (len(checked), self._net.input_size):
            raise ValueError(f"expected input {(len(checked), self._net.input_size)}, got {array.shape}")
        return self._run(checked, np.ones(len(checked), np.int64), array)

    def run(self, ids: Ids, chunks: Sequence[ArrayLike]) -> list[Floats]:
        """Compute several time steps of n streams.

        chunks[i], (T_i, input_size), are the next steps of stream ids[i]. Result i is (T_i, S). T_i may be 0.
        """
        checked = _ids(ids)
        arrays = [floats(chunk, self._net.dtype, f"chunks[{i}]") for i, chunk in enumerate(chunks)]
        if len(arrays) != len(checked):
            raise ValueError(f"expected a chunk for each of {len(checked)} streams, got {len(arrays)}")
        for i, array in enumerate(arrays):
            if array.ndim != 2 or array.shape[1] != self._net.input_size:
                raise ValueError(f"expected chunks[{i}] (T, {self._net.input_size}), got {array.shape}")
        lengths = np.array([len(array) for array in arrays], np.int64)
        x = np.concatenate(arrays) if arrays else np.zeros((0, self._net.input_size), self._net.dtype)
        ends = np.cumsum(lengths).tolist()
        y = self._run(checked, lengths, x)
        return [y[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def reset(self, ids: Ids) -> None:
        """Set the state of these streams to zeros."""
        checked = _ids(ids)
        with self._core:
            self._core.set_state(checked, None, None)

    def state(self, ids: Ids) -> Any:
        """A copy of the state of n streams, as the network's h_n or (h_n, c_n): (L, n, S) and (L, n, hidden_size).

        An id may come more than once.
        """
        checked = _ids(ids)
        with self._core:
            h, c = self._core.get_state(checked)
        return h if c is None else (h, c)

    def set_state(self, ids: Ids, state: Any) -> None:
        """Set the state of n streams: h or (h, c), as `state` returns it."""
        checked = _ids(ids)
        h, c = self._net._states(state, (self._net.num_layers, len(checked)), len(checked))
        with self._core:
            self._core.set_state(checked, h, c)

    @property
    def capacity(self) -> int:
        """The largest number of open streams."""
        return self._capacity

    @property
    def nbytes(self) -> int:
        """Bytes that the states of `capacity` streams take, without the weights.

        The system provides this memory when it is first used.
        """
        return int(self._core.nbytes)

    def __len__(self) -> int:
        """The number of open streams."""
        return len(self._core)

    def __repr__(self) -> str:
        return f"StreamPool({self._net!r}, capacity={self.capacity}): {len(self)} open"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a pool cannot be copied or pickled: make another, and give it states that state(ids) returns")

    def _run(self, ids: NDArray[np.int64], lengths: NDArray[np.int64], x: Floats) -> Floats:
        """y for the steps x of all streams, stream after stream, with lengths[i] steps of stream ids[i]."""
        with self._core:
            y: Floats = self._core.run(ids, lengths, contiguous(x))
        return y

    def _one_state(self, state: Any) -> tuple[Floats, Floats | None]:
        """The core's h and c of one stream, from arrays with or without an axis of length 1."""
        first = state[0] if isinstance(state, (tuple, list)) and state else state
        lead = (self._net.num_layers, 1)
        return self._net._states(state, lead if np.ndim(first) == 3 else lead[:1], 1)


def _ids(ids: Any) -> NDArray[np.int64]:
    """The ids as an array (n,) of int64. Raises TypeError and ValueError."""
    given = integers(ids, "ids", "integers, ids of open streams and not a mask")
    if given.ndim != 1:
        raise ValueError(f"expected ids (n,), got {given.shape}")
    if given.dtype.kind == "u" and (given > np.iinfo(np.int64).max).any():
        raise ValueError(f"expected ids of open streams, each once, got {given.max()}, which never was one")
    return given.astype(np.int64)
