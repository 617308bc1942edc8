"""Module: the inference half of torch.nn.Module, a tree of layers that finds its weights by name.

Weights and submodules are plain attributes, so that forward methods read NumPy arrays at full speed: the tree is found
by looking through the attributes, and only the names of parameters and buffers are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._base.defaults import check_device
from .._state_dict.layer_keys import IncompatibleKeys
from .errors import locate
from .parameter import Parameter, Unloaded
from .weights import fitted, slots, take

if TYPE_CHECKING:
    from typing_extensions import Self

_LOCATED = (ValueError, TypeError, RuntimeError, IndexError)


class Module:
    """torch.nn.Module for inference: subclass it, make layers in __init__, compute in forward.

    Attributes that are modules or Parameters are found by their names, as in torch; after loading the attribute of a
    parameter is a plain NumPy array. A call runs forward. Errors say at which path of the called module they arose.
    """

    __module__ = "gatecell.nn"  # where it is public
    training = False
    _parameters: dict[str, None]  # names, in order
    _buffers: dict[str, bool]  # names, and whether they belong to the state dict
    _optional: frozenset[str] = frozenset()  # names that a state dict may lack

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Not in __init__, which copies and pickles do not run.
        self = super().__new__(cls)
        vars(self).update(_parameters={}, _buffers={})
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.forward(*args, **kwargs)
        except _LOCATED as error:
            locate(error, self)
            raise

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f'{type(self).__name__} is missing the required "forward" function')

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Parameter, Unloaded)):
            self._set_parameter(name, value)
            return
        if name in self._parameters and not isinstance(value, (np.ndarray, type(None))):
            raise TypeError(f"expected parameter {name} to be a Parameter or None, got {type(value).__name__}")
        if isinstance(value, Module):
            self._buffers.pop(name, None)
            if not isinstance(vars(self).get(name), Module):
                vars(self).pop(name, None)  # modules are in the order in which they became ones
        elif name in self._buffers and value is not None:
            value = np.asarray(value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._parameters.pop(name, None)
        self._buffers.pop(name, None)

    def register_parameter(self, name: str, param: Parameter | Unloaded | None) -> None:
        """A weight of this name, or None for one that torch would list but is not there.

        Raises KeyError for the name of another attribute.
        """
        self._check_name(name, self._parameters)
        self._set_parameter(name, param)

    def _set_parameter(self, name: str, param: Parameter | Unloaded | None) -> None:
        if not isinstance(param, (Parameter, Unloaded, type(None))):
            raise TypeError(f"expected parameter {name} to be a Parameter or None, got {type(param).__name__}")
        if param is not None:
            self._parameters[name] = None
        vars(self)[name] = param.data if isinstance(param, Parameter) else param

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """An array that is no weight; it is part of the state dict unless persistent=False.

        Raises KeyError for the name of another attribute.
        """
        self._check_name(name, self._buffers)
        self._buffers[name] = persistent
        vars(self)[name] = None if tensor is None else np.asarray(tensor)

    def _check_name(self, name: str, registered: Mapping[str, Any]) -> None:
        if name not in registered and getattr(self, name, None) is not None:
            raise KeyError(f"expected a new name to register, got {name!r}, which {type(self).__name__} has already")

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as setting the attribute, for names that are no identifiers too."""
        if not isinstance(module, (Module, type(None))):
            raise TypeError(f"expected {name} to be a gatecell.nn.Module, got {_kind(module)}")
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"expected a module's name without dots, got {name!r}")
        self._check_name(name, dict(self._children()))
        setattr(self, name, module)

    register_module = add_module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Submodules by name, each once."""
        seen: set[int] = set()
        for name, module in self._children():
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module and all below it by path, parents first; one used twice comes once unless asked otherwise."""
        seen: set[int] = set()
        for path, module in _walk(self, prefix):
            if not remove_duplicate or id(module) not in seen:
                seen.add(id(module))
                yield path, module

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "encoder.layers.0"; AttributeError if there is none."""
        module = self
        for name in target.split(".") if target else ():
            child = vars(module).get(name)
            if not isinstance(child, Module):
                raise AttributeError(f"{type(module).__name__} has no submodule {name!r}, asked for {target!r}")
            module = child
        return module

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Any]]:
        """Weights by path, each once: arrays, or what stands for them before loading, with shape, size and dtype."""
        return self._named(prefix, recurse, lambda module, name: name not in module._buffers)

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, NDArray[Any]]]:
        """Buffers by path, each once, those outside the state dict too."""
        return self._named(prefix, recurse, lambda module, name: name in module._buffers)

    def buffers(self, recurse: bool = True) -> Iterator[NDArray[Any]]:
        return (value for _, value in self.named_buffers(recurse=recurse))

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, *, prefix: str = ""
    ) -> IncompatibleKeys:
        """Take copies of all weights and buffers under `prefix` (with or without its final dot), by torch's names.

        Values may be NumPy arrays or torch tensors of any floating type (buffers of any), on any device; they are
        converted to the dtype of what they replace. After an error nothing has changed; a call that runs meanwhile in
        another thread may see layers of both. Raises ValueError that lists every missing, unexpected and mis-shaped key
        with its module's class. strict=False ignores the unexpected keys and those missing that have values already,
        and returns both lists. A missing key without values always is an error: there is no random
        initialisation. Of a parameter under several names one is enough.
        """
        taken, incompatible = fitted(self, state_dict, strict, prefix)
        take(self, taken)
        return incompatible

    def state_dict(self, *, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Fresh arrays of all weights and persistent buffers, in torch's names, order and layout."""
        return {prefix + slot.key: slot.array() for slot in slots(self)}

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call fn with every submodule and then this module, as in torch."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def eval(self) -> Self:
        """Does nothing: a module is always in inference mode."""
        return self

    def train(self, mode: bool = True) -> Self:
        """train(False) is eval(); anything else is an error."""
        if mode:
            raise RuntimeError(f"{type(self).__name__}: gatecell is for inference only: it cannot train")
        return self

    def to(self, device: object) -> Self:
        """Does nothing for "cpu"; any other device is an error."""
        check_device(device)
        return self

    def float(self) -> Self:
        """Make all floating weights and buffers float32."""
        return self._all_of(np.dtype(np.float32))

    def double(self) -> Self:
        """Make all floating weights and buffers float64."""
        return self._all_of(np.dtype(np.float64))

    def extra_repr(self) -> str:
        """What stands between the brackets of the repr."""
        return ""

    def __repr__(self) -> str:
        members = [f"({name}): {indent(repr(module))}" for name, module in self._children()]
        extra = self.extra_repr()
        if not members and "\n" not in extra:
            return f"{type(self).__name__}({extra})"
        return "\n  ".join([f"{type(self).__name__}(", *extra.splitlines(), *members]) + "\n)"

    def _children(self) -> list[tuple[str, Module]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def _values(self) -> dict[str, Any]:
        """This module's own part of the state dict: arrays, or Unloaded."""
        names = [*self._parameters, *(name for name, persistent in self._buffers.items() if persistent)]
        return {name: value for name in names if (value := vars(self)[name]) is not None}

    def _laid_out(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """A copy of a weight or buffer as it is to lie in memory."""
        return np.array(array, order="C")

    def _take(self, values: dict[str, NDArray[Any]]) -> None:
        """Let these be the values of what `_values` names."""
        vars(self).update(values)

    def _all_of(self, dtype: np.dtype[Any]) -> Self:
        converted: dict[int, tuple[Any, Any]] = {}  # with the old values, which keeps their ids their own
        for module in self.modules():
            module._convert(dtype, converted)
        return self

    def _convert(self, dtype: np.dtype[Any], converted: dict[int, tuple[Any, Any]]) -> None:
        """Convert this module's own values, each once: tied weights stay tied."""
        for name in [*self._parameters, *self._buffers]:
            value = vars(self)[name]
            if value is not None and value.dtype.kind == "f":
                if id(value) not in converted:
                    converted[id(value)] = value, value.astype(dtype)
                vars(self)[name] = converted[id(value)][1]

    def _named(self, prefix: str, recurse: bool, wanted: Callable[[Module, str], bool]) -> Iterator[tuple[str, Any]]:
        seen: dict[int, Any] = {}
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            others = {name: value for name in module._buffers if (value := vars(module)[name]) is not None}
            for name, value in {**module._values(), **others}.items():
                if wanted(module, name) and id(value) not in seen:
                    seen[id(value)] = value
                    yield f"{path}.{name}" if path else name, value


def _walk(module: Module, path: str) -> Iterator[tuple[str, Module]]:
    yield path, module
    for name, child in module._children():
        yield from _walk(child, f"{path}.{name}" if path else name)


def indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
