from typing import Any

import numpy as np
from numpy.typing import NDArray

class Network32:
    isa: str
    nbytes: int
    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        bidirectional: bool,
        proj_size: int,
        weights: list[NDArray[np.float32]],
        isa: str,
    ) -> None: ...
    def forward(
        self,
        x: NDArray[np.float32],
        h_0: NDArray[np.float32] | None,
        c_0: NDArray[np.float32] | None,
        out: NDArray[np.float32] | None,
        batch_first: bool,
        num_threads: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]: ...
    def plan(self, steps: int, rows: int, num_threads: int) -> dict[str, Any]: ...
    def weights(self) -> list[NDArray[np.float32]]: ...

class Network64:
    isa: str
    nbytes: int
    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        bidirectional: bool,
        proj_size: int,
        weights: list[NDArray[np.float64]],
        isa: str,
    ) -> None: ...
    def forward(
        self,
        x: NDArray[np.float64],
        h_0: NDArray[np.float64] | None,
        c_0: NDArray[np.float64] | None,
        out: NDArray[np.float64] | None,
        batch_first: bool,
        num_threads: int,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]: ...
    def plan(self, steps: int, rows: int, num_threads: int) -> dict[str, Any]: ...
    def weights(self) -> list[NDArray[np.float64]]: ...

def available_isas() -> list[str]: ...
def build_info() -> dict[str, Any]: ...
def pack_count() -> int: ...
def team_size() -> int: ...
def validate(
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int,
    bias: bool,
    bidirectional: bool,
    proj_size: int,
) -> None: ...
