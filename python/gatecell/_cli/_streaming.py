"""Runs a network over a sequence file into a draft, chunk by chunk, and checks that a run may be resumed."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import gatecell

from . import _sequence_file
from ._draft import Draft, Record, States
from ._networks import Layer
from ._reference import hx_of
from ._sequence_file import SequenceFile

# Options of a layer that do not change the outputs, or that `identity` has under another key.
_OTHER_OPTIONS = ("batch_first", "dropout", "device", "dtype", "num_threads", "isa")


def run_chunks(network: Layer, x: SequenceFile, draft: Draft, file: int, record: Record, chunk: int) -> Record:
    """Runs the steps from a record to the end. Returns the last record, which it has written."""
    prepare = _sequence_file.reopen if record.step else _sequence_file.create
    y = prepare(draft.part, file, (*x.shape[:-1], network.spec.output_size), network.dtype, network.batch_first)
    draft.write_record(file, record, now=True)
    try:
        with progress(x.steps, record.step) as advance:
            while record.step < x.steps:
                count = min(chunk, x.steps - record.step)
                part, hidden = network(x.read(record.step, count), hx_of(record.states))
                y.write(record.step, part)
                record = Record(record.run, record.step + count, states_of(hidden))
                draft.write_record(file, record, now=record.step == x.steps)
                advance(count)
    except OSError as error:
        hint = f"{error.strerror}; --resume goes on from step {draft.read_record().step}"
        raise OSError(error.errno, hint, error.filename) from None
    except KeyboardInterrupt:
        print(f"interrupted; --resume goes on from step {draft.read_record().step}", file=sys.stderr)
        raise
    return record


@contextmanager
def progress(steps: int, done: int) -> Iterator[Callable[[int], object]]:
    """Shows a progress bar on stderr if that is a terminal and tqdm is installed. Yields a function that adds steps."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda count: None
        return
    with tqdm(total=steps, initial=done, unit=" steps", file=sys.stderr, disable=None) as bar:
        yield bar.update


def record_to_resume(draft: Draft, now: Record, steps: int) -> Record:
    """The record of the interrupted run. Raises ValueError if this run would not give the same bits."""
    record = draft.read_record()
    # A complete run may have been interrupted after it wrote the final state into the file of the initial state.
    finals = {**now.run, "the initial state": record.run.get("the initial state")}
    run = finals if record.step == steps and digest(record.states) == now.run["the initial state"] else now.run
    if others := [what for what in run if run[what] != record.run.get(what)]:
        raise ValueError(f"{draft.output}: cannot resume, changed since: {', '.join(others)}; --force starts a new run")
    return record


def identity(network: Layer, x: SequenceFile, states: States) -> dict[str, Any]:
    """All that the bits of a run depend on, by the words that an error uses.

    The weights are identified by their values, so their file may have moved. The input is identified by size and time
    of change, as the program `make` does: to read a large input again could take as long as the run.
    """
    about = x.path.stat()
    return {
        "the input's size": about.st_size,
        "the input's time of change": about.st_mtime_ns,
        "the input's layout": [list(x.shape), str(x.dtype), x.time],
        "the weights": digest(list(network.state_dict().values())),
        "the network": options_of(network),
        "the initial state": digest(states),
        "the version of gatecell": gatecell.__version__,
        "whether the processor has FMA": has_fma(network.isa),
    }


def has_fma(isa: str) -> bool:
    """Whether an instruction set has fused multiply-add. All that have it give the same bits, and so do all without.

    A network of one unit finds out: its product rounds to 1 + 2**-12 unless the multiply-add is fused.
    """
    probe = gatecell.RNN(1, 1, nonlinearity="relu", isa=isa)
    weights = {"weight_ih_l0": [[1 + 2**-13]], "weight_hh_l0": [[0]], "bias_ih_l0": [-1 - 2**-12], "bias_hh_l0": [0]}
    probe.load_state_dict({name: np.array(values, np.float32) for name, values in weights.items()})
    y, _ = probe(np.full((1, 1), 1 + 2**-13, np.float32))
    return bool(y[0, 0] > 0)


def options_of(network: Layer) -> dict[str, Any]:
    """The class and the options that the outputs depend on."""
    names = [name for name in inspect.signature(type(network)).parameters if name not in _OTHER_OPTIONS]
    return {"class": type(network).__name__, **{name: getattr(network, name) for name in names}}


def digest(arrays: States) -> str:
    """A hash of the dtypes, shapes and values of arrays."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def states_of(hidden: Any) -> States:
    """The final state that a network returns as a list: h_n, or h_n and c_n."""
    return list(hidden) if isinstance(hidden, tuple) else [hidden]
