"""Trained LSTM, GRU and simple RNN networks on CPUs: NumPy in, NumPy out, weights straight from PyTorch.

    lstm = gatecell.LSTM.from_file("model.safetensors", prefix="encoder.", batch_first=True)
    y, (h_n, c_n) = lstm(x)

Equations, gate order, shapes and argument names are torch.nn's.
"""

from ._accelerate import accelerate
from ._cells import GRUCell, LSTMCell, RNNCell
from ._core import available_isas, build_info
from ._files import load
from ._from_gates import from_gates
from ._layers import GRU, LSTM, RNN
from ._packed import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence
from ._stream import Stream
from ._stream_pool import StreamPool
from ._torch import from_torch

__version__: str = build_info()["version"]

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "PackedSequence",
    "RNNCell",
    "Stream",
    "StreamPool",
    "__version__",
    "accelerate",
    "available_isas",
    "build_info",
    "from_gates",
    "from_torch",
    "load",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
]
