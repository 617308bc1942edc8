"""`gatecell run`: runs a layer over a sequence in a .npy file, chunk by chunk, so the file may be larger than memory.

The outputs have the same bits as one call over the whole sequence, for every length of chunks and after interruptions.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gatecell
from gatecell import FoundLayer

from . import _networks, _sequence_file
from ._arguments import add_file, add_strict, add_threads, positive, with_dot
from ._draft import Draft, Record, States, write_arrays
from ._networks import Layer
from ._output import counted, print_json, printable
from ._reference import hx_of
from ._sequence_file import SequenceFile
from ._streaming import identity, record_to_resume, run_chunks, states_of

HELP = "run a layer over a sequence in a .npy file of any size"
CHUNK_BYTES = 1 << 24  # of input and output in a chunk: large enough for disks, small beside any memory
STATES = ("h_n", "c_n")  # names of the arrays in the state's file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "An interrupted run leaves OUTPUT.part and OUTPUT.resume. --resume goes on from there and gives the same bits; "
        "without an interrupted run it begins at step 0. --threads and --chunk may have other values then."
    )
    add_file(parser)
    add = parser.add_argument
    add("input", metavar="INPUT.npy", type=Path, help="(T, B, features) or (T, features), of any floating type")
    add("output", metavar="OUTPUT.npy", type=Path, help="with the axes of the input; appears when it is complete")
    add(
        "--layer",
        metavar="PREFIX",
        default="",
        help="prefix of the layer's names, required if FILE has several layers",
    )
    add(
        "--batch-first",
        action=argparse.BooleanOptionalAction,
        help="the input is (B, T, features); with --no-batch-first it is (T, B, features); default: as in FILE, or no",
    )
    add("--nonlinearity", choices=("tanh", "relu"), help="for a simple RNN (default tanh)")
    add(
        "--state",
        metavar="S.npz",
        type=Path,
        help="h_n and, for an LSTM, c_n: initial state if this file exists (else zeros), replaced by the final state",
    )
    add(
        "--chunk",
        metavar="N",
        type=positive,
        help="time steps in memory at a time (default: about 16 MB; all steps for a bidirectional layer)",
    )
    add_threads(parser)
    add_strict(parser)
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    again.add_argument("--force", action="store_true", help="replace the output and remove an interrupted run")


def execute(arguments: argparse.Namespace) -> int:
    start = time.monotonic()
    check_paths(arguments)
    network, is_assumed = make_network(arguments)
    draft = Draft(arguments.output)
    with _sequence_file.open_sequence(arguments.input, network.batch_first) as x, draft.locked() as file:
        check_leftovers(arguments, draft)
        if x.shape[-1] != network.input_size:
            expected, got = (x.layout.replace("features", str(n)) for n in (network.input_size, x.shape[-1]))
            raise ValueError(f"{x.path}: expected input {expected}, got {got} in an array of shape {x.shape}")
        chunk = chunk_steps(network, x, arguments.chunk)
        states = initial_state(network, x, arguments.state)
        record = Record(identity(network, x, states), 0, states)
        resuming = arguments.resume and draft.interrupted
        if resuming:
            record = record_to_resume(draft, record, x.steps)
        else:
            draft.remove_record()
        if not arguments.json:  # printed before the run, so that a user can stop a run with a wrong layout
            print(describe_layout(x, is_assumed), flush=True)
        first = record.step
        if not (resuming and first == x.steps and draft.has_output_name(file)):
            record = run_chunks(network, x, draft, file, record, chunk)
        if arguments.state:
            write_arrays(arguments.state, dict(zip(STATES, record.states, strict=False)))
        draft.finish(file)
    shape, seconds = (*x.shape[:-1], network.spec.output_size), time.monotonic() - start
    facts = {
        "output": str(arguments.output),
        "shape": shape,
        "dtype": str(network.dtype),
        "network": repr(network),
        "layout": x.layout,
        "steps": x.steps,
        "resumed_at": first,
        "seconds": seconds,
    }
    if arguments.json:
        print_json(facts)
    else:
        steps = f"{x.steps - first} of {x.steps} steps" if first else f"{x.steps} steps"
        print(f"{printable(str(arguments.output))}: {shape} {network.dtype}, {steps} in {seconds:.1f} s")
    return 0


def describe_layout(x: SequenceFile, is_assumed: bool) -> str:
    """A sentence about the input's layout. A .npy file does not say which axis is T, and the wrong layout may run."""
    sizes = f"{counted(x.rows, 'row')} of {counted(x.steps, 'step')}"
    sentence = f"{printable(str(x.path))}: {x.shape} taken as {x.layout}, {sizes}"
    # With one row, the other layout would mean several rows of one step, which is improbable.
    if is_assumed and x.layout == "(T, B, features)" and x.rows > 1:
        return f"{sentence}; if it is (B, T, features), pass --batch-first"
    return sentence


