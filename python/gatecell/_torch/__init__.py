"""gatecell's counterparts of torch modules. torch is never imported here: whoever has a module has imported it."""

from .from_torch import from_torch

__all__ = ["from_torch"]
