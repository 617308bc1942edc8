"""State dicts: finding the weights of a layer in one, listing its layers, and making one out of matrices of gates."""

from .layer_keys import IncompatibleKeys

__all__ = ["IncompatibleKeys"]  # pickles of earlier versions have it under this name
