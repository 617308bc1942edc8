"""How to get a layer's plain weights, where the names in a state dict tell that others stand in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

OUTSIDE = "a tensor outside the state dict"  # what `load` says of one that a saved module holds

_PREFIX = r"(|.*?\.)"
_NAME = r"((?:weight|bias)(?:_[ih][hr]\w*?)?)"
_UTILS = "to get the plain weight back before saving: torch.nn.utils."
_CURES = {  # of what stands beside or in place of the weight {name}
    rf"{_PREFIX}parametrizations\.{_NAME}\.original[01]?": _UTILS
    + "parametrize.remove_parametrizations(module, {name!r})",
    rf"{_PREFIX}{_NAME}_mask": _UTILS + "prune.remove(module, {name!r})",
    rf"{_PREFIX}{_NAME}_g": _UTILS + "remove_weight_norm(module, {name!r})",
    rf"{_PREFIX}{_NAME}_u": _UTILS + "remove_spectral_norm(module, {name!r})",
    rf"{_PREFIX}{_NAME}_raw": "weight drop: the weight in use at inference is the one named _raw, the one without _raw "
    "may be a masked copy: pass the first under the name of the second",
    rf"{_PREFIX}{_NAME}_zero_point": "quantised: save the weights before they are quantised",
    rf"{_PREFIX}{_NAME}_scale": "scaled: the weight in use is made of the weight and its _scale, in icefall "
    "weight * exp(scale): pass the product, without the scale",
    rf"{_PREFIX}(lora_\w+)(?:\..*)?": "an adapter (PEFT) changes the weights: save what merge_and_unload() gives",
}
# What recurrent weights are named after, plain or in one of those forms.
RECURRENT = rf"{_PREFIX}(?:parametrizations\.)?weight_[ih]h(?:_\w+)?(?:\.original[01]?)?"
_FROZEN = "CONSTANTS."  # TorchScript's
_QUANTISED = rf"{_PREFIX}(?:_all_weight_values\.\d+\.param|_packed_weight_[ih]h)"


def cures(names: Iterable[str], prefixes: Iterable[str] | None = None) -> list[str]:
    """A line for each cure, of the layers under these prefixes or of all."""
    meant = None if prefixes is None else set(prefixes)
    found: dict[str, None] = {}
    for name in names:
        for pattern, cure in _CURES.items():
            match = re.fullmatch(pattern, name)
            if match and (meant is None or match[1] in meant):
                found[cure.format(name=match[2])] = None
    quantised = [cure for cure in found if cure.startswith("quantised")]
    return [cure for cure in found if not quantised or not cure.startswith("scaled")]


def quantised(skipped: Mapping[str, str]) -> dict[str, str]:
    """Why recurrent layers whose packed weights a file of torch has, but no tensors, cannot be read, by prefix."""
    matches = (re.fullmatch(_QUANTISED, path) for path, name in skipped.items() if name.startswith("__torch__."))
    reason = "dynamically quantised, its weights are packed: save the module before quantize_dynamic"
    return {match[1]: reason for match in matches if match}


def frozen(names: Iterable[str]) -> str:
    """What to do about TorchScript whose weights have become constants; empty for any other names."""
    if not any(name.startswith(_FROZEN) for name in names):
        return ""
    return (
        "it has constants of TorchScript's code: a module saved after freezing (torch.jit.freeze, "
        "optimize_for_inference) has its weights there, without names; save it before"
    )
