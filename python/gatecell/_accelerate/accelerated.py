"""What a torch module becomes: an object of a subclass of its class, whose forward runs gatecell.

Torch's own forward runs instead wherever the result could differ. This imports torch, so only `accelerate` and
unpickling import it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from . import compiled
from .engine import NAMESAKES, SIZES, Engine, UnfitError

# What a call, a copy or a pickle runs: of a derived class that has its own, we cannot know what it does.
_METHODS = (
    *("forward", "__call__", "_call_impl", "permute_hidden", "check_input", "check_hidden_size", "check_forward_args"),
    *("get_expected_hidden_size", "_update_flat_weights", "__getattr__", "__getattribute__"),
    *("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__"),
)
_OPTIONS = {"batch_first", "mode", "nonlinearity", *SIZES}  # what torch's forward obeys when it is set later


class Accelerated:
    """The forward that is put before torch's own; see `subclass`."""

    _original: Any
    _gatecell: Engine

    def forward(self, input: Any, hx: Any = None) -> Any:
        if torch.compiler.is_dynamo_compiling():
            if compiled.fits(self, input, hx):
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
            self._gatecell.forget()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """By the name of the original class. A copy packs for itself, and counts from zero."""
        state = dict(super().__reduce_ex__(2)[2])  # type: ignore[arg-type]
        engine = state.pop("_gatecell")
        return _remake, (self._original, engine.names, engine.num_threads), state


def replace(module: Any, num_threads: int | None, notices: Iterator[str]) -> str | None:
    """Accelerate the module, or return why not. One that is accelerated already keeps its engine."""
    if isinstance(module, Accelerated):
        module._gatecell.num_threads = num_threads
        return None
    try:
        adopt(module, _engine(module, num_threads, notices))
    except UnfitError as why:
        return str(why)
    return None


def _engine(module: Any, num_threads: int | None, notices: Iterator[str]) -> Engine:
    """One for the module, with its weights packed already; raises UnfitError."""
    kind = type(module)
    original = next((theirs for theirs in NAMESAKES if isinstance(module, theirs)), None)
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


def adopt(module: Any, engine: Engine) -> None:
    """Make an accelerated module of a torch module."""
    module.__dict__["_gatecell"] = engine
    original: Any = type(module)
    module.__class__ = subclass(original)
    compiled.modules[int(engine.number)] = module


def release(module: Any) -> None:
    """Make it again the torch module that it was. One that is parametrized by now has a class derived from ours."""
    if isinstance(module, Accelerated):
        if type(module) is subclass(module._original):
            module.__class__ = module._original
        else:
            type(module).__bases__ = (module._original,)
        del module.__dict__["_gatecell"]


@functools.cache
def subclass(original: Any) -> Any:
    """The class of accelerated modules of this class, torch's or one derived from it."""
    return type(original.__name__, (Accelerated, original), {"__module__": __name__, "_original": original})


def _remake(original: Any, names: list[str], num_threads: int | None) -> Any:
    module = original.__new__(original)
    adopt(module, Engine(original, names, num_threads))
    return module
