"""State dicts: the weights of a recurrent layer, the layers that a state dict holds, and state dicts made of gates."""

from .layer_keys import IncompatibleKeys

__all__ = ["IncompatibleKeys"]  # pickles of earlier versions name it here
