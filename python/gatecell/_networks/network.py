"""Network, the base of all layers and cells: options, packed weights, and how weights are loaded and saved."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._base import defaults
from .._base.arrays import Floats, adjacent, cast, floats, initial_state
from .._base.spec import DEFAULTS, Spec, options_of
from .._core import Network32, Network64
from .._files import read
from .._modules.module import Module
from .._modules.parameter import Unloaded
from .._modules.weights import assign, matched
from .._state_dict.layer_keys import SAVED_OPTIONS, IncompatibleKeys, LayerKeys, negate_z

if TYPE_CHECKING:
    from typing_extensions import Self


class Network(Module):
    """Base of layers and cells: modules that keep their weights in the core.

    Attributes may be read, but not set. Several threads may call a network at the same time. A user may register
    parameters, buffers and modules on it, as on any module.
    """

    _cell: str  # the cell in the core's table; of an RNN rnn_tanh, whose facts are those of rnn_relu, too
    _axes: str  # the axes of batched input before its features: "TB", "BT", or "B" for a cell

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # As in torch, a call runs the forward of a user's subclass.
        if "forward" in vars(cls) and "__call__" not in vars(cls):
            cls.__call__ = Module.__call__  # type: ignore[method-assign]

    def __init__(self, spec: Spec, device: object, dtype: Any, num_threads: int | None, isa: str | None) -> None:
        defaults.check_device(device)
        self._spec = spec
        self.input_size = spec.input_size
        self.hidden_size = spec.hidden_size
        self.bias = spec.bias
        vars(self).update(options_of(spec))
        self.dtype = defaults.choose_dtype(dtype)
        self._num_threads = num_threads
        self.num_threads = defaults.choose_threads(num_threads)
        self.isa = defaults.choose_isa(isa)
        self._core: Any = None  # Network32 or Network64, immutable: a running call keeps the weights that it began with

    @property
    def spec(self) -> Spec:
        """The cell, the sizes and the options, and what follows from them: `gates`, `shapes()`, `output_size`, ...

        It is immutable. Every option is an attribute of it, also those of other cells. Options have the core's form:
        "none" and 0.0 where the network's attribute is None. A cell has the names of a layer in `shapes()`.
        """
        return self._spec

    @classmethod
    def from_state_dict(
        cls,
        state_dict: Mapping[str, Any],
        *,
        prefix: str = "",
        strict: bool = True,
        dtype: Any = None,
        z: str = "old",
        **flags: Any,
    ) -> Self:
        """Make a network from the weights under `prefix`. Their shapes give the sizes.

        dtype: None takes the dtype of the tensors: float64 if any is float64, else float32. Lists of numbers have no
        dtype. flags: the constructor's other arguments, which a state dict does not contain: batch_first, nonlinearity,
        num_threads, ... and the options that PyTorch lacks. An option with a weight of its own need not be passed: the
        name and the shape of this weight show it. batch_first and nonlinearity need not be passed if `gatecell.load`
        found them in a saved module or TorchScript (`Weights.options`).
        strict, z and errors are as for load_state_dict.
        """
        keys = LayerKeys(cls.__name__, state_dict, prefix)
        parameters = inspect.signature(cls).parameters
        shown = {name: value for name, value in keys.options(cls._cell).items() if name in parameters}
        flags = {**shown, **flags}
        sizes = {name: size for name, size in keys.sizes().items() if name in parameters}
        if given := sizes.keys() & flags.keys():
            raise TypeError(f"{cls.__name__}.from_state_dict reads {', '.join(sorted(given))} off the tensors")
        saved = getattr(state_dict, "options", {}).get(keys.prefix, {})
        known = [name for name in SAVED_OPTIONS if name in saved and name in parameters]
        flags = {name: saved[name] for name in known} | flags
        net = cls(**sizes, dtype=dtype, **flags)
        is_extended = net._is_extended()
        arrays, _ = keys.arrays(net._shapes(), strict=strict and not is_extended, cell_names=True)
        if dtype is None:
            net.dtype = common_dtype(arrays)
        if is_extended:
            net.load_state_dict(state_dict, strict, prefix=prefix, z=z)
        else:
            net._core = net._pack(net._with_z_of_torch(arrays, z))
        return net

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, prefix: str = "", **flags: Any) -> Self:
        """Make a network from a file that `gatecell.load` reads: `.pt`, `.safetensors`, `.npz` and others.

        Only the arrays under `prefix` are read. Everything else in the file may be of any kind. flags are the arguments
        of from_state_dict.
        """
        return cls.from_state_dict(read(path, prefix), prefix=prefix, **flags)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, *, prefix: str = "", z: str = "old"
    ) -> IncompatibleKeys:
        """Load the weights under `prefix` (with or without its final dot). Names and layout are PyTorch's.

        Tensors may be NumPy arrays or torch tensors of any floating point dtype, on any device, or nested lists of
        numbers. They are converted to the network's dtype. All weights are replaced at once: calls that run at this
        moment finish with the old weights, and after an error nothing has changed. Raises ValueError that lists every
        missing and unexpected key and every key of a wrong shape, TypeError for tensors that are not real floating
        point numbers. Parameters, buffers and modules that a user registered on the network are loaded, too; then the
        rules are those of any module.

        strict=False ignores unexpected keys. Unexpected are all other keys under `prefix`, and keys in the modules
        around it that are named after one of its weights (weight_hh_l0_raw), because they may change what the layer
        computes. A second name of a weight is not unexpected if it holds an equal tensor (PaddlePaddle's
        0.cell_fw.weight_ih).

        z: which state the gate z of a GRU weighs. "old" is PyTorch's h' = (1-z)*n + z*h. "new" is h' = (1-z)*h + z*n,
        as in other texts. For "new" the matrix rows of z are negated, because 1 - s(a) = s(-a). state_dict() returns
        them negated.
        """
        if self._is_extended():
            return self._load_extended(state_dict, strict, prefix, z)
        keys = LayerKeys(type(self).__name__, state_dict, prefix)
        keys.check_depth(self._spec.num_layers)
        arrays, incompatible = keys.arrays(self._shapes(), strict=strict)
        self._core = self._pack(self._with_z_of_torch(arrays, z))
        return incompatible

    def state_dict(self, *, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Copies of all weights, with PyTorch's names, order and layout. Their bits are those that were loaded.

        As in torch, the parameters, persistent buffers and modules that a user registered are included.
        """
        if self._is_extended():
            return super().state_dict(prefix=prefix)
        self._loaded()
        return {prefix + name: array for name, array in self._weights().items()}

    def __setattr__(self, name: str, value: Any) -> None:
        self._check_no_weight(name)
        super().__setattr__(name, value)

    def _check_name(self, name: str, registered: Mapping[str, Any]) -> None:
        self._check_no_weight(name)
        super()._check_name(name, registered)

    def _check_no_weight(self, name: str) -> None:
        """Raises AttributeError if the name is that of a packed weight."""
        if name.startswith(("weight_", "bias_")) and "_spec" in vars(self) and name in self._shapes():
            raise AttributeError(f"expected load_state_dict to set {name}, which is packed, got another {name}")

    def _is_extended(self) -> bool:
        """Whether a user registered parameters, buffers or modules on the network."""
        return bool(self._parameters or self._buffers or self._children())

    def _load_extended(self, state_dict: Mapping[str, Any], strict: bool, prefix: str, z: str) -> IncompatibleKeys:
        """load_state_dict of a network on which a user registered more."""
        matches, incompatible = matched(self, state_dict, strict, prefix)
        own = matches.get(id(self), {})
        weights = own.keys() & self._shapes().keys()
        own.update(zip(weights, self._with_z_of_torch([own[name] for name in weights], z), strict=True))
        assign(self, matches)
        return incompatible

    def _values(self) -> dict[str, Any]:
        return {**self._weights(), **super()._values()}

    def _weights(self) -> dict[str, Any]:
        """Copies of all weights by name, or Unloaded."""
        shapes = self._shapes()
        if self._core is None:
            return {name: Unloaded(name, shape, self.dtype) for name, shape in shapes.items()}
        return {name: array.copy() for name, array in zip(shapes, self._core.weights(), strict=True)}

    def _convert(self, dtype: np.dtype[Any], converted: dict[int, tuple[Any, Any]]) -> None:
        super()._convert(dtype, converted)
        weights = None if self._core is None else self._core.weights()
        self.dtype = dtype
        self._core = None if weights is None else self._pack(weights)

    def _assign(self, values: dict[str, NDArray[Any]]) -> None:
        shapes = self._shapes()
        super()._assign({name: value for name, value in values.items() if name not in shapes})
        weights = {name: value for name, value in values.items() if name in shapes}
        if weights:
            self._core = self._pack(list({**self._weights(), **weights}.values()))

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight by its key in the state dict."""
        return self._spec.shapes()

    def _with_z_of_torch(self, arrays: list[Floats], z: str) -> list[Floats]:
        """The weights with z as torch has it, from weights with z in the sense "old" or "new" of load_state_dict.

        Raises ValueError for other values of z, and for "new" if the network has no gate z.
        """
        if not (isinstance(z, str) and z in ("old", "new")):
            raise ValueError(f"expected z 'old' or 'new', got {z!r}")
        if z == "old":
            return arrays
        if "z" not in self._spec.gates:
            raise ValueError(f"z='new' is for a GRU: {type(self).__name__} has no gate z")
        return negate_z(arrays, self._spec.gates)

    def _pack(self, arrays: list[Floats]) -> Any:
        """A network of the core with copies of these weights, which are in the order of `_shapes`.

        The core packs the copies and keeps them for `weights()`. The caller may change the arrays, or the file that
        they view.
        """
        with np.errstate(all="ignore"):  # values beyond float32's range become infinite
            weights: list[Any] = [array.astype(self.dtype, order="C") for array in arrays]
        for array in weights:
            array.flags.writeable = False  # else they could differ from the packed weights
        core: Any = Network32 if self.dtype == np.float32 else Network64
        return core(self._spec, weights, self.isa)

    def _loaded(self) -> Any:
        """The network of the core. Raises RuntimeError if there are no weights yet."""
        if self._core is None:
            raise RuntimeError(f"{type(self).__name__} has no weights yet: call load_state_dict first")
        return self._core

    def _input(self, x: Any) -> Floats:
        """The caller's x as the core reads it: an array of the network's dtype with adjacent features."""
        if type(x) is not np.ndarray or x.dtype != self.dtype:
            x = floats(x, self.dtype, "input")
        if not 0 <= x.ndim - len(self._axes) <= 1 or x.shape[-1] != self.input_size:
            raise self._input_error(x.shape)
        return adjacent(x)

    def _input_error(self, shape: tuple[int, ...]) -> ValueError:
        def show(axes: str, features: int) -> str:
            return f"({', '.join([*axes, str(features)])})"

        layouts = {len(axes) + 1: axes for axes in (self._axes, self._axes.replace("B", ""))}
        axes = layouts.get(len(shape))
        if axes is None:
            batched, unbatched = (show(axes, self.input_size) for axes in layouts.values())
            return ValueError(f"expected input {batched} or unbatched {unbatched}, got {shape}")
        got = show(axes, shape[-1])
        return ValueError(f"expected input {show(axes, self.input_size)}, got {got} in an array of shape {shape}")

    def _states(self, hx: Any, lead: tuple[int, ...], rows: int) -> tuple[Floats, Floats | None]:
        """The core's h_0 and c_0, (L*D, rows, features), from the caller's hx, with arrays (*lead, features)."""
        spec = self._spec
        if spec.cell != "lstm":
            if isinstance(hx, tuple):
                raise TypeError(f"expected hx to be one array h_0, got a tuple of {len(hx)}")
            return self._state(hx, "h_0", lead, rows, spec.state_size), None
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            got = f"{len(hx)} values" if isinstance(hx, (tuple, list)) else type(hx).__name__
            raise TypeError(f"expected hx to be a tuple (h_0, c_0), got {got}")
        h_0 = self._state(hx[0], "h_0", lead, rows, spec.state_size)
        return h_0, self._state(hx[1], "c_0", lead, rows, spec.hidden_size)

    def _state(self, value: Any, name: str, lead: tuple[int, ...], rows: int, features: int) -> Floats:
        array = initial_state(value, self.dtype, name, (*lead, features))
        return array if array.ndim == 3 else array.reshape(self._spec.direction_runs, rows, features)

    def _weights_by_layer_names(self) -> dict[str, Floats]:
        """All weights by the names that a layer has, also for a cell. Raises RuntimeError if there are none yet."""
        return dict(zip(self._spec.shapes(), self._loaded().weights(), strict=True))

    def _gate_values(self, x: Floats, hx: tuple[Floats | None, Floats | None], dtype: Any) -> dict[str, Floats]:
        """The values of all gates, (L*D, T, B, features), for x (T, B, I) and h_0, c_0. dtype is as for gates."""
        weights = self._weights_by_layer_names()
        from . import gates  # here and not above, so that `import gatecell` stays fast

        if dtype is None:
            return gates.values(self._spec, weights, x, *hx)
        chosen = defaults.choose_dtype(dtype)
        return gates.values(self._spec, weights, cast(x, chosen), *hx, str(chosen))

    def extra_repr(self) -> str:
        values = options_of(self._spec)
        own = [f"{name}={value!r}" for name, value in values.items() if value != DEFAULTS[name]]
        options = [*self._repr_options(), *own, f"isa={self.isa!r}", f"num_threads={self.num_threads}"]
        return f"{self.input_size}, {self.hidden_size}, {', '.join(options)}"

    def _repr_options(self) -> list[str]:
        """The options that torch's repr shows, too: those with other values than the default."""
        return [] if self.bias else ["bias=False"]

    def __getstate__(self) -> dict[str, Any]:
        """Options and weights, without the isa. The machine that loads the pickle chooses its own.

        It also chooses num_threads, unless the constructor got a num_threads: the pickle contains that one.
        """
        state = {name: value for name, value in vars(self).items() if name not in ("_core", "isa", "num_threads")}
        state["_spec"] = self._spec.fields()
        return {**state, "_weights": None if self._core is None else self._core.weights()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        weights = state.pop("_weights")
        vars(self).update(state)
        spec: Any = self._spec
        if isinstance(spec, tuple):
            from .old_pickles import FIELDS_OF_0_1

            spec = dict(zip(FIELDS_OF_0_1, spec, strict=True))
        if isinstance(spec, dict):  # an earlier version pickled the Spec itself
            self._spec = Spec(**spec)
        vars(self).update(options_of(self._spec))  # an earlier version may lack an option
        self.num_threads = defaults.choose_threads(self._num_threads)
        self.isa = defaults.choose_isa(None)
        self._core = None if weights is None else self._pack(weights)


def common_dtype(arrays: list[Floats]) -> np.dtype[Any]:
    """float64 if any array is float64 or wider, else float32."""
    return np.dtype(np.float64 if any(array.itemsize >= 8 for array in arrays) else np.float32)
