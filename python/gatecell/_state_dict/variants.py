"""The variants of cells that weights can show: cells with those options that change the weights.

All of it follows from the tables of cells and options in the core.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from .._base.spec import CELLS, DEFAULTS, VALUES, class_name, listed, make_spec

Shape = tuple[int, ...]
_HIDDEN = 2  # the hidden_size of the specs that show the shapes


class Variant:
    """A cell with options that change its weights, without or with a projection."""

    def __init__(self, cell: str, options: dict[str, Any], gates: int, axes: dict[str, int]) -> None:
        self.cell = cell  # rnn_tanh stands for rnn_relu, too
        self.options = options  # all options that change the weights of this cell, in the form for users
        self.gates = gates  # weight_hh has a block of hidden_size matrix rows for each gate
        self.axes = axes  # the number of axes of each weight by its name in a cell, without biases

    @property
    def unusual(self) -> dict[str, Any]:
        """The options with other values than PyTorch's."""
        return {name: value for name, value in self.options.items() if value != DEFAULTS[name]}

    def __str__(self) -> str:
        """The variant in words: "an LSTM with OPTION=VALUE"."""
        return _in_words(self.cell, [f"{name}={value!r}" for name, value in self.unusual.items()])


def _in_words(cell: str, options: list[str]) -> str:
    words: str = CELLS[cell]["with_article"] + (f" with {' and '.join(options)}" if options else "")
    return words


@functools.cache
def variants() -> list[Variant]:
    """All variants, those with the fewest unusual options first."""
    cells = {class_name(cell): cell for cell in reversed(CELLS)}  # the first cell of each class
    found = [variant for cell in CELLS if cells[class_name(cell)] == cell for variant in _variants_of(cell)]
    return sorted(found, key=lambda variant: len(variant.unusual))


def _variants_of(cell: str) -> list[Variant]:
    plain = _shapes(cell, {})
    values = {name: VALUES[name] for name in CELLS[cell]["options"]}
    changing = [name for name in values if any(_shapes(cell, {name: value}) != plain for value in values[name])]
    found = []
    for chosen in itertools.product(*(values[name] for name in changing)):
        options = dict(zip(changing, chosen, strict=True))
        for proj_size in (0, 1):
            if shapes := _shapes(cell, options, proj_size):
                axes = {name: len(shape) for name, shape in shapes.items()}
                found.append(Variant(cell, options, shapes["weight_hh"][0] // _HIDDEN, axes))
    return found


def _shapes(cell: str, options: dict[str, Any], proj_size: int = 0) -> dict[str, Shape]:
    """The weights of a cell without biases. Empty if the cell cannot have this projection."""
    try:
        spec = make_spec(cell, 1, _HIDDEN, bias=False, proj_size=proj_size, **options)
    except ValueError:
        return {}
    return {name.removesuffix("_l0"): shape for name, shape in spec.shapes().items()}


@functools.cache
def usual_weights() -> list[str]:
    """The names of the weights that PyTorch's cells have, without biases."""
    return list(dict.fromkeys(name for variant in variants() if not variant.unusual for name in variant.axes))


@functools.cache
def weights_of_options() -> set[str]:
    """The names of the weights that a cell has only with some option."""
    return {name for variant in variants() for name in variant.axes} - set(usual_weights())


def count_gates(first_layer: Mapping[str, Shape]) -> float | None:
    """The number of blocks of hidden_size matrix rows in weight_hh. None if that is not known."""
    weight_hh = first_layer.get("weight_hh", ())
    hidden = first_layer.get("weight_hr", weight_hh)[-1:]
    return weight_hh[0] / hidden[0] if len(weight_hh) == 2 and hidden and hidden[0] else None


def alike(first_layer: Mapping[str, Shape]) -> list[Variant]:
    """The variants with weights of these names and numbers of axes, and with this number of gates.

    first_layer: the shapes of the first layer's weights, without biases, by their names in a cell.
    """
    gates, axes = count_gates(first_layer), {name: len(shape) for name, shape in first_layer.items()}
    return [variant for variant in variants() if variant.gates == gates and variant.axes == axes]


def nearest(first_layer: Mapping[str, Shape]) -> Variant:
    """The variant that is most like these weights, for an error that says what does not fit."""
    gates, axes = count_gates(first_layer), {name: len(shape) for name, shape in first_layer.items()}
    return min(variants(), key=lambda v: (v.axes.keys() != axes.keys(), v.gates != gates, v.axes != axes))


def options_of_weights(cell: str, first_layer: Mapping[str, Shape]) -> dict[str, Any]:
    """The values of those options of the cell that have weights with names of their own."""
    found = {}
    for option, own_weights in _own_weights(cell).items():
        names = {name for _, axes in own_weights for name in axes}
        given = {name: len(shape) for name, shape in first_layer.items() if name in names}
        found[option] = min(own_weights, key=lambda own: (own[1].keys() != given.keys(), own[1] != given))[0]
    return found


@functools.cache
def _own_weights(cell: str) -> dict[str, list[tuple[Any, dict[str, int]]]]:
    """By option, for each value the weights that a cell has only with the option: their numbers of axes by name."""
    found = {}
    for option in CELLS[cell]["options"]:
        shapes = [(value, _shapes(cell, {option: value})) for value in VALUES[option]]
        own = [(value, {w: len(s) for w, s in given.items() if w in weights_of_options()}) for value, given in shapes]
        if any(weights for _, weights in own):
            found[option] = own
    return found


def values_of(found: Iterable[Variant]) -> dict[str, tuple[Any, ...]]:
    """The values that each option has in variants of one cell."""
    values: dict[str, dict[Any, None]] = {}
    for variant in found:
        for name, value in variant.options.items():
            values.setdefault(name, {})[value] = None
    return {name: tuple(several) for name, several in values.items()}


def not_shown(layer_class: str) -> dict[str, Any]:
    """The options that other cells of this class have, although their weights are as PyTorch's: PyTorch's values."""
    own = [variant for variant in variants() if class_name(variant.cell) == layer_class]
    same = [variant for variant in own if (variant.gates, variant.axes) == (own[0].gates, own[0].axes)]
    return {name: DEFAULTS[name] for name, values in values_of(same).items() if len(values) > 1}


def simplest(found: list[Variant]) -> list[Variant]:
    """The variants without those that have the options of another one and more."""
    unusual = [(variant.cell, set(variant.unusual.items())) for variant in found]
    return [
        variant
        for variant, (cell, options) in zip(found, unusual, strict=True)
        if not any(other == cell and fewer < options for other, fewer in unusual)
    ]


def in_words(found: list[Variant], layer_class: str) -> str:
    """The variants for an error of this class: "a GRU, or an LSTM with OPTION=VALUE".

    PyTorch's own cell has no options in words, but in an error of the same class they are what does not fit.
    """
    own = [variant for variant in found if class_name(variant.cell) == layer_class]
    words = []
    if any(not variant.unusual for variant in own):
        found = [variant for variant in found if variant not in own]
        known = {name: v for name, v in values_of(own).items() if len(v) < len(VALUES[name])}
        words.append(_in_words(own[0].cell, [f"{name}={listed(values)}" for name, values in known.items()]))
    return ", or ".join(words + [str(variant) for variant in simplest(found)])
