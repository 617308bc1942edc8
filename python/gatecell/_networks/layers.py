"""LSTM, GRU and RNN: torch.nn's layers with the same arguments in the same order."""

from __future__ import annotations

from typing import Any

from .._base.arrays import Floats
from .._base.spec import make_spec
from .layer_base import Layer
from .options import check_reset, rnn_cell, spec_clip, spec_peepholes


class LSTM(Layer[tuple[Floats, Floats]]):
    """torch.nn.LSTM for inference: y, (h_n, c_n) = lstm(x, (h_0, c_0)).

    i = s(W_ii x + b_ii + W_hi h + b_hi), f and o in the same way, g = tanh(W_ig x + b_ig + W_hg h + b_hg),
    c' = f*c + i*g, h' = o*tanh(c'), with proj_size h' = W_hr (o*tanh(c')); s is the sigmoid function. Equations, gate
    order i f g o and argument names are PyTorch's
    (https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html). dropout has no effect, device is None or "cpu",
    dtype is float32 (the default) or float64. If num_threads or isa is None, the environment variable
    GATECELL_NUM_THREADS or GATECELL_ISA gives it, and if that is not set, it is chosen for this machine.

    Options that PyTorch lacks:
    peepholes="diagonal" adds p_i*c to the sum in i, p_f*c to the sum in f and p_o*c' to the sum in o (Gers and
    Schmidhuber 2000, Recurrent nets that time and count). weight_peephole_l{k} (3*hidden_size) holds p_i, p_f, p_o.
    peepholes="full" adds P_i c, P_f c and P_o c, all with the old c. weight_peephole_l{k} is
    (3*hidden_size, hidden_size).
    coupled_gates=True: f = 1 - i (ONNX's input_forget). Weights and biases have matrix rows of i g o only, peepholes of
    i o only.
    gate_clip limits every sum, with its peepholes, to -gate_clip ... gate_clip before s or tanh (ONNX's clip,
    https://onnx.ai/onnx/operators/onnx__LSTM.html).
    cell_clip limits c' to -cell_clip ... cell_clip before o and h' use it (TensorFlow Lite's cell_clip).
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
        spec = make_spec(
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

    r = s(W_ir x + b_ir + W_hr h + b_hr), z in the same way, n = tanh(W_in x + b_in + r*(W_hn h + b_hn)),
    h' = (1-z)*n + z*h; s is the sigmoid function. Equations, gate order r z n and argument names are PyTorch's
    (https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html). The other options, also gate_clip, are those of
    LSTM.

    reset says where the gate r acts. "after" the product with W_hn: as above. "before" it: n = tanh(W_in x + b_in +
    b_hn + W_hn (r*h)) (Cho et al. 2014, Learning phrase representations using RNN encoder-decoder; ONNX's
    linear_before_reset=0, https://onnx.ai/onnx/operators/onnx__GRU.html). "none": the same without r, and the weights
    have matrix rows of z n only. For texts in which z weighs the new state, see z of load_state_dict.
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
        spec = make_spec("gru", input_size, hidden_size, num_layers, bias, bidirectional, reset=reset, gate_clip=clip)
        super().__init__(spec, batch_first, dropout, device, dtype, num_threads, isa)
        self.reset = reset


class RNN(Layer[Floats]):
    """torch.nn.RNN for inference: y, h_n = rnn(x, h_0).

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh), with nonlinearity="relu" relu in place of tanh. Equation and argument
    names are PyTorch's (https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html). The other options, also
    gate_clip, are those of LSTM.
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
        spec = make_spec(cell, input_size, hidden_size, num_layers, bias, bidirectional, gate_clip=clip)
        super().__init__(spec, batch_first, dropout, device, dtype, num_threads, isa)
        self.nonlinearity = nonlinearity
