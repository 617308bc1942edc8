"""The recurrent modules of a PyTorch model, made to run gatecell."""

from .accelerate import accelerate

__all__ = ["accelerate"]
