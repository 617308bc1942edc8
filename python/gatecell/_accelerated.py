"""The old name of `_accelerate/accelerated.py`, which saved PyTorch models contain. Imports torch."""

from ._accelerate.accelerated import _remake

__all__ = ["_remake"]
