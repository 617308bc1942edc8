"""torch.nn.utils, of which there is `rnn`."""

from . import rnn

__all__ = ["rnn"]
