"""Writes an output that may take hours: OUTPUT appears as a whole or not at all, and an interrupted run can go on.

OUTPUT.part is the file while the run writes it. OUTPUT.resume is the record: the number of steps that are done, the
state after them, and the identity of the run. The order of writes makes an interruption safe at any moment, even a
power cut: data reach the disk before the record that counts them, the final state is written before the output gets its
name, and the record is removed last.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import gatecell

from ._sequence_file import file_named_in_errors

INTERVAL = 1.0  # seconds between records, because writing a record waits for the disk

States = list[NDArray[Any]]  # h, or h and c


class Record(NamedTuple):
    """How far a run is."""

    run: dict[str, Any]  # the identity of the run: all that the bits depend on; an error names the key that differs
    step: int  # the first step that is still to do
    states: States  # the state before that step


class Draft:
    """The files OUTPUT.part and OUTPUT.resume of one output."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.part = Path(f"{output}.part")
        self._record = Path(f"{output}.resume")
        self._due = 0.0

    @property
    def interrupted(self) -> bool:
        """Whether there is the record of an interrupted run."""
        return self._record.exists()

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Opens OUTPUT.part to read and write, and locks it for this process. Raises OSError, ValueError.

        Only while the lock is held no other run can change the output, the record or the final state.
        """
        file = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with file_named_in_errors(self.part):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ValueError(f"{self.output}: another run is writing it") from None
                if not (self.part.exists() and os.path.samefile(self.part, file)):
                    raise ValueError(f"{self.output}: another run has just written it")
            try:
                yield file
            finally:
                about = os.fstat(file)
                if about.st_nlink and not about.st_size:  # the run has not begun to write
                    self.part.unlink(missing_ok=True)
        finally:
            os.close(file)

    def read_record(self) -> Record:
        """Reads the record of the interrupted run. Raises OSError, ValueError."""
        try:
            arrays = dict(gatecell.load(self._record, check=True))
            about = json.loads(arrays.pop("about").tobytes())
            return Record(about["run"], about["step"], list(arrays.values()))
        except (KeyError, TypeError, ValueError):
            what = "not the record of an interrupted run; --force starts a new run"
            raise ValueError(f"{self._record}: {what}") from None

    def write_record(self, file: int, record: Record, *, now: bool = False) -> None:
        """Writes the record if the last one is INTERVAL seconds old, or if `now`. Raises OSError."""
        if not now and time.monotonic() < self._due:
            return
        with file_named_in_errors(self.part):
            os.fsync(file)
        about = json.dumps({"run": record.run, "step": record.step}).encode()
        arrays = {f"state_{index}": state for index, state in enumerate(record.states)}
        write_arrays(self._record, {"about": np.frombuffer(about, np.uint8), **arrays})
        self._due = time.monotonic() + INTERVAL

    def remove_record(self) -> None:
        """Removes the record of an interrupted run, before another run begins."""
        self._record.unlink(missing_ok=True)
        _sync_folder(self._record)

    def finish(self, file: int) -> None:
        """Renames OUTPUT.part to OUTPUT and removes the record. The last record must be on the disk. Raises OSError."""
        if self.has_output_name(file):
            self.part.unlink()
        else:
            self.part.replace(self.output)
            _sync_folder(self.output)
        self._record.unlink()

    def has_output_name(self, file: int) -> bool:
        """Whether the interrupted run has renamed its output already. OUTPUT.part is then new and empty.

        The record must say that the run is complete.
        """
        return not os.fstat(file).st_size and self.output.exists()


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes a .npz file. After an interruption `path` is the whole new file or the old one. Raises OSError."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    draft = path.with_name(f"{path.name}.new")  # if a run leaves this file, the next run overwrites it
    with file_named_in_errors(draft), draft.open("wb", buffering=0) as file:
        _write(file, content.getbuffer())
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_folder(path)


def _write(file: io.FileIO, content: memoryview) -> None:
    while content:
        content = content[file.write(content) :]


def _sync_folder(path: Path) -> None:
    """Waits until the names of the files in the folder of `path` are on the disk."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
