"""Real files with changed bytes: the result is an error of one line or arrays that can be read, and nothing else.

Promise 7 (no wrong number without a word). GATECELL_FUZZ_SECONDS=3600 runs the test for an hour: it reads as much as
fits in that time, always the same files in the same order. When a file fails, the test prints how to copy it to
golden/files/found. The second test here reads the files in that folder, too.
"""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

import gatecell
from files import FOLDER

SECONDS = float(os.environ.get("GATECELL_FUZZ_SECONDS", "2"))
BATCH = 200
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.is_file()}
# Bytes near which a change is likely to give a file that is still read: headers of members, names in pickles, sizes.
MARKS = [
    b"PK\1\2",
    b"PK\3\4",
    b"PK\5\6",
    b"PK\6\6",
    b"storage",
    b"_rebuild_tensor_v2",
    b"data/",
    b"Storage",
    b"(K",
    b"q",
]
INSERTS = [
    b"\0",
    b"\1",
    b"\xff",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
    b"0",
    b"2",
    b"]",
    b"}",
    b"(",
    b"t",
    b"R",
]


def read(path: Path) -> None:
    """Loads the file and reads the first and the last element of each array.

    This takes milliseconds for a file of some KB.
    """
    begin, message = time.process_time(), ""
    weights: dict[str, Any] = {}
    try:
        weights = gatecell.load(path)
    except FileNotFoundError:  # a shard of the index may be missing
        pass
    except ValueError as error:
        message = str(error)
    assert message.isprintable()
    for array in weights.values():
        assert not array.flags.writeable
        if array.size:
            array[(0,) * array.ndim].tobytes(), array[(-1,) * array.ndim].tobytes()
    gatecell.find_layers(weights)
    assert time.process_time() - begin < 2


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    content = bytearray(FILES[draw(st.sampled_from(sorted(FILES)))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        mark = draw(st.none() | st.sampled_from(MARKS))
        if mark and (found := content.find(mark, at)) >= 0:
            at = found + draw(st.integers(0, 60))
        new = draw(st.sampled_from(INSERTS) | st.binary(max_size=3))
        kind = draw(st.sampled_from(["replace", "replace", "insert", "cut", "flip", "copy"]))
        if kind == "replace":  # the bytes after it keep their positions
            content[at : at + len(new)] = new[: max(0, len(content) - at)]
        elif kind == "insert":
            content[at:at] = new
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 100))]
        elif kind == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "copy":
            begin = draw(st.integers(0, len(content)))
            content[at : at + 16] = content[begin : begin + 16]
    return bytes(content)


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    path, begin = tmp_path / "mutated", time.monotonic()
    for batch in itertools.count():

        @seed(batch)
        @settings(max_examples=BATCH, deadline=None, database=None)
        @given(content=mutated())
        def read_mutated(content: bytes) -> None:
            path.write_bytes(content)
            read(path)

        try:
            read_mutated()
        except BaseException:
            print(f"Copy {path} to {FOLDER / 'found'}: the smallest file that fails.")
            raise
        if time.monotonic() - begin > SECONDS:
            break


@pytest.mark.parametrize("path", [path for path in FOLDER.rglob("*") if path.is_file()], ids=lambda path: path.name)
def test_unchanged_files_and_earlier_finds_are_read_or_refused(path: Path) -> None:
    read(path)
