"""Stream: keeps the state of sequences that arrive step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._base.arrays import Floats, adjacent, cast, check_out, float32_or_float64
from .._core import Stream32, Stream64, step, step_first
from .rows import rows_of_flags, rows_of_numbers
from .streamable import Streamable


class Stream:
    """A stream runs a network of one direction on `batch_size` sequences, step by step or some steps at a time.

    The results have the same bits as those of one call with the whole sequences. `net.stream()` makes a stream. It
    keeps the weights that `net` has at that moment. Only one thread may use it at a time. A pickle of a stream includes
    the weights.
    """

    def __init__(self, net: Streamable, batch_size: int, hx: Any) -> None:
        self._net = net._frozen()
        self.batch_size = check_count("batch_size", batch_size)
        session: Any = Stream32 if net.dtype == np.float32 else Stream64
        self._core = session(self._net._loaded(), self.batch_size, self._net.num_threads)
        if hx is not None:
            self.state = hx

    def step(self, x: ArrayLike, out: Floats | None = None) -> Floats:
        """Compute one time step. x is (B, input_size), or (input_size) for one row. y has the same number of axes.

        out: an array for y that does not overlap x. The step writes y into it and returns it. Then no other array is
        made, unless x is not a C-contiguous array of the network's dtype, or out is not C-contiguous.
        Raises ValueError and TypeError for arrays that do not fit, RuntimeError while another thread uses the stream.
        After an error the state has not changed.
        """
        net = self._net
        array = float32_or_float64(x, net.dtype, "input")
        expected = (self.batch_size, net.input_size)
        if array.shape != expected and (self.batch_size > 1 or array.shape != expected[1:]):
            one = f" or ({net.input_size},)" if self.batch_size == 1 else ""
            raise ValueError(f"expected input {expected}{one}, got {array.shape}")
        if array is not x:
            result: Any = step(self._core, array, out)
            if result is not NotImplemented:
                return result  # type: ignore[no-any-return]
        array = adjacent(cast(array, net.dtype))
        if out is not None:
            check_out(out, net.dtype, (*array.shape[:-1], net._spec.output_size), [array])
        lead = (None,) * (3 - array.ndim)  # the axis T, and B if x has none
        with self._core:
            y = self._core.run(array[lead], None if out is None else out[lead], False)
        return out if out is not None else y[(0,) * len(lead)]

    if not TYPE_CHECKING:
        step = step_first(step)  # plain arrays go straight to the core, without the Python code above

    def run(self, x: ArrayLike) -> tuple[Floats, Any]:
        """Compute T time steps. x and the results y, h_n or y, (h_n, c_n) are those of a call of the network.

        Raises the errors of the network and of `step`. After an error the state has not changed.
        """
        array = self._net._input(x)
        batched = array.ndim == 3
        rows = array.shape[self._net._axes.index("B")] if batched else 1
        if rows != self.batch_size:
            raise ValueError(
                f"expected input for {self.batch_size} rows, got {rows} in an array of shape {array.shape}"
            )
        with self._core:
            y = self._core.run(array if batched else array[:, None], None, batched and self._net.batch_first)
            h, c = self._core.get_state()
        if not batched:
            y, h, c = y[:, 0], h[:, 0], None if c is None else c[:, 0]
        return y, h if c is None else (h, c)

    def reset(self, rows: Any = None, *, done: Any = None) -> None:
        """Set the state of some rows to zeros, or that of all rows if neither argument is passed.

        done: (B,), a flag for each row, as an environment of reinforcement learning returns for episodes that have
        ended: booleans of any library, or numbers that are all 0 or 1. For one row a single flag is enough.
        rows: instead, the numbers of the rows: an int, a slice or different integers from 0 to B-1; or a mask (B,) of
        booleans.
        Raises ValueError and TypeError for arguments that do not fit, IndexError for a row that does not exist. rows
        must not look like flags: B integers that are all 0 or 1, for B of 2 and more, are a ValueError. After an error
        the state has not changed.
        """
        if rows is not None and done is not None:
            raise TypeError("expected rows or done, got both")
        if done is not None:
            which: Any = rows_of_flags(done, self.batch_size)
        else:
            which = None if rows is None else rows_of_numbers(rows, self.batch_size)
        with self._core:
            self._core.set_state(None, None) if which is None else self._core.reset(which)

    @property
    def state(self) -> Any:
        """A copy of the state, as the network's h_n or (h_n, c_n): (L, B, S) and (L, B, hidden_size).

        It may be assigned. For one row the arrays need no axis B.
        """
        with self._core:
            h, c = self._core.get_state()
        return h if c is None else (h, c)

    @state.setter
    def state(self, hx: Any) -> None:
        first = hx[0] if isinstance(hx, (tuple, list)) and hx else hx
        batched = self.batch_size > 1 or np.ndim(first) != 2
        lead = (self._net.num_layers, self.batch_size)
        h, c = self._net._states(hx, lead if batched else lead[:1], self.batch_size)
        with self._core:
            self._core.set_state(h, c)

    def copy(self) -> Stream:
        """A second stream with the same state. The two share the weights, but not the state."""
        return type(self)(self._net, self.batch_size, self.state)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Stream:
        return self.copy()  # copies may share weights, because these never change

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._net, self.batch_size, self.state)

    def __repr__(self) -> str:
        return f"Stream({self._net!r}, batch_size={self.batch_size})"


def check_count(name: str, value: Any) -> int:
    """The value as an int. Raises ValueError unless it is a positive integer below 2**63."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 < value < 2**63:
        raise ValueError(f"expected {name} to be a positive int, got {value!r}")
    return int(value)
