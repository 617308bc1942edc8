"""Padding of the last axes. np.pad takes 30 us for a small array, a convolution's whole time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base import arrays as _arrays
from .._base.checks import check_int

MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}  # of a convolution


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> NDArray[Any]:
    """torch.nn.functional.pad: pad = (before, behind) of the last axis, then of the last but one, and so on.

    mode: "constant" (value, 0 if not given; negative numbers cut off), "reflect", "replicate" or "circular".
    """
    x = _arrays.to_numpy(input, "input", False)
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ValueError(f"expected pad to have two numbers for each of up to {x.ndim} axes, got {tuple(pad)}")
    if mode not in MODES.values():
        raise ValueError(f"expected mode out of {', '.join(MODES.values())}, got {mode!r}")
    for axis, (before, behind) in enumerate(zip(pad[::2], pad[1::2], strict=True), start=1):
        if before or behind:
            x = pad_last(x.swapaxes(-axis, -1), before, behind, mode, value or 0).swapaxes(-axis, -1)
    return x


def pad_last(x: NDArray[Any], before: int, behind: int, mode: str, value: float = 0) -> NDArray[Any]:
    """x with that many more values at the ends of its last axis."""
    length = x.shape[-1]
    if mode == "constant":
        start, stop = max(0, -before), length + min(0, behind)
        if start > stop:
            raise ValueError(f"expected pad to leave something of {length} values, got {(before, behind)}")
        padded = np.empty_like(x, shape=(*x.shape[:-1], length + before + behind))  # the axes' order in memory, too
        padded[...] = value
        padded[..., max(0, before) : padded.shape[-1] - max(0, behind)] = x[..., start:stop]
        return padded
    if min(before, behind) < 0:
        raise ValueError(f"expected pad of at least 0 for {mode}, got {(before, behind)}")
    longest = {"reflect": length - 1, "circular": length}.get(mode, max(before, behind) if length else 0)
    if max(before, behind) > longest:
        raise ValueError(f"expected pad of at most {longest} for {mode} of {length} values, got {(before, behind)}")
    if mode == "reflect":
        parts = x[..., 1 : before + 1][..., ::-1], x, x[..., -1 - behind : -1][..., ::-1]
    elif mode == "circular":
        parts = x[..., length - before :], x, x[..., :behind]
    else:
        parts = x[..., :1].repeat(before, -1), x, x[..., -1:].repeat(behind, -1)
    return np.concatenate(parts, axis=-1)


def one(value: Any) -> int:
    """torch takes an int or a tuple of one for a single axis."""
    if type(value) is int:
        return value
    return check_int("a value of one axis", value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value)
