"""Padding of the last axes. It does not use np.pad, which takes 30 us for a small array, as long as a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base import arrays as _arrays
from .._base.checks import check_int

MODES = {  # padding_mode of a convolution: mode of `pad`
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> NDArray[Any]:
    """torch.nn.functional.pad: adds values at the ends of the last axes.

    pad: the numbers of values (before, behind) for the last axis, then for the last but one, and so on.
    mode: "constant" adds `value` (default 0), and negative numbers in pad remove values; "reflect", "replicate" or
    "circular" as in torch. Returns an array of the input's dtype. Raises ValueError for sizes that do not fit.
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
    """x with `before` and `behind` more values at the ends of its last axis. Modes are as for `pad`."""
    length = x.shape[-1]
    if mode == "constant":
        start, stop = max(0, -before), length + min(0, behind)
        if start > stop:
            raise ValueError(f"expected pad to leave something of {length} values, got {(before, behind)}")
        # empty_like keeps the order of the axes in memory.
        padded = np.empty_like(x, shape=(*x.shape[:-1], length + before + behind))
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


def as_int(value: Any) -> int:
    """An argument for one axis as an int. torch takes an int or a tuple of one int."""
    if type(value) is int:
        return value
    return check_int("a value of one axis", value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value)
