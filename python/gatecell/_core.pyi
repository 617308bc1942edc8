"""
The C++ core of gatecell.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import typing
__all__: list[str] = ['Network32', 'Network64', 'Pool32', 'Pool64', 'Spec', 'Stream32', 'Stream64', 'available_isas', 'build_info', 'call', 'call_first', 'cells', 'instruction_sets', 'options', 'pack_count', 'plain_tensors', 'pool_step', 'step', 'step_first', 'thread_pool_size', 'unchanged', 'weight_names']
class Spec:
    """
    The cell, the sizes and the options of a network, and what follows from them. Immutable.
    """
    def __eq__(self, arg0: typing.Any) -> bool:
        ...
    def __getattr__(self, arg0: str) -> typing.Any:
        ...
    def __getstate__(self) -> dict[str, typing.Any]:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, cell: str, input_size: typing.SupportsInt | typing.SupportsIndex, hidden_size: typing.SupportsInt | typing.SupportsIndex, num_layers: typing.SupportsInt | typing.SupportsIndex = 1, bias: bool = True, bidirectional: bool = False, proj_size: typing.SupportsInt | typing.SupportsIndex = 0, **kwargs: typing.Any) -> None:
        """
        The keywords that follow are options; options() has their names and values. Raises TypeError for an unknown option, ValueError for an unknown cell or value, sizes below 1 (proj_size: below 0), proj_size >= hidden_size, options of another cell, clips that are negative or not finite, and sizes that give more than about 2^46 weights.
        """
    def __repr__(self) -> str:
        ...
    def __setstate__(self, arg0: dict[str, typing.Any]) -> None:
        ...
    def fields(self) -> dict[str, typing.Any]:
        """
        The arguments that make an equal Spec, by name.
        """
    def packed_nbytes(self, dtype: str, isa: str) -> int:
        """
        The memory of the packed weights in bytes, for "float32" or "float64" and an instruction set of this machine.
        """
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """
        The shape of each weight by its name in a state dict of torch, in torch's order.
        """
    @property
    def bias(self) -> bool:
        ...
    @property
    def bidirectional(self) -> bool:
        ...
    @property
    def cell(self) -> str:
        ...
    @property
    def direction_runs(self) -> int:
        """
        Layers times directions: the length of the first axis of h_0 and c_0.
        """
    @property
    def gates(self) -> str:
        """
        The gates in the order of the matrix rows of weight_ih, weight_hh and the biases, one letter each.
        """
    @property
    def hidden_size(self) -> int:
        ...
    @property
    def input_size(self) -> int:
        ...
    @property
    def num_directions(self) -> int:
        ...
    @property
    def num_layers(self) -> int:
        ...
    @property
    def options(self) -> dict[str, typing.Any]:
        """
        The value of every option by its name.
        """
    @property
    def output_size(self) -> int:
        """
        The number of features of y.
        """
    @property
    def peephole_gates(self) -> str:
        """
        The gates of weight_peephole, in order. Empty without this weight.
        """
    @property
    def proj_size(self) -> int:
        ...
    @property
    def state_size(self) -> int:
        """
        The number of features of h. c always has hidden_size features.
        """
class Network32:
    """
    A packed float32 network; immutable.
    """
    def __init__(self, spec: Spec, weights: collections.abc.Sequence[typing.Annotated[numpy.typing.ArrayLike, numpy.float32]], isa: str) -> None:
        """
        Packs the weights, and keeps the arrays. They are C-contiguous arrays in torch's order, for each layer and direction: weight_ih, weight_hh[, bias_ih, bias_hh][, weight_peephole][, weight_hr].
        """
    def discard_weights(self) -> None:
        """
        Frees the arrays of the constructor. weights() is then an empty list.
        """
    def forward(self, x: numpy.typing.NDArray[numpy.float32], h_0: numpy.typing.NDArray[numpy.float32] | None, c_0: numpy.typing.NDArray[numpy.float32] | None, lengths: numpy.typing.NDArray[numpy.int64] | None, out: numpy.typing.NDArray[numpy.float32] | None, batch_first: bool, num_threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32] | None]:
        """
        x is (T, B, I), or (B, T, I) if batch_first. Returns y, h_n (L*D, B, S) and, for an LSTM, c_n (L*D, B, H).
        """
    def forward_packed(self, data: numpy.typing.NDArray[numpy.float32], h_0: numpy.typing.NDArray[numpy.float32] | None, c_0: numpy.typing.NDArray[numpy.float32] | None, lengths: numpy.typing.NDArray[numpy.int64], state_rows: numpy.typing.NDArray[numpy.int64] | None, num_threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32] | None]:
        """
        data is (sum of lengths, I), step by step, the longest row first. The state of row r is in row state_rows[r] of h_0, c_0, h_n and c_n.
        """
    def plan(self, steps: typing.SupportsInt | typing.SupportsIndex, rows: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> dict[str, typing.Any]:
        """
        What a call of this shape will do if it does not come in a loop of calls, as a dict.
        """
    def weights(self) -> list[numpy.typing.NDArray[numpy.float32]]:
        """
        The arrays of the constructor.
        """
    @property
    def isa(self) -> str:
        ...
    @property
    def nbytes(self) -> int:
        """
        The memory of the packed weights, in bytes, without the arrays of the constructor.
        """
class Network64:
    """
    A packed float64 network; immutable.
    """
    def __init__(self, spec: Spec, weights: collections.abc.Sequence[typing.Annotated[numpy.typing.ArrayLike, numpy.float64]], isa: str) -> None:
        """
        Packs the weights, and keeps the arrays. They are C-contiguous arrays in torch's order, for each layer and direction: weight_ih, weight_hh[, bias_ih, bias_hh][, weight_peephole][, weight_hr].
        """
    def discard_weights(self) -> None:
        """
        Frees the arrays of the constructor. weights() is then an empty list.
        """
    def forward(self, x: numpy.typing.NDArray[numpy.float64], h_0: numpy.typing.NDArray[numpy.float64] | None, c_0: numpy.typing.NDArray[numpy.float64] | None, lengths: numpy.typing.NDArray[numpy.int64] | None, out: numpy.typing.NDArray[numpy.float64] | None, batch_first: bool, num_threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64] | None]:
        """
        x is (T, B, I), or (B, T, I) if batch_first. Returns y, h_n (L*D, B, S) and, for an LSTM, c_n (L*D, B, H).
        """
    def forward_packed(self, data: numpy.typing.NDArray[numpy.float64], h_0: numpy.typing.NDArray[numpy.float64] | None, c_0: numpy.typing.NDArray[numpy.float64] | None, lengths: numpy.typing.NDArray[numpy.int64], state_rows: numpy.typing.NDArray[numpy.int64] | None, num_threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64] | None]:
        """
        data is (sum of lengths, I), step by step, the longest row first. The state of row r is in row state_rows[r] of h_0, c_0, h_n and c_n.
        """
    def plan(self, steps: typing.SupportsInt | typing.SupportsIndex, rows: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> dict[str, typing.Any]:
        """
        What a call of this shape will do if it does not come in a loop of calls, as a dict.
        """
    def weights(self) -> list[numpy.typing.NDArray[numpy.float64]]:
        """
        The arrays of the constructor.
        """
    @property
    def isa(self) -> str:
        ...
    @property
    def nbytes(self) -> int:
        """
        The memory of the packed weights, in bytes, without the arrays of the constructor.
        """
class Stream32:
    """
    The state of float32 sequences between their steps.
    """
    def __enter__(self) -> None:
        """
        Raises RuntimeError while another thread uses this object.
        """
    def __exit__(self, type: typing.Any, value: typing.Any, traceback: typing.Any) -> None:
        ...
    def __init__(self, network: Network32, rows: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        The state begins with zeros. Raises ValueError for a bidirectional network and for rows below 1.
        """
    def get_state(self) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32] | None]:
        """
        Copies of h (L, B, S) and, for an LSTM, of c (L, B, H).
        """
    def reset(self, rows: numpy.typing.NDArray[numpy.int64]) -> None:
        """
        Sets the state of these rows to zeros. Raises ValueError for rows that are not from 0 to B-1.
        """
    def run(self, x: numpy.typing.NDArray[numpy.float32], out: numpy.typing.NDArray[numpy.float32] | None, batch_first: bool) -> numpy.typing.NDArray[numpy.float32]:
        """
        Takes the steps of x (T, B, I), or (B, T, I) if batch_first. Returns out, or a new y if out is None.
        """
    def set_state(self, h: numpy.typing.NDArray[numpy.float32] | None, c: numpy.typing.NDArray[numpy.float32] | None) -> None:
        """
        Sets the state from C-contiguous arrays. None means zeros.
        """
