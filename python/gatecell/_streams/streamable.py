"""What streams need of a network, so that they do not import networks, whose `stream` makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._base.arrays import Floats
from .._base.spec import Spec

if TYPE_CHECKING:
    from typing_extensions import Self


class Streamable:
    """Base of LSTM, GRU and RNN. These attributes and methods are theirs; `Layer` and `Network` say what they do."""

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
