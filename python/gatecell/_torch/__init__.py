"""gatecell's counterparts of torch modules."""

from .counterpart import from_torch

__all__ = ["from_torch"]
