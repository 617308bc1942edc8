"""The part of torch.nn.utils for recurrent layers: the module `rnn`."""

from . import rnn

__all__ = ["rnn"]
