"""LSTMCell, GRUCell and RNNCell: torch.nn's cells. Each is a network of one layer that runs one time step."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from numpy.typing import ArrayLike

from ._arrays import Floats
from ._network import Network
from ._spec import Spec, rnn_cell

State = TypeVar("State")


class Cell(Network, Generic[State]):
    """What the three cells share. `State` is what hx and the result are: h, or (h, c)."""

    _axes = "B"

    def __call__(self, x: ArrayLike, hx: Any = None) -> State:
        """Run one time step: h', or for an LSTMCell (h', c'), as fresh C-contiguous arrays.

        x: (B, input_size) or unbatched (input_size), anything NumPy can view that holds real floating point numbers.
        hx: h (B, hidden_size), or for an LSTMCell the tuple (h, c); zeros if not given. Unbatched without the axis B.
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

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name.removesuffix("_l0"): shape for name, shape in super()._shapes().items()}


class LSTMCell(Cell[tuple[Floats, Floats]]):
    """torch.nn.LSTMCell for inference: h, c = cell(x, (h, c)). Equations as for LSTM."""

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
    ) -> None:
        super().__init__(Spec("lstm", input_size, hidden_size, bias=bias), device, dtype, num_threads, isa)


class GRUCell(Cell[Floats]):
    """torch.nn.GRUCell for inference: h = cell(x, h). Equations as for GRU."""

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
    ) -> None:
        super().__init__(Spec("gru", input_size, hidden_size, bias=bias), device, dtype, num_threads, isa)


class RNNCell(Cell[Floats]):
    """torch.nn.RNNCell for inference: h = cell(x, h). Equations as for RNN."""

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
    ) -> None:
        spec = Spec(rnn_cell(nonlinearity), input_size, hidden_size, bias=bias)
        super().__init__(spec, device, dtype, num_threads, isa)
        self.nonlinearity = nonlinearity

    def _repr_options(self) -> list[str]:
        shown = [] if self.nonlinearity == "tanh" else [f"nonlinearity={self.nonlinearity}"]
        return super()._repr_options() + shown
