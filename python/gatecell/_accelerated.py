"""The name of `_accelerate/accelerated.py` in earlier versions: saved PyTorch models contain it. Imports torch."""

from ._accelerate.accelerated import _remake

__all__ = ["_remake"]
