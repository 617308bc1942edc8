"""The attributes and methods of a network that streams use. With this class, streams need not import networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._base.arrays import Floats
from .._base.spec import Spec

if TYPE_CHECKING:
    from typing_extensions import Self


class Streamable:
    """A base of LSTM, GRU and RNN. The docstrings of `Layer` and `Network` describe these methods."""

    dtype: np.dtype[Any]
    num_threads: int
    num_layers: int
    input_size: int
    batch_first: bool
    _axes: str
    _spec: Spec

    def __call__(self, x: Any, hx: Any = None, *, out: Any = None) -> Any:
        raise NotImplementedError

    def _frozen(self) -> Self:
        raise NotImplementedError

    def _loaded(self) -> Any:
        raise NotImplementedError

    def _input(self, x: Any) -> Floats:
        raise NotImplementedError

    def _states(self, hx: Any, lead: tuple[int, ...], rows: int) -> tuple[Floats, Floats | None]:
        raise NotImplementedError
