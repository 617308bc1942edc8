"""The old name of `_accelerate/accelerated.py` and `engine.py`. Saved PyTorch models and reports contain this name.

This file imports torch.
"""

from ._accelerate.accelerated import _remake
from ._accelerate.engine import Engine

__all__ = ["Engine", "_remake"]
