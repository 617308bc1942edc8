"""A network over a sequence file into a draft, chunk by chunk, and what has to be the same for a run to be resumed."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gatecell

from . import _sequence_file
from ._draft import Draft, Record, States
from ._reference import hx_of
from ._sequence_file import SequenceFile
from ._sizes import Layer, output_size

# Options of a layer that change no output, or that a run's identity has elsewhere.
_NO_MATTER = ("batch_first", "dropout", "device", "dtype", "num_threads", "isa")


def stream(network: Layer, x: SequenceFile, draft: Draft, file: int, record: Record, chunk: int) -> Record:
    """From a record to the end, whose record is then kept."""
    prepare = _sequence_file.reopened if record.step else _sequence_file.create
    y = prepare(draft.part, file, (*x.shape[:-1], output_size(network)), network.dtype, network.batch_first)
    draft.keep(file, record, now=True)
    try:
        with progress(x.steps, record.step) as advance:
            while record.step < x.steps:
                count = min(chunk, x.steps - record.step)
                part, hidden = network(x.read(record.step, count), hx_of(record.states))
                y.write(record.step, part)
                record = Record(record.run, record.step + count, states_of(hidden))
                draft.keep(file, record, now=record.step == x.steps)
                advance(count)
    except OSError as error:
        hint = f"{error.strerror}; --resume goes on from step {draft.record().step}"
        raise OSError(error.errno, hint, error.filename) from None
    except KeyboardInterrupt:
        print(f"interrupted; --resume goes on from step {draft.record().step}", file=sys.stderr)
        raise
    return record


@contextmanager
def progress(steps: int, done: int) -> Iterator[Callable[[int], object]]:
    """A progress bar on stderr if that is a terminal and tqdm is installed; takes the number of steps made."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda count: None
        return
    with tqdm(total=steps, initial=done, unit=" steps", file=sys.stderr, disable=None) as bar:
        yield bar.update


def resumed(draft: Draft, now: Record, steps: int) -> Record:
    """Where the interrupted run was. Raises ValueError if this one would not give the same bits."""
    record = draft.record()
    # A complete run may have been interrupted when it had written the final state over the initial one.
    finals = {**now.run, "the initial state": record.run.get("the initial state")}
    run = finals if record.step == steps and digest(record.states) == now.run["the initial state"] else now.run
    if others := [what for what in run if run[what] != record.run.get(what)]:
        raise ValueError(f"{draft.output}: cannot resume, changed since: {', '.join(others)}; --force begins anew")
    return record


def identity(network: Layer, x: SequenceFile, states: States) -> dict[str, Any]:
    """What decides about the bits.

    Weights by their values, so that the file may have moved. The input by size and time of change as `make` does it: to
    read all of an input larger than memory again would take as long as many a run.
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
        "whether the processor has FMA": network.isa != "sse2",  # all other instruction sets give the same bits
    }


def options_of(network: Layer) -> dict[str, Any]:
    """The class and the options that decide about the outputs. Record keeps the dtype and the layout beside them."""
    names = [name for name in inspect.signature(type(network)).parameters if name not in _NO_MATTER]
    return {"class": type(network).__name__, **{name: getattr(network, name) for name in names}}


def digest(arrays: States) -> str:
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def states_of(hidden: Any) -> States:
    """Of what a network gives: h_n, or h_n and c_n."""
    return list(hidden) if isinstance(hidden, tuple) else [hidden]