class Stream64:
    """
    The state of float64 sequences between their steps.
    """
    def __enter__(self) -> None:
        """
        Raises RuntimeError while another thread uses this object.
        """
    def __exit__(self, type: typing.Any, value: typing.Any, traceback: typing.Any) -> None:
        ...
    def __init__(self, network: Network64, rows: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        The state begins with zeros. Raises ValueError for a bidirectional network and for rows below 1.
        """
    def get_state(self) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64] | None]:
        """
        Copies of h (L, B, S) and, for an LSTM, of c (L, B, H).
        """
    def reset(self, rows: numpy.typing.NDArray[numpy.int64]) -> None:
        """
        Sets the state of these rows to zeros. Raises ValueError for rows that are not from 0 to B-1.
        """
    def run(self, x: numpy.typing.NDArray[numpy.float64], out: numpy.typing.NDArray[numpy.float64] | None, batch_first: bool) -> numpy.typing.NDArray[numpy.float64]:
        """
        Takes the steps of x (T, B, I), or (B, T, I) if batch_first. Returns out, or a new y if out is None.
        """
    def set_state(self, h: numpy.typing.NDArray[numpy.float64] | None, c: numpy.typing.NDArray[numpy.float64] | None) -> None:
        """
        Sets the state from C-contiguous arrays. None means zeros.
        """
class Pool32:
    """
    The state of each of several float32 streams.
    """
    def __enter__(self) -> None:
        """
        Raises RuntimeError while another thread uses this object.
        """
    def __exit__(self, type: typing.Any, value: typing.Any, traceback: typing.Any) -> None:
        ...
    def __init__(self, network: Network32, capacity: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Raises ValueError for a bidirectional network and for a capacity below 1.
        """
    def __len__(self) -> int:
        ...
    def close(self, id: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def get_state(self, ids: numpy.typing.NDArray[numpy.int64]) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32] | None]:
        """
        Copies of h (L, n, S) and, for an LSTM, of c (L, n, H).
        """
    def open(self, h: numpy.typing.NDArray[numpy.float32] | None, c: numpy.typing.NDArray[numpy.float32] | None) -> int:
        """
        Opens a stream and returns its id. Raises RuntimeError while `capacity` streams are open.
        """
    def run(self, ids: numpy.typing.NDArray[numpy.int64], lengths: numpy.typing.NDArray[numpy.int64], x: numpy.typing.NDArray[numpy.float32]) -> numpy.typing.NDArray[numpy.float32]:
        """
        Stream i takes lengths[i] steps. x and y have the steps of the first stream, then those of the second, ...
        """
    def set_state(self, ids: numpy.typing.NDArray[numpy.int64], h: numpy.typing.NDArray[numpy.float32] | None, c: numpy.typing.NDArray[numpy.float32] | None) -> None:
        """
        Sets the state of these streams from C-contiguous arrays. None means zeros.
        """
    @property
    def nbytes(self) -> int:
        ...
