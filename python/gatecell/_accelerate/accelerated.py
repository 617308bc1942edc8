"""Accelerated: the class of accelerated modules. `accelerate` changes the class of a torch module to a subclass of it.

The forward of the subclass runs gatecell, or torch's own forward if the result could differ. This file imports torch,
so it is imported only when `accelerate`, `Report.restore` or unpickling needs it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from . import compiled
from .engine import COUNTERPARTS, SIZES, Engine, UnfitError

# Methods that calls, copies and pickles run. A subclass that has its own version of one is not accelerated, because we
# cannot know what it does.
_METHODS = (
    *("forward", "__call__", "_call_impl", "permute_hidden", "check_input", "check_hidden_size", "check_forward_args"),
    *("get_expected_hidden_size", "_update_flat_weights", "__getattr__", "__getattribute__"),
    *("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__"),
)
_OPTIONS = {"batch_first", "mode", "nonlinearity", *SIZES}  # attributes that change the result of torch's forward


class Accelerated:
    """The first base of the classes that `subclass` makes. The second base is the module's class before."""

    _original: Any
    _gatecell: Engine

    def forward(self, input: Any, hx: Any = None) -> Any:
        if torch.compiler.is_dynamo_compiling():
            if compiled.can_run(self, input, hx):
                return compiled.forward(self, input, hx)
            return super().forward(input, hx)  # type: ignore[misc]
        engine = self._gatecell
        try:
            result = engine.serve(self, input, hx)
        except UnfitError as why:
            reason = str(why)
        else:
            engine.served += 1
            return result
        engine.fell_back[reason] += 1
        return super().forward(input, hx)  # type: ignore[misc]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _OPTIONS or name == "training":
            self._gatecell.discard_weights()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle with the name of the original class. The copy packs the weights itself and counts from 0."""
        state = dict(super().__reduce_ex__(2)[2])  # type: ignore[arg-type]
        engine = state.pop("_gatecell")
        return _remake, (self._original, engine.names, engine.num_threads), state


def accelerate_module(module: Any, num_threads: int | None, notices: Iterator[str]) -> str | None:
    """Accelerate the module. Returns None, or the reason why it cannot be accelerated.

    A module that is accelerated already keeps its engine.
    """
    if isinstance(module, Accelerated):
        module._gatecell.num_threads = num_threads
        return None
    try:
        install(module, _engine(module, num_threads, notices))
    except UnfitError as why:
        return str(why)
    return None


def _engine(module: Any, num_threads: int | None, notices: Iterator[str]) -> Engine:
    """An engine for the module that has packed the weights. Raises UnfitError if it cannot be accelerated."""
    kind = type(module)
    original = next((theirs for theirs in COUNTERPARTS if isinstance(module, theirs)), None)
    if isinstance(module, torch.jit.ScriptModule):
        raise UnfitError("scripted")
    if original is None:
        raise UnfitError(f"{kind.__module__}.{kind.__qualname__}, not torch.nn's")
    if torch.nn.utils.parametrize.is_parametrized(module):
        raise UnfitError("parametrized")
    own = [name for name in _METHODS if getattr(kind, name, None) is not getattr(original, name, None)]
    if own or "forward" in vars(module):
        raise UnfitError(f"{kind.__qualname__} has its own {own[0]}" if own else "it has its own forward")
    names = ["weight_ih", "weight_hh"] + (["bias_ih", "bias_hh"] if module.bias else [])
    engine = Engine(kind, getattr(module, "_flat_weights_names", names), num_threads, notices)
    engine.network(module)
    return engine


def install(module: Any, engine: Engine) -> None:
    """Turn a torch module into an accelerated module with this engine."""
    module.__dict__["_gatecell"] = engine
    original: Any = type(module)
    module.__class__ = subclass(original)
    compiled.modules[int(engine.number)] = module


def restore_module(module: Any) -> None:
    """Turn an accelerated module back into the torch module that it was.

    If it was parametrized in the meantime, torch has changed its class to a subclass of ours. Then the base of that
    class changes.
    """
    if isinstance(module, Accelerated):
        if type(module) is subclass(module._original):
            module.__class__ = module._original
        else:
            type(module).__bases__ = (module._original,)
        del module.__dict__["_gatecell"]


@functools.cache
def subclass(original: Any) -> Any:
    """The class of accelerated modules that had the class `original`: torch's class, or a subclass of it."""
    return type(original.__name__, (Accelerated, original), {"__module__": __name__, "_original": original})


def _remake(original: Any, names: list[str], num_threads: int | None) -> Any:
    """An accelerated module without attributes. Pickles contain the name of this function."""
    module = original.__new__(original)
    install(module, Engine(original, names, num_threads))
    return module
