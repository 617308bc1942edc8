"""The committed files of every format hold the weights of golden/files.py. torch is not needed to read them."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

import gatecell
from files import FOLDER, SHARDED, WEIGHTS

PREFIXES = {"deeper.pt": ["model.", "nested.0.model."], "deeper_legacy": ["model.", "nested.0.model."]}
FILES = sorted(path.name for path in FOLDER.iterdir() if path.is_file() and path.name not in SHARDED)


@pytest.mark.parametrize("name", FILES)
def test_each_file_holds_the_weights(name: str) -> None:
    prefixes = PREFIXES.get(name, [""])
    ours = gatecell.load(FOLDER / name, check=True)
    assert ours.keys() == {prefix + key for prefix in prefixes for key in WEIGHTS}
    for prefix in prefixes:
        for key, array in WEIGHTS.items():
            assert ours[prefix + key].dtype == array.dtype
            np.testing.assert_array_equal(ours[prefix + key], array)
    assert ours.checked == zipfile.is_zipfile(FOLDER / name)  # the others have no checksums
    assert not gatecell.load(FOLDER / name).checked
    found = gatecell.find_layers(ours)
    assert [(layer.prefix, layer.cell) for layer in found] == [(prefix + "rnn.", "GRU") for prefix in prefixes]


def test_there_are_files() -> None:
    assert len(FILES) >= 16