class Pool64:
    """
    The state of each of several float64 streams.
    """
    def __enter__(self) -> None:
        """
        Raises RuntimeError while another thread uses this object.
        """
    def __exit__(self, type: typing.Any, value: typing.Any, traceback: typing.Any) -> None:
        ...
    def __init__(self, network: Network64, capacity: typing.SupportsInt | typing.SupportsIndex, num_threads: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Raises ValueError for a bidirectional network and for a capacity below 1.
        """
    def __len__(self) -> int:
        ...
    def close(self, id: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def get_state(self, ids: numpy.typing.NDArray[numpy.int64]) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64] | None]:
        """
        Copies of h (L, n, S) and, for an LSTM, of c (L, n, H).
        """
    def open(self, h: numpy.typing.NDArray[numpy.float64] | None, c: numpy.typing.NDArray[numpy.float64] | None) -> int:
        """
        Opens a stream and returns its id. Raises RuntimeError while `capacity` streams are open.
        """
    def run(self, ids: numpy.typing.NDArray[numpy.int64], lengths: numpy.typing.NDArray[numpy.int64], x: numpy.typing.NDArray[numpy.float64]) -> numpy.typing.NDArray[numpy.float64]:
        """
        Stream i takes lengths[i] steps. x and y have the steps of the first stream, then those of the second, ...
        """
    def set_state(self, ids: numpy.typing.NDArray[numpy.int64], h: numpy.typing.NDArray[numpy.float64] | None, c: numpy.typing.NDArray[numpy.float64] | None) -> None:
        """
        Sets the state of these streams from C-contiguous arrays. None means zeros.
        """
    @property
    def nbytes(self) -> int:
        ...
def available_isas() -> list[str]:
    """
    The instruction sets that this machine can run, best first.
    """
def build_info() -> dict[str, typing.Any]:
    """
    How the core was built: version, commit, compiler, eigen, arithmetic, isas, which maps names to compiler flags, and fused, the names of those with fused multiply-add. They all give the same bits. arithmetic is the version of the order of summation and of the activations: builds with the same version give the same bits.
    """
def call(network: typing.Any, x: typing.Any, hx: typing.Any, batch_first: bool, num_threads: int, table: typing.Any = None) -> typing.Any:
    """
    Returns y, h_n or y, (h_n, c_n) for plain arrays; with a table, for plain tensors. NotImplemented for others.
    """
def call_first(function: typing.Any) -> typing.Any:
    """
    A method of a layer: tries call() with the layer's attributes, and calls function(self, x, hx=None, ...) if the result is NotImplemented, or if there are other arguments.
    """
def cells() -> dict[str, dict[str, typing.Any]]:
    """
    The cells by name: with_article, gates (without options) and options (names).
    """
def instruction_sets() -> dict[str, dict[str, typing.Any]]:
    """
    All instruction sets by name, of every architecture, the better ones of an architecture first: vector_bytes, is_fused (has fused multiply-add), cpu_features (as /proc/cpuinfo names them), is_built.
    """
def options() -> dict[str, dict[str, typing.Any]]:
    """
    The options by name: values (empty for a bound), default, and removes (the gate that a value removes).
    """
def pack_count() -> int:
    """
    How often this process has packed weights.
    """
def plain_tensors(first: typing.Any, rest: typing.Any, classes: typing.Any) -> bool:
    """
    Whether the class of each object is one of `classes`, and no object is a negated view.
    """
def pool_step(pool: typing.Any, ids: typing.Any, x: typing.Any) -> typing.Any:
    """
    Takes one step of these streams and returns y. ids is a plain int64 array or a list or tuple of ints, x an array of float32 or float64. Returns NotImplemented for other arguments, valid or not, and for a pool in use.
    """
def step(stream: typing.Any, x: typing.Any, out: typing.Any) -> typing.Any:
    """
    Takes one step and returns out, or a new y if out is None. x is an array of float32 or float64. Returns NotImplemented for other arguments, and for a stream in use.
    """
def step_first(function: typing.Any) -> typing.Any:
    """
    A method of a stream: tries step() with the stream's core, and calls function(self, x, out=None) if the result is NotImplemented.
    """
def thread_pool_size() -> int:
    """
    The number of worker threads that this process has started.
    """
def unchanged(parameters: typing.Any, names: typing.Any, weights: typing.Any, key: typing.Any, bits: int, table: typing.Any) -> bool:
    """
    Whether the named tensors are the given weights, contiguous, with the addresses, versions and shapes in the key. False also if that is not known.
    """
def weight_names() -> list[str]:
    """
    The names of all weights of a direction of a layer, without their suffix.
    """
