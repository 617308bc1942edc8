"""Advice how to get a layer's plain weights, where names in a state dict show that it has them in another form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# `Weights.skipped` gives this reason for a tensor that a saved module has outside its state dict.
OUTSIDE = "a tensor outside the state dict"

_PREFIX = r"(|.*?\.)"
_NAME = r"((?:weight|bias)(?:_[ih][hr]\w*?)?)"
_UTILS = "to get the plain weight back before saving: torch.nn.utils."
_CURES = {  # by a pattern of names: what to do if a state dict has such a name
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
# The names of recurrent weights, plain or in one of these forms.
RECURRENT = rf"{_PREFIX}(?:parametrizations\.)?weight_[ih]h(?:_\w+)?(?:\.original[01]?)?"
_FROZEN = "CONSTANTS."  # how names of constants of TorchScript begin
_QUANTISED = rf"{_PREFIX}(?:_all_weight_values\.\d+\.param|_packed_weight_[ih]h)"


def cures(names: Iterable[str], prefixes: Iterable[str] | None = None) -> list[str]:
    """The advice for these names, each text once: of the layers under these prefixes, or of all layers if None."""
    wanted = None if prefixes is None else set(prefixes)
    found: dict[str, None] = {}
    for name in names:
        for pattern, cure in _CURES.items():
            match = re.fullmatch(pattern, name)
            if match and (wanted is None or match[1] in wanted):
                found[cure.format(name=match[2])] = None
    quantised = [cure for cure in found if cure.startswith("quantised")]
    return [cure for cure in found if not quantised or not cure.startswith("scaled")]


def quantised(skipped: Mapping[str, str]) -> dict[str, str]:
    """Why dynamically quantised recurrent layers cannot be read, by prefix. skipped: as in `Weights`.

    A file of torch has the weights of such a layer in packed form, not as tensors.
    """
    matches = (re.fullmatch(_QUANTISED, path) for path, name in skipped.items() if name.startswith("__torch__."))
    reason = "dynamically quantised, its weights are packed: save the module before quantize_dynamic"
    return {match[1]: reason for match in matches if match}


def frozen(names: Iterable[str]) -> str:
    """Advice for TorchScript that has weights as constants without names. The empty string for other names."""
    if not any(name.startswith(_FROZEN) for name in names):
        return ""
    return (
        "it has constants of TorchScript's code: a module saved after freezing (torch.jit.freeze, "
        "optimize_for_inference) has its weights there, without names; save it before"
    )
