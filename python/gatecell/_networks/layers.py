"""LSTM, GRU and RNN: torch.nn's layers with the same arguments in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._base.arrays import Floats
from .._base.spec import make_spec
from .layer_base import Layer
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


@with_options("lstm", LSTMOptions)
class LSTM(Layer[tuple[Floats, Floats]], LSTMAttributes):
    """torch.nn.LSTM for inference: y, (h_n, c_n) = lstm(x, (h_0, c_0)).

    i = s(W_ii x + b_ii + W_hi h + b_hi), f and o in the same way, g = tanh(W_ig x + b_ig + W_hg h + b_hg),
    c' = f*c + i*g, h' = o*tanh(c'), with proj_size h' = W_hr (o*tanh(c')); s is the sigmoid function. Equations, gate
    order i f g o and argument names are PyTorch's
    (https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html). dropout has no effect, device is None or "cpu",
    dtype is float32 (the default) or float64. If num_threads or isa is None, the environment variable
    GATECELL_NUM_THREADS or GATECELL_ISA gives it, and if that is not set, it is chosen for this machine.
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
        **options: Unpack[LSTMOptions],
    ) -> None:
        own = known(self, options)
        spec = make_spec("lstm", input_size, hidden_size, num_layers, bias, bidirectional, proj_size, **own)
        super().__init__(spec, batch_first, dropout, device, dtype, num_threads, isa)


@with_options("gru", GRUOptions)
class GRU(Layer[Floats], GRUAttributes):
    """torch.nn.GRU for inference: y, h_n = gru(x, h_0).

    r = s(W_ir x + b_ir + W_hr h + b_hr), z in the same way, n = tanh(W_in x + b_in + r*(W_hn h + b_hn)),
    h' = (1-z)*n + z*h; s is the sigmoid function. Equations, gate order r z n and argument names are PyTorch's
    (https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html). The other arguments are those of LSTM. For texts
    in which z weighs the new state, see z of load_state_dict.
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
        **options: Unpack[GRUOptions],
    ) -> None:
        own = known(self, options)
        spec = make_spec("gru", input_size, hidden_size, num_layers, bias, bidirectional, **own)
        super().__init__(spec, batch_first, dropout, device, dtype, num_threads, isa)


@with_options("rnn_tanh", RNNOptions)
class RNN(Layer[Floats], RNNAttributes):
    """torch.nn.RNN for inference: y, h_n = rnn(x, h_0).

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh), with nonlinearity="relu" relu in place of tanh. Equation and argument
    names are PyTorch's (https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html). The other arguments
    are those of LSTM.
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
        **options: Unpack[RNNOptions],
    ) -> None:
        own, cell = known(self, options), rnn_cell(nonlinearity)
        spec = make_spec(cell, input_size, hidden_size, num_layers, bias, bidirectional, **own)
        super().__init__(spec, batch_first, dropout, device, dtype, num_threads, isa)
        self.nonlinearity = nonlinearity
