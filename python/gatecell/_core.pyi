"""
The C++ core of gatecell.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import typing
__all__: list[str] = ['Network32', 'Network64', 'Pool32', 'Pool64', 'Stream32', 'Stream64', 'available_isas', 'build_info', 'call', 'pack_count', 'plain_tensors', 'pool_step', 'step', 'team_size', 'unchanged', 'validate']
class Network32:
    """
    A packed float32 network; immutable.
    """
    def __init__(self, spec: tuple[str, typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, bool, bool, typing.SupportsInt | typing.SupportsIndex, str, str, bool, typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], weights: collections.abc.Sequence[typing.Annotated[numpy.typing.ArrayLike, numpy.float32]], isa: str) -> None:
        """
        Packs the weights: C-contiguous arrays in torch's order, layer by layer, direction by direction: weight_ih, weight_hh[, bias_ih, bias_hh][, weight_peephole][, weight_hr].
        """
    def forward(self, x: numpy.typing.NDArray[numpy.float32], h_0: numpy.typing.NDArray[numpy.float32] | None, c_0: numpy.typing.NDArray[numpy.float32] | None, lengths: numpy.typing.NDArray[numpy.int64] | None, out: numpy.typing.NDArray[numpy.float32] | None, batch_first: bool, num_threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32] | None]:
        """
        x (T, B, I), or (B, T, I) if batch_first, gives y, h_n (L*D, B, S) and, for an LSTM, c_n (L*D, B, H).
        """
    def forward_packed(self, data: numpy.typing.NDArray[numpy.float32], h_0: numpy.typing.NDArray[numpy.float32] | None, c_0: numpy.typing.NDArray[numpy.float32] | None, lengths: numpy.typing.NDArray[numpy.int64], state_rows: numpy.typing.NDArray[numpy.int64] | None, num_threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32] | None]:
        """
        data (sum of lengths, I), step by step, the longest row first; state_rows: where their states are.
        """
    def plan(self, steps: typing.SupportsInt | typing.SupportsIndex, rows: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> dict[str, typing.Any]:
        """
        What a call of this shape will do.
        """
    def weights(self) -> list[numpy.typing.NDArray[numpy.float32]]:
        """
        The weights as they came in, bit for bit.
        """
    @property
    def isa(self) -> str:
        ...
    @property
    def nbytes(self) -> int:
        """
        Memory of the packed weights in bytes.
        """
class Network64:
    """
    A packed float64 network; immutable.
    """
    def __init__(self, spec: tuple[str, typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, bool, bool, typing.SupportsInt | typing.SupportsIndex, str, str, bool, typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], weights: collections.abc.Sequence[typing.Annotated[numpy.typing.ArrayLike, numpy.float64]], isa: str) -> None:
        """
        Packs the weights: C-contiguous arrays in torch's order, layer by layer, direction by direction: weight_ih, weight_hh[, bias_ih, bias_hh][, weight_peephole][, weight_hr].
        """
    def forward(self, x: numpy.typing.NDArray[numpy.float64], h_0: numpy.typing.NDArray[numpy.float64] | None, c_0: numpy.typing.NDArray[numpy.float64] | None, lengths: numpy.typing.NDArray[numpy.int64] | None, out: numpy.typing.NDArray[numpy.float64] | None, batch_first: bool, num_threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64] | None]:
        """
        x (T, B, I), or (B, T, I) if batch_first, gives y, h_n (L*D, B, S) and, for an LSTM, c_n (L*D, B, H).
        """
    def forward_packed(self, data: numpy.typing.NDArray[numpy.float64], h_0: numpy.typing.NDArray[numpy.float64] | None, c_0: numpy.typing.NDArray[numpy.float64] | None, lengths: numpy.typing.NDArray[numpy.int64], state_rows: numpy.typing.NDArray[numpy.int64] | None, num_threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64] | None]:
        """
        data (sum of lengths, I), step by step, the longest row first; state_rows: where their states are.
        """
    def plan(self, steps: typing.SupportsInt | typing.SupportsIndex, rows: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> dict[str, typing.Any]:
        """
        What a call of this shape will do.
        """
    def weights(self) -> list[numpy.typing.NDArray[numpy.float64]]:
        """
        The weights as they came in, bit for bit.
        """
    @property
    def isa(self) -> str:
        ...
    @property
    def nbytes(self) -> int:
        """
        Memory of the packed weights in bytes.
        """
class Stream32:
    """
    The state of float32 sequences that go on from step to step.
    """
    def __enter__(self) -> None:
        """
        Raises RuntimeError while another thread is inside.
        """
    def __exit__(self, type: typing.Any, value: typing.Any, traceback: typing.Any) -> None:
        ...
    def __init__(self, network: Network32, rows: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Zeros. Raises ValueError for a bidirectional network or rows below 1.
        """
    def get_state(self) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32] | None]:
        """
        h (L, B, S) and, for an LSTM, c (L, B, H): copies.
        """
    def reset(self, rows: numpy.typing.NDArray[numpy.int64]) -> None:
        """
        Zeros for these rows. Raises ValueError for others than 0 to B-1.
        """
    def set_state(self, h: numpy.typing.NDArray[numpy.float32] | None, c: numpy.typing.NDArray[numpy.float32] | None) -> None:
        """
        C-contiguous; None: zeros.
        """
