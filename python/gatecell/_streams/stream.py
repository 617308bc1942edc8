"""A stream: sequences that arrive step by step, and the state between the steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._base.arrays import Floats, cast, check_out, either_type
from .._core import Stream32, Stream64, step
from .rows import chosen, flagged
from .streamable import Streamable


class Stream:
    """`batch_size` sequences that go through a network of one direction together, step by step or chunk by chunk.

    Bit for bit what one call over the whole sequences gives. Made by `net.stream()`; it keeps the weights `net` had
    then. One thread at a time. Pickles, weights included.
    """

    def __init__(self, net: Streamable, batch_size: int, hx: Any) -> None:
        self._net = net._frozen()
        self.batch_size = positive("batch_size", batch_size)
        session: Any = Stream32 if net.dtype == np.float32 else Stream64
        self._core = session(self._net._loaded(), self.batch_size, self._net.num_threads)
        if hx is not None:
            self.state = hx

    def step(self, x: ArrayLike, out: Floats | None = None) -> Floats:
        """One time step: x (B, input_size), or (input_size) for one row, gives y of the same rank.

        out: array to write y into, apart from x; it is the y that comes back, and no other array is made, unless x is
        not C-contiguous of the network's dtype or the step is so long (50 us) that num_threads share it.
        Raises ValueError and TypeError for arrays that do not fit, RuntimeError while another thread is in the stream;
        the state is then as before.
        """
        result: Any = step(self._core, x, out)
        return self._step(x, out) if result is NotImplemented else result

    def run(self, x: ArrayLike) -> tuple[Floats, Any]:
        """A chunk of T time steps: takes x and gives y, h_n or y, (h_n, c_n) as the network does.

        Raises as the network and as `step` do; the state is then as before.
        """
        array = self._net._input(x)
        rows = array.shape[self._net._axes.index("B")] if array.ndim == 3 else 1
        if rows != self.batch_size:
            raise ValueError(
                f"expected input for {self.batch_size} rows, got {rows} in an array of shape {array.shape}"
            )
        return self._advance(array, None)

    def reset(self, rows: Any = None, *, done: Any = None) -> None:
        """Set the state of the rows that begin anew, or of all, to zeros.

        done: (B,), a flag for each row, as an environment of reinforcement learning tells whose episode has ended: any
        library's booleans, or numbers that are all 0 or 1. Of one row it may be a flag alone.
        rows: their numbers instead, an int, a slice or integers from 0 to B-1, each once; or a mask (B,) of booleans.
        Raises ValueError and TypeError for flags and rows that do not fit, integers as rows that look like flags (B of
        them, all 0 or 1, for B of 2 and more) included, IndexError for a row that is not there; the state is then as
        before.
        """
        if rows is not None and done is not None:
            raise TypeError("expected rows or done, got both")
        if done is not None:
            which: Any = flagged(done, self.batch_size)
        else:
            which = None if rows is None else chosen(rows, self.batch_size)
        with self._core:
            self._core.set_state(None, None) if which is None else self._core.reset(which)

    @property
    def state(self) -> Any:
        """The state as the network's h_n or (h_n, c_n): a copy, (L, B, S) and (L, B, hidden_size).

        May be set, for one row also without the axis B.
        """
        with self._core:
            return self._state()

    @state.setter
    def state(self, hx: Any) -> None:
        first = hx[0] if isinstance(hx, (tuple, list)) and hx else hx
        batched = self.batch_size > 1 or np.ndim(first) != 2
        lead = (self._net.num_layers, self.batch_size)
        h, c = self._net._states(hx, lead if batched else lead[:1], self.batch_size)
        with self._core:
            self._core.set_state(h, c)

    def copy(self) -> Stream:
        """A stream of its own that goes on from here; the weights are shared."""
        return type(self)(self._net, self.batch_size, self.state)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Stream:
        return self.copy()  # weights do not change

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._net, self.batch_size, self.state)

    def __repr__(self) -> str:
        return f"Stream({self._net!r}, batch_size={self.batch_size})"

    def _step(self, x: ArrayLike, out: Floats | None) -> Floats:
        """What the fast way leaves: input that is no array of either float type, errors, long steps."""
        net = self._net
        array = either_type(x, net.dtype, "input")
        expected = (self.batch_size, net.input_size)
        if array.shape != expected and (self.batch_size > 1 or array.shape != expected[1:]):
            one = f" or ({net.input_size},)" if self.batch_size == 1 else ""
            raise ValueError(f"expected input {expected}{one}, got {array.shape}")
        if array is not x:
            result: Any = step(self._core, array, out)
            if result is not NotImplemented:
                return result  # type: ignore[no-any-return]
        array = cast(array, net.dtype)
        time = 1 if net.batch_first and array.ndim == 2 else 0
        if out is not None:
            check_out(out, net.dtype, (*array.shape[:-1], net._spec.output_size), [array])
        y, _ = self._advance(np.expand_dims(array, time), None if out is None else np.expand_dims(out, time))
        return y.squeeze(time) if out is None else out

    def _advance(self, x: Floats, out: Floats | None) -> tuple[Floats, Any]:
        with self._core:
            hx = self._state()
            if x.ndim == 2:
                hx = tuple(array[:, 0] for array in hx) if isinstance(hx, tuple) else hx[:, 0]
            y, hidden = self._net(x, hx, out=out)
            h, c = hidden if isinstance(hidden, tuple) else (hidden, None)
            if x.ndim == 2:
                h, c = h[:, None], None if c is None else c[:, None]
            self._core.set_state(h, c)
        return y, hidden

    def _state(self) -> Any:
        h, c = self._core.get_state()
        return h if c is None else (h, c)


def positive(name: str, value: Any) -> int:
    """A count of streams. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 < value < 2**63:
        raise ValueError(f"expected {name} to be a positive int, got {value!r}")
    return int(value)
