"""The two readers of .npy headers, for members of .npz files and for sequences, accept and refuse the same.

The command line has its own reader because it imports only what is public.
"""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from gatecell._cli import _sequence_file
from gatecell._files import npz


def header(text: str, version: int = 1) -> bytes:
    content = text.encode() + b"\n"
    return npy.MAGIC_PREFIX + bytes([version, 0]) + len(content).to_bytes(2 if version == 1 else 4, "little") + content


def described(descr: str = "'<f4'", shape: str = "(5, 3)", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


CONTENTS = {
    "good": header(described()) + bytes(60),
    "version 2": header(described(), 2) + bytes(60),
    "Fortran's order": header(described(fortran="True")) + bytes(60),
    "big-endian": header(described("'>f8'")) + bytes(120),
    "no axes": header(described(shape="()")) + bytes(4),
    "empty": header(described(shape="(0, 3)")),
    "32 axes": header(described(shape=str((1,) * 32))) + bytes(4),
    "records": header(described("[('a', '<f4')]")) + bytes(60),
    "no bytes": b"",
    "not .npy": b"\x93NUMPX\1\0" + bytes(60),
    "version 3": header(described(), 3) + bytes(60),
    "cut off in the header": header(described())[:40],
    "header is no dict": header("[1, 2]"),
    "header is no literal": header("{'descr': '<f4'"),
    "header with deep brackets": header("(" * 5000),
    "key missing": header("{'descr': '<f4', 'shape': (5, 3)}") + bytes(60),
    "dtype unknown": header(described("'<q9'")) + bytes(60),
    "objects": header(described("'|O'")) + bytes(120),
    "dtype of arrays": header(described("('<f4', (3,))", "(5,)")) + bytes(60),
    "shape is a number": header(described(shape="15")) + bytes(60),
    "negative size": header(described(shape="(-5, -3)")) + bytes(60),
    "size is a bool": header(described(shape="(True, 3)")) + bytes(12),
    "33 axes": header(described(shape=str((1,) * 33))) + bytes(4),
    "product overflows": header(described(shape=f"({2**40}, {2**40})")) + bytes(60),
    "product overflows although empty": header(described(shape=f"(0, {2**62})")),
    "too short": header(described()) + bytes(59),
    "too long": header(described()) + bytes(61),
}
GOOD = set(list(CONTENTS)[:8])


def read(reader: ModuleType, content: bytes) -> Any:
    """What the reader finds in the header, or its error."""
    file = io.BytesIO(content)
    try:
        shape, fortran, dtype = reader.read_header(file)
        reader.check_size(shape, dtype, len(content) - file.tell())
    except ValueError as error:
        return str(error)
    return shape, fortran, np.dtype(dtype), file.tell()


@pytest.mark.parametrize("name", CONTENTS)
def test_both_readers_agree(name: str) -> None:
    found = read(npz, CONTENTS[name])
    assert found == read(_sequence_file, CONTENTS[name])
    assert isinstance(found, tuple) == (name in GOOD), found
