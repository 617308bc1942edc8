"""Compares a layer of gatecell.nn with the layer of the same name in torch.nn, within the bounds of parity.py."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatecell import nn
from helpers.parity import assert_parity


def assert_function_parity(
    ours: Callable[..., Any], theirs: Callable[..., Any], inputs: list[NDArray[Any]], dtype: str, label: object = ""
) -> None:
    """Compares `ours` in `dtype` with `theirs` in float64, within the bound.

    `inputs` are float32 or integers. Integers are not converted. `theirs` also runs in float32, for its own error.
    """

    def run(dtype: str) -> NDArray[Any]:
        with torch.inference_mode():
            return theirs(*(torch.from_numpy(_of(dtype, x)) for x in inputs)).numpy()

    reference = run("float64")
    own_error = float(np.abs(run("float32") - reference).max(initial=0))
    before = [x.copy() for x in inputs]
    got = ours(*(_of(dtype, x) for x in inputs))
    assert_parity({"y": got}, {"y": reference}, own_error, dtype, label)
    for x, same in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(x, same)


def assert_layer_parity(name: str, options: dict[str, Any], inputs: list[NDArray[Any]], dtype: str) -> None:
    """Compares two layers with these options in `dtype`.

    The weights go through a state dict. Keys and repr must be equal.
    """
    theirs = getattr(torch.nn, name)(**options).eval()
    with torch.no_grad():  # the initial values of torch are often all equal
        for key, value in theirs.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if key == "running_var" else torch.randn_like(value))
    ours_class = getattr(nn, name)
    takes_dtype = "dtype" in inspect.signature(ours_class).parameters
    ours = ours_class(**options, **({"dtype": dtype} if takes_dtype else {}))
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)

    def run(x: torch.Tensor) -> Any:
        return (copy.deepcopy(theirs).double() if x.dtype == torch.float64 else theirs)(x)

    if all(x.dtype.kind == "f" for x in inputs):
        assert_function_parity(ours, run, inputs, dtype, (name, options, inputs[0].shape))
    else:  # an embedding: its input has integers
        got, expected = ours(*inputs), theirs(*(torch.from_numpy(x.astype(np.int64)) for x in inputs)).detach().numpy()
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, expected)


def _of(dtype: str, x: NDArray[Any]) -> NDArray[Any]:
    return x.astype(dtype) if x.dtype.kind == "f" else x
