"""gatecell's counterparts of torch modules."""

from .from_torch import from_torch

__all__ = ["from_torch"]