class Stream64:
    """
    The state of float64 sequences that go on from step to step.
    """
    def __enter__(self) -> None:
        """
        Raises RuntimeError while another thread is inside.
        """
    def __exit__(self, type: typing.Any, value: typing.Any, traceback: typing.Any) -> None:
        ...
    def __init__(self, network: Network64, rows: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Zeros. Raises ValueError for a bidirectional network or rows below 1.
        """
    def get_state(self) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64] | None]:
        """
        h (L, B, S) and, for an LSTM, c (L, B, H): copies.
        """
    def reset(self, rows: numpy.typing.NDArray[numpy.int64]) -> None:
        """
        Zeros for these rows. Raises ValueError for others than 0 to B-1.
        """
    def set_state(self, h: numpy.typing.NDArray[numpy.float64] | None, c: numpy.typing.NDArray[numpy.float64] | None) -> None:
        """
        C-contiguous; None: zeros.
        """
class Pool32:
    """
    The states of float32 streams that come and go.
    """
    def __enter__(self) -> None:
        """
        Raises RuntimeError while another thread is inside.
        """
    def __exit__(self, type: typing.Any, value: typing.Any, traceback: typing.Any) -> None:
        ...
    def __init__(self, network: Network32, capacity: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Raises ValueError for a bidirectional network or a capacity below 1.
        """
    def __len__(self) -> int:
        ...
    def close(self, id: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def get_state(self, ids: numpy.typing.NDArray[numpy.int64]) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32] | None]:
        """
        h (L, n, S) and, for an LSTM, c (L, n, H): copies.
        """
    def open(self, h: numpy.typing.NDArray[numpy.float32] | None, c: numpy.typing.NDArray[numpy.float32] | None) -> int:
        """
        The new stream's id. Raises RuntimeError while all are open.
        """
    def run(self, ids: numpy.typing.NDArray[numpy.int64], lengths: numpy.typing.NDArray[numpy.int64], x: numpy.typing.NDArray[numpy.float32]) -> numpy.typing.NDArray[numpy.float32]:
        """
        x and y: the steps of the first stream, then those of the second, ...
        """
    def set_state(self, ids: numpy.typing.NDArray[numpy.int64], h: numpy.typing.NDArray[numpy.float32] | None, c: numpy.typing.NDArray[numpy.float32] | None) -> None:
        """
        C-contiguous; None: zeros.
        """
    @property
    def nbytes(self) -> int:
        ...
class Pool64:
    """
    The states of float64 streams that come and go.
    """
    def __enter__(self) -> None:
        """
        Raises RuntimeError while another thread is inside.
        """
    def __exit__(self, type: typing.Any, value: typing.Any, traceback: typing.Any) -> None:
        ...
    def __init__(self, network: Network64, capacity: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Raises ValueError for a bidirectional network or a capacity below 1.
        """
    def __len__(self) -> int:
        ...
    def close(self, id: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def get_state(self, ids: numpy.typing.NDArray[numpy.int64]) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64] | None]:
        """
        h (L, n, S) and, for an LSTM, c (L, n, H): copies.
        """
    def open(self, h: numpy.typing.NDArray[numpy.float64] | None, c: numpy.typing.NDArray[numpy.float64] | None) -> int:
        """
        The new stream's id. Raises RuntimeError while all are open.
        """
    def run(self, ids: numpy.typing.NDArray[numpy.int64], lengths: numpy.typing.NDArray[numpy.int64], x: numpy.typing.NDArray[numpy.float64]) -> numpy.typing.NDArray[numpy.float64]:
        """
        x and y: the steps of the first stream, then those of the second, ...
        """
    def set_state(self, ids: numpy.typing.NDArray[numpy.int64], h: numpy.typing.NDArray[numpy.float64] | None, c: numpy.typing.NDArray[numpy.float64] | None) -> None:
        """
        C-contiguous; None: zeros.
        """
    @property
    def nbytes(self) -> int:
        ...
def available_isas() -> list[str]:
    """
    Instruction sets this machine can run, best first.
    """
def build_info() -> dict[str, typing.Any]:
    """
    How the core was built: version, commit, compiler, eigen, and isas (name to compiler flags).
    """
def call(network: typing.Any, x: typing.Any, hx: typing.Any, batch_first: bool, num_threads: int, table: typing.Any = None) -> typing.Any:
    """
    y, h_n or y, (h_n, c_n) for plain arrays, with a table for plain tensors; NotImplemented for others.
    """
def pack_count() -> int:
    """
    How often weights were packed in this process.
    """
def plain_tensors(first: typing.Any, rest: typing.Any, classes: typing.Any) -> bool:
    """
    Whether all are of one of these classes of tensors, and none is a negated view.
    """
def pool_step(pool: typing.Any, ids: typing.Any, x: typing.Any) -> typing.Any:
    """
    y for plain ids and an x of either float type; NotImplemented for others, right or wrong, and for a pool in use.
    """
def step(stream: typing.Any, x: typing.Any, out: typing.Any) -> typing.Any:
    """
    out, or a new y, for arrays of either float type; NotImplemented for others, steps worth several threads, in use.
    """
def team_size() -> int:
    """
    Worker threads this process has started.
    """
def unchanged(parameters: typing.Any, names: typing.Any, weights: typing.Any, key: typing.Any, bits: int, table: typing.Any) -> bool:
    """
    Whether the named tensors are those weights, contiguous, with the addresses, versions and shapes of the key; False also where that cannot be told.
    """
def validate(spec: tuple[str, typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, bool, bool, typing.SupportsInt | typing.SupportsIndex, str, str, bool, typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex]) -> None:
    """
    Raises ValueError for sizes below 1, a projection that is not smaller, options of another cell, or sizes whose product overflows.
    """
