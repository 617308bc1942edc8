"""Layer, the base of LSTM, GRU and RNN: their calls on whole sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from .._base.arrays import Floats, cast, check_out, contiguous
from .._base.checks import check_bool, check_int
from .._base.spec import Spec
from .._core import call_first
from .._streams.stream import Stream
from .._streams.streamable import Streamable
from .network import Network
from .packed import PackedSequence, check_lengths, checked, is_packed, lengths_of
from .plan import Plan

if TYPE_CHECKING:
    from typing_extensions import Self

State = TypeVar("State")


class Layer(Network, Streamable, Generic[State]):
    """Base of LSTM, GRU and RNN. `State` is the type of hx and of the second result: h, or the tuple (h, c)."""

    def __init__(
        self,
        spec: Spec,
        batch_first: bool,
        dropout: float,
        device: object,
        dtype: Any,
        num_threads: int | None,
        isa: str | None,
    ) -> None:
        check_bool("batch_first", batch_first)
        if not isinstance(dropout, (int, float)) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"expected dropout from 0 to 1, got {dropout!r}")
        super().__init__(spec, device, dtype, num_threads, isa)
        self._axes = "BT" if batch_first else "TB"
        self.num_layers = spec.num_layers
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = spec.bidirectional
        self.proj_size = spec.proj_size

    @overload
    def __call__(
        self, x: ArrayLike, hx: Any = None, *, lengths: ArrayLike | None = None, out: Floats | None = None
    ) -> tuple[Floats, State]: ...

    @overload
    def __call__(self, x: PackedSequence, hx: Any = None) -> tuple[PackedSequence, State]: ...

    def __call__(
        self,
        x: ArrayLike | PackedSequence,
        hx: Any = None,
        *,
        lengths: ArrayLike | None = None,
        out: Floats | None = None,
    ) -> tuple[Any, State]:
        """Run a sequence or a batch of sequences. Returns y, h_n, for an LSTM y, (h_n, c_n): new C-contiguous arrays.

        x: (T, B, input_size), with batch_first (B, T, input_size), or unbatched (T, input_size). It may be anything
        with real floating point numbers that NumPy can view. It is converted to the network's dtype.
        hx: h_0 (L*D, B, S), or for an LSTM the tuple of h_0 and c_0 (L*D, B, hidden_size). None means zeros. L is the
        number of layers, D of directions; S is proj_size, or hidden_size if that is 0. Unbatched hx has no axis B.
        lengths: (B) integers from 0 to T in any order: the number of steps of each row. Later steps of x are not read,
        and later steps of y are 0. A row's final state is the state after its last step. The reverse direction begins
        at a row's last step.
        out: an array for y, (T, B, D*S), with batch_first (B, T, D*S), or unbatched (T, D*S). The call writes y into it
        and returns it.
        x may also be a PackedSequence, also torch's. Then y is a PackedSequence, and the rows of hx and h_n are in the
        order before packing.
        If T or B is 0, y is empty and the state does not change.
        Raises ValueError and TypeError for arrays that do not fit, RuntimeError without weights.
        """
        core = self._loaded()
        if is_packed(x):
            if out is not None or lengths is not None:
                raise TypeError(f"a packed sequence takes no {'out' if lengths is None else 'lengths'}")
            return self._packed(core, checked(x), hx)
        array = self._input(x)
        batched = array.ndim == 3
        batch_first = batched and self.batch_first
        if lengths is not None:
            if not batched:
                raise ValueError(f"lengths go with a batch, got unbatched input {array.shape}")
            rows, steps = array.shape[:2] if batch_first else array.shape[1::-1]
            lengths = check_lengths(lengths, rows, steps)
        if not batched:
            array = array[:, None]
        h_0 = c_0 = target = None
        if hx is not None:
            rows = array.shape[0 if batch_first else 1]
            runs = self._spec.direction_runs
            h_0, c_0 = self._states(hx, (runs, rows) if batched else (runs,), rows)
        if out is not None:
            lead = array.shape[: 2 if batched else 1]
            check_out(out, self.dtype, (*lead, self._spec.output_size), [array, h_0, c_0])
            target = out if batched else out[:, None]
        y, h_n, c_n = core.forward(array, h_0, c_0, lengths, target, batch_first, self.num_threads)
        if not batched:
            y, h_n, c_n = y[:, 0], h_n[:, 0], None if c_n is None else c_n[:, 0]
        return y if out is None else out, self._hidden(h_n, c_n)

    if not TYPE_CHECKING:
        __call__ = call_first(__call__)  # plain arrays go straight to the core, without the Python code above
    forward = __call__

    def _packed(self, core: Any, x: PackedSequence, hx: Any) -> tuple[PackedSequence, State]:
        """A call with a packed sequence."""
        data = contiguous(cast(x.data, self.dtype))
        if data.shape[1] != self.input_size:
            raise ValueError(f"expected packed data (sum of batch_sizes, {self.input_size}), got {data.shape}")
        rows = int(x.batch_sizes[0])
        h_0, c_0 = (None, None) if hx is None else self._states(hx, (self._spec.direction_runs, rows), rows)
        lengths = lengths_of(x.batch_sizes)
        y, h_n, c_n = core.forward_packed(data, h_0, c_0, lengths, x.sorted_indices, self.num_threads)
        return x._replace(data=y), self._hidden(h_n, c_n)

    def _hidden(self, h: Floats, c: Floats | None) -> State:
        """The second result of a call: h, or (h, c) if there is a c."""
        hidden: Any = h if c is None else (h, c)
        return hidden  # type: ignore[no-any-return]

    def gates(self, x: ArrayLike, hx: Any = None, *, dtype: Any = None) -> dict[str, Floats]:
        """The values of all gates after their activations, by name, for inspection.

        Slow: computed with NumPy, by default in float64. x and hx are first converted to the network's dtype.

        x and hx are as for a call, without lengths. An LSTM has i f g o c h, a GRU r z n h (no r without a reset
        gate), an RNN h. Each is an array (L*D, T, B, hidden_size) of the network's dtype; with batch_first (L*D, B, T,
        hidden_size); unbatched without B. h of an LSTM with a projection has proj_size features. Index t of T belongs
        to step t of x, also in the reverse direction. The values agree with a call except for rounding, unless float32
        overflows. Raises the errors of a call.
        dtype: float32 or float64, for the arithmetic and for the arrays returned. The difference of the two shows what
        rounding to float32 does. None: arithmetic in float64, arrays of the network's dtype.
        """
        array, states, batched = self._time_major(x, hx)
        values = self._gate_values(array, states, dtype)
        if not batched:
            return {name: value[:, :, 0] for name, value in values.items()}
        if self.batch_first:
            return {name: np.ascontiguousarray(value.swapaxes(1, 2)) for name, value in values.items()}
        return values

    def largest_sum(self, x: ArrayLike, hx: Any = None) -> float:
        """S of the promised bound: the largest sum of abs(w) abs(v) + abs(b) in a gate. Slow, like `gates`.

        x and hx are as for `gates`. S is the largest over all layers, directions, steps, rows and units, computed in
        float64. The terms of a gate are all products of its sum before the activation, and the biases. What a gate r
        multiplies counts r times. A projection is not a gate, and the bound of a gate's sum has no effect.
        Raises the errors of a call.
        """
        array, states, _ = self._time_major(x, hx)
        from . import gates  # here and not above, so that `import gatecell` stays fast

        return gates.largest_sum(self._spec, self._weights_by_layer_names(), array, *states)

    def _time_major(self, x: ArrayLike, hx: Any) -> tuple[Floats, tuple[Floats | None, Floats | None], bool]:
        """x (T, B, I), the states h_0 and c_0 (L*D, B, features), and whether the caller's x is a batch."""
        array = self._input(x)
        batched = array.ndim == 3
        if not batched:
            array = array[:, None]
        elif self.batch_first:
            array = array.swapaxes(0, 1)
        rows, runs = array.shape[1], self._spec.direction_runs
        states = (None, None) if hx is None else self._states(hx, (runs, rows) if batched else (runs,), rows)
        return array, states, batched

    def plan(self, steps: int, rows: int) -> Plan:
        """How a call with T = `steps` and B = `rows` is computed. Print it. Raises RuntimeError without weights.

        The call stands alone. In a loop, calls of 5 to 100 us may use more threads, because these are still awake.
        """
        steps, rows = check_int("steps", steps), check_int("rows", rows)
        if min(steps, rows) < 0 or max(steps, rows) >= 2**63:
            raise ValueError(f"expected numbers of steps and rows, got {steps} and {rows}")
        return Plan(steps, rows, **self._loaded().plan(steps, rows, self.num_threads))

    def stream(self, batch_size: int = 1, hx: Any = None) -> Stream:
        """A stream for `batch_size` sequences that arrive step by step. hx: the first state, as for a call.

        Raises ValueError for a bidirectional layer and a batch_size below 1, TypeError for a subclass that has a
        forward of its own, ValueError or TypeError for an hx that does not fit, RuntimeError without weights.
        """
        return Stream(self, batch_size, hx)

    def _frozen(self) -> Self:
        """A copy for streams. It shares the weights, and keeps them when the original gets other weights."""
        if self.bidirectional:
            raise ValueError(
                "expected a layer of one direction to stream, got a bidirectional one, which begins at the end"
            )
        if type(self).__call__ is not Layer.__call__:
            name = type(self).__name__
            raise TypeError(f"expected a plain layer to stream, got {name}: a step would not run its own forward")
        copy = object.__new__(type(self))
        vars(copy).update(vars(self))
        return copy

    def flatten_parameters(self) -> None:
        """Does nothing, because the weights are packed when they are loaded."""

    def _repr_options(self) -> list[str]:
        options = {
            "proj_size": (self.proj_size, 0),
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0),
            "bidirectional": (self.bidirectional, False),
        }
        return [f"{name}={value}" for name, (value, default) in options.items() if value != default]
