"""The part of torch.nn that models around recurrent layers need for inference. To port a model, change its imports.

Class names, constructor arguments, attributes and state-dict keys are torch's. Inputs and outputs are NumPy arrays.
"""

from .._modules.module import Module
from .._modules.parameter import Parameter
from .._networks.cells import GRUCell, LSTMCell, RNNCell
from .._networks.layers import GRU, LSTM, RNN
from . import functional, init, utils
from ._activations import GELU, LeakyReLU, LogSoftmax, PReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from ._containers import ModuleList, Sequential
from ._conv import Conv1d, ConvTranspose1d
from ._embedding import Embedding
from ._linear import Linear
from ._norm import BatchNorm1d, LayerNorm
from ._pooling import AdaptiveAvgPool1d, AdaptiveMaxPool1d, AvgPool1d, MaxPool1d
from ._shape import Dropout, Flatten, Identity

__all__ = [
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveAvgPool1d",
    "AdaptiveMaxPool1d",
    "AvgPool1d",
    "BatchNorm1d",
    "Conv1d",
    "ConvTranspose1d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "Identity",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool1d",
    "Module",
    "ModuleList",
    "PReLU",
    "Parameter",
    "RNNCell",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
    "utils",
]
