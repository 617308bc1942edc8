"""Module: the part of torch.nn.Module that inference needs: a tree of modules with named weights.

Weights and submodules are ordinary attributes, so that forward methods read NumPy arrays without extra time. Module
searches its attributes for submodules. It only keeps the names of parameters and buffers.
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
from .weights import assign, matched, slots

if TYPE_CHECKING:
    from typing_extensions import Self

_LOCATED = (ValueError, TypeError, RuntimeError, IndexError)


class Module:
    """torch.nn.Module for inference. Subclasses make their layers in __init__ and compute in forward.

    As in torch, a module or Parameter that is assigned to an attribute has the attribute's name in the state dict.
    After loading, the attribute of a parameter is a plain NumPy array. A call of the module runs forward. Error
    messages begin with the path, inside the called module, of the module that raised the error.
    """

    training = False
    _parameters: dict[str, None]  # names, in order
    _buffers: dict[str, bool]  # by name: whether the state dict contains it
    _optional: frozenset[str] = frozenset()  # names of weights that a state dict need not have

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # In __new__, because copies and pickles do not run __init__.
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
                vars(self).pop(name, None)  # so that modules are in the order in which they were assigned
        elif name in self._buffers and value is not None:
            value = np.asarray(value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._parameters.pop(name, None)
        self._buffers.pop(name, None)

    def register_parameter(self, name: str, param: Parameter | Unloaded | None) -> None:
        """Add a weight with this name. None stands for an optional weight that this module does not have.

        Raises KeyError if another attribute has this name.
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
        """Add an array that is not a weight. The state dict contains it unless persistent=False.

        Raises KeyError if another attribute has this name.
        """
        self._check_name(name, self._buffers)
        self._buffers[name] = persistent
        vars(self)[name] = None if tensor is None else np.asarray(tensor)

    def _check_name(self, name: str, registered: Mapping[str, Any]) -> None:
        if name not in registered and getattr(self, name, None) is not None:
            raise KeyError(f"expected a new name to register, got {name!r}, which {type(self).__name__} has already")

    def add_module(self, name: str, module: Module | None) -> None:
        """Assign the module to an attribute. The name need not be a Python identifier."""
        if not isinstance(module, (Module, type(None))):
            raise TypeError(f"expected {name} to be a gatecell.nn.Module, got {_kind(module)}")
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"expected a module's name without dots, got {name!r}")
        self._check_name(name, dict(self._children()))
        setattr(self, name, module)

    register_module = add_module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules and their names, each module once."""
        seen: set[int] = set()
        for name, module in self._children():
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module and all modules below it with their paths, parents first.

        A module that occurs twice comes once, unless remove_duplicate=False.
        """
        seen: set[int] = set()
        for path, module in _walk(self, prefix):
            if not remove_duplicate or id(module) not in seen:
                seen.add(id(module))
                yield path, module

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "encoder.layers.0". Raises AttributeError if there is none."""
        module = self
        for name in target.split(".") if target else ():
            child = vars(module).get(name)
            if not isinstance(child, Module):
                raise AttributeError(f"{type(module).__name__} has no submodule {name!r}, asked for {target!r}")
            module = child
        return module

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Any]]:
        """All weights with their paths, each once: arrays, or before loading objects with shape, size and dtype."""
        return self._named(prefix, recurse, lambda module, name: name not in module._buffers)

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, NDArray[Any]]]:
        """All buffers with their paths, each once, also the buffers that the state dict does not contain."""
        return self._named(prefix, recurse, lambda module, name: name in module._buffers)

    def buffers(self, recurse: bool = True) -> Iterator[NDArray[Any]]:
        return (value for _, value in self.named_buffers(recurse=recurse))

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, *, prefix: str = ""
    ) -> IncompatibleKeys:
        """Copy all weights and buffers with keys under `prefix` (with or without its final dot) into the module.

        The names are torch's. Values may be NumPy arrays or torch tensors of any floating point dtype, on any device;
        for a buffer of integers or booleans, of a dtype that NumPy casts to the buffer's with casting="same_kind". They
        are converted to the dtype of the values that they replace. After an error nothing has changed. A call that runs
        in another thread at the same time may use old weights in some layers and new weights in others.
        Raises TypeError for values of other dtypes, and ValueError that lists every missing key and every key of a
        wrong shape, with the class of its module, and every unexpected key. strict=False ignores unexpected keys, and
        missing keys if their weights have values already; the result has both lists. A missing key is always an error
        if its weight has no values yet: there is no random initialisation. If a parameter has several names, one of
        them is enough.
        """
        matches, incompatible = matched(self, state_dict, strict, prefix)
        assign(self, matches)
        return incompatible

    def state_dict(self, *, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Copies of all weights and persistent buffers, with torch's names, order and layout."""
        return {prefix + slot.key: slot.array() for slot in slots(self)}

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call fn with each submodule and then with this module, as in torch."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def eval(self) -> Self:
        """Does nothing, because a module is always in inference mode."""
        return self

    def train(self, mode: bool = True) -> Self:
        """train(False) is eval(). train(True) raises RuntimeError."""
        if mode:
            raise RuntimeError(f"{type(self).__name__}: gatecell is for inference only: it cannot train")
        return self

    def to(self, device: object) -> Self:
        """Does nothing for "cpu". Raises ValueError for any other device."""
        check_device(device)
        return self

    def float(self) -> Self:
        """Convert all floating point weights and buffers to float32."""
        return self._all_of(np.dtype(np.float32))

    def double(self) -> Self:
        """Convert all floating point weights and buffers to float64."""
        return self._all_of(np.dtype(np.float64))

    def extra_repr(self) -> str:
        """The text between the brackets of the repr."""
        return ""

    def __repr__(self) -> str:
        members = [f"({name}): {indent(repr(module))}" for name, module in self._children()]
        extra = self.extra_repr()
        if not members and "\n" not in extra:
            return f"{type(self).__name__}({extra})"
        return "\n  ".join([f"{type(self).__name__}(", *extra.splitlines(), *members]) + "\n)"

    def _children(self) -> list[tuple[str, Module]]:
        """The direct submodules and their names; a module comes once for each of its names."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def _values(self) -> dict[str, Any]:
        """The entries of the state dict that are this module's own, without its submodules: arrays, or Unloaded."""
        names = [*self._parameters, *(name for name, persistent in self._buffers.items() if persistent)]
        return {name: value for name in names if (value := vars(self)[name]) is not None}

    def _laid_out(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """A copy of a weight or buffer in the memory layout that this module uses."""
        return np.array(array, order="C")

    def _assign(self, values: dict[str, NDArray[Any]]) -> None:
        """Assign new values to names out of `_values`."""
        vars(self).update(values)

    def _all_of(self, dtype: np.dtype[Any]) -> Self:
        # Old and new values by the old value's id, which stays unique because the old value is kept.
        converted: dict[int, tuple[Any, Any]] = {}
        for module in self.modules():
            module._convert(dtype, converted)
        return self

    def _convert(self, dtype: np.dtype[Any], converted: dict[int, tuple[Any, Any]]) -> None:
        """Convert this module's own values to the dtype, each only once, so that tied weights stay tied."""
        for name in [*self._parameters, *self._buffers]:
            value = vars(self)[name]
            if value is not None and value.dtype.kind == "f":
                if id(value) not in converted:
                    converted[id(value)] = value, value.astype(dtype)
                vars(self)[name] = converted[id(value)][1]

    def _named(self, prefix: str, recurse: bool, wanted: Callable[[Module, str], bool]) -> Iterator[tuple[str, Any]]:
        """Weights and buffers with their paths, each once, if wanted(module, name) is true."""
        seen: dict[int, Any] = {}
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            others = {name: value for name in module._buffers if (value := vars(module)[name]) is not None}
            for name, value in {**module._values(), **others}.items():
                if wanted(module, name) and id(value) not in seen:
                    seen[id(value)] = value
                    yield f"{path}.{name}" if path else name, value


def _walk(module: Module, path: str) -> Iterator[tuple[str, Module]]:
    """The module and all modules below it with their paths; a module may come several times."""
    yield path, module
    for name, child in module._children():
        yield from _walk(child, f"{path}.{name}" if path else name)


def indent(text: str) -> str:
    """The text with two spaces before each line but the first."""
    return text.replace("\n", "\n  ")


def _kind(value: object) -> str:
    """The full name of the value's class."""
    return f"{type(value).__module__}.{type(value).__qualname__}"
