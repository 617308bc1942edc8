"""An output that is written over hours: as a whole or not at all, and an interrupted run can go on.

OUTPUT.part is the output while it is written, OUTPUT.resume tells how far it is, the state there and which run it is.
The order of writes is what makes it safe at any moment, power cuts included: data reach the disk before the record that
counts on them, the final state before the output gets its name, and the record goes last.
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

from ._sequence_file import naming

INTERVAL = 1.0  # seconds between records: each waits for the disk

States = list[NDArray[Any]]  # h, or h and c


class Record(NamedTuple):
    run: dict[str, Any]  # what has to be the same for the same bits, by the words that an error says
    step: int  # the first one that is still to do
    states: States  # before it


class Draft:
    def __init__(self, output: Path) -> None:
        self.output = output
        self.part = Path(f"{output}.part")
        self._record = Path(f"{output}.resume")
        self._due = 0.0

    @property
    def interrupted(self) -> bool:
        return self._record.exists()

    @contextmanager
    def locked(self) -> Iterator[int]:
        """The part, open to read and write, for one process at a time. Raises OSError, ValueError.

        Only inside is it certain what other runs have left: the output, a record, the final state.
        """
        file = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with naming(self.part):
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
                if about.st_nlink and not about.st_size:  # nothing was begun
                    self.part.unlink(missing_ok=True)
        finally:
            os.close(file)

    def record(self) -> Record:
        """Of the interrupted run. Raises OSError, ValueError."""
        try:
            arrays = dict(gatecell.load(self._record, check=True))
            about = json.loads(arrays.pop("about").tobytes())
            return Record(about["run"], about["step"], list(arrays.values()))
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{self._record}: not the record of an interrupted run; --force begins anew") from None

    def keep(self, file: int, record: Record, *, now: bool = False) -> None:
        """Write the record, not more often than every INTERVAL unless `now`. Raises OSError."""
        if not now and time.monotonic() < self._due:
            return
        with naming(self.part):
            os.fsync(file)
        about = json.dumps({"run": record.run, "step": record.step}).encode()
        arrays = {f"state_{index}": state for index, state in enumerate(record.states)}
        write_arrays(self._record, {"about": np.frombuffer(about, np.uint8), **arrays})
        self._due = time.monotonic() + INTERVAL

    def forget(self) -> None:
        """Before another run begins: what an interrupted one left means nothing any more."""
        self._record.unlink(missing_ok=True)
        _sync_folder(self._record)

    def finish(self, file: int) -> None:
        """Give the part, which the last record has on the disk, its name. Raises OSError."""
        if self.has_name(file):
            self.part.unlink()
        else:
            self.part.replace(self.output)
            _sync_folder(self.output)
        self._record.unlink()

    def has_name(self, file: int) -> bool:
        """Whether an interrupted run, complete by its record, was past that: then the part has just been made."""
        return not os.fstat(file).st_size and self.output.exists()


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """A .npz file that is there as a whole or as it was before. Raises OSError."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    draft = path.with_name(f"{path.name}.new")  # a name that the next run overwrites
    with naming(draft), draft.open("wb", buffering=0) as file:
        _write(file, content.getbuffer())
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_folder(path)


def _write(file: io.FileIO, content: memoryview) -> None:
    while content:
        content = content[file.write(content) :]


def _sync_folder(path: Path) -> None:
    """A file's name reaches the disk."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
