"""LSTM, GRU and RNN: torch.nn's layers, argument for argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from . import _arrays
from ._arrays import Floats
from ._core import call
from ._network import Network, check_reset, spec_clip, spec_peepholes
from ._packed import PackedSequence, check_lengths, checked, is_packed, lengths_of
from ._plan import Plan
from ._spec import Spec, check_bool, check_int, rnn_cell
from ._stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Self

State = TypeVar("State")


class Layer(Network, Generic[State]):
    """What the three layers share. `State` is what hx and the second result are: h, or (h, c)."""

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
        """Run a sequence or a batch of them: y, h_n, or for an LSTM y, (h_n, c_n), as fresh C-contiguous arrays.

        x: (T, B, input_size), with batch_first (B, T, input_size), or unbatched (T, input_size); anything NumPy can
        view that holds real floating point numbers, converted to the network's dtype.
        hx: h_0 (L*D, B, S), or for an LSTM the tuple of h_0 and c_0 (L*D, B, hidden_size); zeros if not given.
        L layers, D directions, S = proj_size or else hidden_size. Unbatched without the axis B.
        lengths: (B) integers from 0 to T in any order, how many steps of each row count. What follows in x is not read,
        in y it is 0; the final state is that after a row's last step, and there the reverse direction begins.
        out: array to write y into, (T, B, D*S) or as x is laid out; it is the y that comes back.
        x may also be a PackedSequence, torch's too: then y is one, and hx and h_n are in the order before packing.
        T = 0 or B = 0 gives an empty y and the state unchanged.
        Raises ValueError and TypeError for arrays that do not fit, RuntimeError without weights.
        """
        core = self._core if self._core is not None else self._loaded()
        if out is None and lengths is None:
            result: Any = call(core, x, hx, self.batch_first, self.num_threads)
            if result is not NotImplemented:
                return result  # type: ignore[no-any-return]
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
            states = self._spec.states
            h_0, c_0 = self._states(hx, (states, rows) if batched else (states,), rows)
        if out is not None:
            lead = array.shape[: 2 if batched else 1]
            _arrays.check_out(out, self.dtype, (*lead, self._spec.output_size), [array, h_0, c_0])
            target = out if batched else out[:, None]
        y, h_n, c_n = core.forward(array, h_0, c_0, lengths, target, batch_first, self.num_threads)
        if not batched:
            y, h_n, c_n = y[:, 0], h_n[:, 0], None if c_n is None else c_n[:, 0]
        return y if out is None else out, self._hidden(h_n, c_n)

    forward = __call__

    def _packed(self, core: Any, x: PackedSequence, hx: Any) -> tuple[PackedSequence, State]:
        data = _arrays.contiguous(_arrays.cast(x.data, self.dtype))
        if data.shape[1] != self.input_size:
            raise ValueError(f"expected packed data (sum of batch_sizes, {self.input_size}), got {data.shape}")
        rows = int(x.batch_sizes[0])
        h_0, c_0 = (None, None) if hx is None else self._states(hx, (self._spec.states, rows), rows)
        lengths = lengths_of(x.batch_sizes)
        y, h_n, c_n = core.forward_packed(data, h_0, c_0, lengths, x.sorted_indices, self.num_threads)
        return x._replace(data=y), self._hidden(h_n, c_n)

    def _hidden(self, h: Floats, c: Floats | None) -> State:
        hidden: Any = h if c is None else (h, c)
        return hidden  # type: ignore[no-any-return]

    def gates(self, x: ArrayLike, hx: Any = None) -> dict[str, Floats]:
        """The values of every gate after its activation, by name, to look at: slow, in plain NumPy and float64.

        x and hx are as for a call, without lengths. Of an LSTM i f g o c h, of a GRU r z n h (without r if
        reset="none"), of an RNN h: arrays (L*D, T, B, hidden_size) of the network's dtype, T and B as x is laid out and
        unbatched without B; h of a projected LSTM has proj_size features. Index t of T belongs to step t of x, in the
        reverse direction too. Agrees with a call to rounding, unless float32 overflows. Raises as a call does.
        """
        array = self._input(x)
        batched = array.ndim == 3
        if not batched:
            array = array[:, None]
        elif self.batch_first:
            array = array.swapaxes(0, 1)
        rows, states = array.shape[1], self._spec.states
        hx = (None, None) if hx is None else self._states(hx, (states, rows) if batched else (states,), rows)
        values = self._gate_values(array, hx)
        if not batched:
            return {name: value[:, :, 0] for name, value in values.items()}
        if self.batch_first:
            return {name: np.ascontiguousarray(value.swapaxes(1, 2)) for name, value in values.items()}
        return values

    def plan(self, steps: int, rows: int) -> Plan:
        """What a call with T = `steps` and B = `rows` would do now; print it. Raises RuntimeError without weights."""
        steps, rows = check_int("steps", steps), check_int("rows", rows)
        if min(steps, rows) < 0 or max(steps, rows) >= 2**63:
            raise ValueError(f"expected numbers of steps and rows, got {steps} and {rows}")
        return Plan(steps, rows, **self._loaded().plan(steps, rows, self.num_threads))

    def stream(self, batch_size: int = 1, hx: Any = None) -> Stream:
        """Sequences that arrive step by step: `batch_size` of them, beginning with hx as a call takes it, or zeros.

        Raises ValueError if bidirectional or for an hx that does not fit, TypeError for a class with a forward of its
        own, RuntimeError without weights.
        """
        return Stream(self, batch_size, hx)

    def _frozen(self) -> Self:
        """The layer as it is now, for streams: shares its weights, and keeps them when the original gets others."""
        if self.bidirectional:
            raise ValueError(
                "expected a layer of one direction to stream, got a bidirectional one, which begins at the end"
            )
        if type(self).__call__ is not Layer.__call__:
            name = type(self).__name__
            raise TypeError(f"expected a plain layer to stream, got {name}, whose own forward a step would not run")
        copy = object.__new__(type(self))
        vars(copy).update(vars(self))
        return copy

    def flatten_parameters(self) -> None:
        """Does nothing: the weights are packed once, when they are loaded."""

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


class LSTM(Layer[tuple[Floats, Floats]]):
    """torch.nn.LSTM for inference: y, (h_n, c_n) = lstm(x, (h_0, c_0)).

    i = s(W_ii x + b_ii + W_hi h + b_hi), f and o alike, g = tanh(W_ig x + b_ig + W_hg h + b_hg), c' = f*c + i*g,
    h' = o*tanh(c'), with proj_size h' = W_hr (o*tanh(c')). Equations, gate order i f g o and argument names are
    PyTorch's (https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html). dropout has no effect, device is
    None or "cpu", dtype float32 (the default) or float64. num_threads and isa are chosen for this machine if not given.

    What PyTorch has not:
    peepholes="diagonal" adds p_i*c to the sum in i, p_f*c to that in f and p_o*c' to that in o (Gers and Schmidhuber
    2000, Recurrent nets that time and count). weight_peephole_l{k} (3*hidden_size) holds p_i, p_f, p_o.
    peepholes="full" adds P_i c, P_f c and P_o c, all of the old c. weight_peephole_l{k} (3*hidden_size, hidden_size).
    coupled_gates=True: f = 1 - i (ONNX's input_forget). The weights have rows of i g o, peepholes of i o only.
    gate_clip bounds every sum to -gate_clip ... gate_clip before s or tanh, peepholes included (ONNX's clip,
    https://onnx.ai/onnx/operators/onnx__LSTM.html).
    cell_clip bounds c' to -cell_clip ... cell_clip before o and h' see it (TensorFlow Lite's cell_clip).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: object = None,
        dtype: Any = None,
        *,
        num_threads: int | None = None,
        isa: str | None = None,
        peepholes: str | None = None,
        coupled_gates: bool = False,
        gate_clip: float | None = None,
        cell_clip: float | None = None,
    ) -> None:
        spec = Spec(
            "lstm",
            input_size,
            hidden_size,
            num_layers,
            bias,
            bidirectional,
            proj_size,
            peepholes=spec_peepholes(peepholes),
            coupled_gates=coupled_gates,
            gate_clip=spec_clip("gate_clip", gate_clip),
            cell_clip=spec_clip("cell_clip", cell_clip),
        )
        super().__init__(spec, batch_first, dropout, device, dtype, num_threads, isa)
        self.peepholes = peepholes
        self.coupled_gates = coupled_gates
        self.cell_clip = spec.cell_clip or None


class GRU(Layer[Floats]):
    """torch.nn.GRU for inference: y, h_n = gru(x, h_0).

    r = s(W_ir x + b_ir + W_hr h + b_hr), z alike, n = tanh(W_in x + b_in + r*(W_hn h + b_hn)), h' = (1-z)*n + z*h.
    Equations, gate order r z n and argument names are PyTorch's
    (https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html); the rest as for LSTM, gate_clip too.

    reset says where r stands. "after" the product with W_hn: as above. "before" it: n = tanh(W_in x + b_in + b_hn +
    W_hn (r*h)) (Cho et al. 2014, Learning phrase representations using RNN encoder-decoder; ONNX's
    linear_before_reset=0, https://onnx.ai/onnx/operators/onnx__GRU.html). "none": the same without r, and the weights
    have the rows z n only. Texts in which z weighs the new state: see z of load_state_dict.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: object = None,
        dtype: Any = None,
        *,
        num_threads: int | None = None,
        isa: str | None = None,
        reset: str = "after",
        gate_clip: float | None = None,
    ) -> None:
        check_reset(reset)
        clip = spec_clip("gate_clip", gate_clip)
        spec = Spec("gru", input_size, hidden_size, num_layers, bias, bidirectional, reset=reset, gate_clip=clip)
        super().__init__(spec, batch_first, dropout, device, dtype, num_threads, isa)
        self.reset = reset


class RNN(Layer[Floats]):
    """torch.nn.RNN for inference: y, h_n = rnn(x, h_0).

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu with nonlinearity="relu". Equation and argument names are
    PyTorch's (https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html); the rest as for LSTM, gate_clip too.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: object = None,
        dtype: Any = None,
        *,
        num_threads: int | None = None,
        isa: str | None = None,
        gate_clip: float | None = None,
    ) -> None:
        cell, clip = rnn_cell(nonlinearity), spec_clip("gate_clip", gate_clip)
        spec = Spec(cell, input_size, hidden_size, num_layers, bias, bidirectional, gate_clip=clip)
        super().__init__(spec, batch_first, dropout, device, dtype, num_threads, isa)
        self.nonlinearity = nonlinearity
