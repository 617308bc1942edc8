"""Trained LSTM, GRU and simple RNN networks on CPUs: NumPy in, NumPy out, weights straight from PyTorch.

    lstm = gatecell.LSTM.from_file("model.safetensors", prefix="encoder.", batch_first=True)
    y, (h_n, c_n) = lstm(x)

Equations, gate order, shapes and argument names are torch.nn's.
"""

from typing import TYPE_CHECKING, Any

from . import _old_paths as _old_paths
from ._accelerate import accelerate
from ._core import available_isas, build_info
from ._files import Weights, load, save
from ._networks.cells import GRUCell, LSTMCell, RNNCell
from ._networks.layers import GRU, LSTM, RNN
from ._networks.packed import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence
from ._state_dict.find_layers import FoundLayer, FoundLayers, find_layers
from ._state_dict.from_gates import from_gates
from ._streams.stream import Stream
from ._streams.stream_pool import StreamPool
from ._torch import from_torch

if TYPE_CHECKING:
    from . import nn

__version__: str = build_info()["version"]

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "FoundLayer",
    "FoundLayers",
    "GRUCell",
    "LSTMCell",
    "PackedSequence",
    "RNNCell",
    "Stream",
    "StreamPool",
    "Weights",
    "__version__",
    "accelerate",
    "available_isas",
    "build_info",
    "find_layers",
    "from_gates",
    "from_torch",
    "load",
    "nn",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "save",
]


def __getattr__(name: str) -> Any:
    if name == "nn":  # imported at its first use, because it takes a third as long as all other modules together
        from importlib import import_module

        return import_module(".nn", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