def check_paths(arguments: argparse.Namespace) -> None:
    """Finds errors that would otherwise appear at the end of a long run. Raises ValueError."""
    output, state = arguments.output, arguments.state
    for path in (output, state):
        if path and path.exists() and not path.is_file():
            raise ValueError(f"{path}: expected a file, got a directory, a device or a pipe")
        if path and not path.parent.is_dir():
            raise ValueError(f"{path}: there is no such directory")
    read = {"the weights": arguments.file, "the input": arguments.input}
    for written, others in ((output, {**read, "the state": state}), (state, read)):
        for what, other in others.items():
            if written and other and _is_same_file(written, other):
                raise ValueError(f"{written}: this is {what}, which would be overwritten")


def check_leftovers(arguments: argparse.Namespace, draft: Draft) -> None:
    """Raises ValueError if the run would remove files of other runs without --force or --resume."""
    if arguments.force:
        return
    output = arguments.output
    if draft.interrupted and not arguments.resume:
        raise ValueError(f"{output}: an interrupted run is there: --resume goes on with it, --force starts a new run")
    if output.exists() and not draft.interrupted:
        nothing = " and there is no interrupted run" if arguments.resume else ""
        raise ValueError(f"{output}: exists already{nothing}; --force replaces it")


def make_network(arguments: argparse.Namespace) -> tuple[Layer, bool]:
    """The network, and whether batch_first=False is an assumption because neither the file nor the user gave it."""
    weights = gatecell.load(arguments.file, prefix=arguments.layer)
    found = _networks.layers_of(arguments.file, weights)
    layer = choose_layer(found, arguments.layer)
    if arguments.strict and arguments.layer:
        _networks.check(arguments.file, layer, weights)
    elif arguments.strict:
        _networks.check_all(arguments.file, found, weights)
    options: dict[str, Any] = {"num_threads": arguments.threads}
    if arguments.batch_first is not None:
        options["batch_first"] = arguments.batch_first
    if arguments.nonlinearity:
        if not layer.cell.startswith("RNN"):
            raise ValueError(f"--nonlinearity is for a simple RNN, got {layer!r}")
        options["nonlinearity"] = arguments.nonlinearity
    is_assumed = arguments.batch_first is None and "batch_first" in layer.choose
    return _networks.load_network(layer, weights, **options), is_assumed


def choose_layer(layers: Sequence[FoundLayer], prefix: str) -> FoundLayer:
    """The layer with this prefix. If none has it and `layers` has only one, that one. Otherwise raises ValueError."""
    exact = [layer for layer in layers if layer.prefix == with_dot(prefix)]
    if len(candidates := exact or layers) == 1:
        return candidates[0]
    names = [repr(layer.prefix) for layer in layers[:10]] + ["..."][: len(layers) > 10]
    raise ValueError(f"expected --layer to choose one of {len(layers)} layers ({', '.join(names)}), got {prefix!r}")


def chunk_steps(network: Layer, x: SequenceFile, chunk: int | None) -> int:
    """The number of time steps in a chunk. A bidirectional network needs the whole sequence at once."""
    if network.bidirectional:
        if chunk:
            raise ValueError(
                "expected a network of one direction for --chunk, got a bidirectional one, which begins at both ends"
            )
        return max(1, x.steps)
    rows = x.step_bytes // max(1, network.input_size * x.dtype.itemsize)
    step = rows * (network.input_size + network.spec.output_size) * network.dtype.itemsize
    return chunk or max(1, CHUNK_BYTES // max(1, step))


def initial_state(network: Layer, x: SequenceFile, path: Path | None) -> States:
    """The checked state before the first step. Raises OSError, ValueError."""
    hx = None
    if path and path.exists():
        arrays = gatecell.load(path)
        names = STATES[: 2 if isinstance(network, gatecell.LSTM) else 1]
        if set(arrays) != set(names):
            raise ValueError(f"{path}: expected arrays {' and '.join(names)}, got {', '.join(arrays) or 'none'}")
        hx = hx_of([arrays[name] for name in names])
    try:
        return states_of(network(x.read(0, 0), hx)[1])
    except (ValueError, TypeError) as error:  # an error about hx, as x has been checked
        raise ValueError(f"{path}: {error}") from error


def _is_same_file(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))
