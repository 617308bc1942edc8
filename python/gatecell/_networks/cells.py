"""LSTMCell, GRUCell and RNNCell: torch.nn's cells. A cell is a network of one layer that computes one time step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from numpy.typing import ArrayLike

from .._base.arrays import Floats
from .._base.spec import make_spec
from .network import Network
from .options import (
    GRUAttributes,
    GRUOptions,
    LSTMAttributes,
    LSTMOptions,
    RNNAttributes,
    RNNOptions,
    known,
    rnn_cell,
    with_options,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

State = TypeVar("State")


class Cell(Network, Generic[State]):
    """Base of LSTMCell, GRUCell and RNNCell. `State` is the type of hx and of the result: h, or the tuple (h, c)."""

    _axes = "B"

    def __call__(self, x: ArrayLike, hx: Any = None) -> State:
        """Compute one time step. Returns h', or for an LSTMCell (h', c'): new C-contiguous arrays.

        x: (B, input_size) or unbatched (input_size). It may be anything with real floating point numbers that NumPy can
        view.
        hx: h (B, hidden_size), or for an LSTMCell the tuple (h, c). None means zeros. Unbatched hx has no axis B.
        Raises ValueError and TypeError for arrays that do not fit, RuntimeError without weights.
        """
        core = self._core if self._core is not None else self._loaded()
        array = self._input(x)
        lead = array.shape[:-1]
        array = array.reshape(1, -1, self.input_size)
        h_0, c_0 = (None, None) if hx is None else self._states(hx, lead, array.shape[1])
        _, h_n, c_n = core.forward(array, h_0, c_0, None, None, False, self.num_threads)
        row = 0 if lead else (0, 0)
        return h_n[row] if c_n is None else (h_n[row], c_n[row])  # type: ignore[return-value]

    forward = __call__

    def gates(self, x: ArrayLike, hx: Any = None, *, dtype: Any = None) -> dict[str, Floats]:
        """The values of all gates after their activations, by name, for inspection.

        Slow: computed with NumPy, by default in float64. x and hx are first converted to the cell's dtype.

        x and hx are as for a call. An LSTMCell has i f g o c h, a GRUCell r z n h (no r without a reset gate), an
        RNNCell h. Each is an array (B, hidden_size) of the cell's dtype, unbatched without B. The values agree with a
        call except for rounding, unless float32 overflows. dtype is as for a layer's gates. Raises the errors of a
        call.
        """
        array = self._input(x)
        lead = array.shape[:-1]
        array = array.reshape(1, -1, self.input_size)
        states = (None, None) if hx is None else self._states(hx, lead, array.shape[1])
        row = (0, 0) if lead else (0, 0, 0)
        return {name: value[row] for name, value in self._gate_values(array, states, dtype).items()}

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name.removesuffix("_l0"): shape for name, shape in super()._shapes().items()}


@with_options("lstm", LSTMOptions)
class LSTMCell(Cell[tuple[Floats, Floats]], LSTMAttributes):
    """torch.nn.LSTMCell for inference: h, c = cell(x, (h, c)). Equations and other arguments are those of LSTM."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: object = None,
        dtype: Any = None,
        *,
        num_threads: int | None = None,
        isa: str | None = None,
        **options: Unpack[LSTMOptions],
    ) -> None:
        spec = make_spec("lstm", input_size, hidden_size, bias=bias, **known(self, options))
        super().__init__(spec, device, dtype, num_threads, isa)


@with_options("gru", GRUOptions)
class GRUCell(Cell[Floats], GRUAttributes):
    """torch.nn.GRUCell for inference: h = cell(x, h). Equations and other arguments are those of GRU."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: object = None,
        dtype: Any = None,
        *,
        num_threads: int | None = None,
        isa: str | None = None,
        **options: Unpack[GRUOptions],
    ) -> None:
        spec = make_spec("gru", input_size, hidden_size, bias=bias, **known(self, options))
        super().__init__(spec, device, dtype, num_threads, isa)


@with_options("rnn_tanh", RNNOptions)
class RNNCell(Cell[Floats], RNNAttributes):
    """torch.nn.RNNCell for inference: h = cell(x, h). Equations and other arguments are those of RNN."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: object = None,
        dtype: Any = None,
        *,
        num_threads: int | None = None,
        isa: str | None = None,
        **options: Unpack[RNNOptions],
    ) -> None:
        own, cell = known(self, options), rnn_cell(nonlinearity)
        spec = make_spec(cell, input_size, hidden_size, bias=bias, **own)
        super().__init__(spec, device, dtype, num_threads, isa)
        self.nonlinearity = nonlinearity

    def _repr_options(self) -> list[str]:
        shown = [] if self.nonlinearity == "tanh" else [f"nonlinearity={self.nonlinearity}"]
        return super()._repr_options() + shown
