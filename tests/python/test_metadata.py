"""The plain data of a checkpoint, which gatecell.load keeps beside the tensors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import gatecell


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_entries_of_a_checkpoint_are_metadata(zipped: bool, tmp_path: Path) -> None:
    shared = (0.9, 0.99)
    metadata = {"epoch": 3, "vocabulary": {"<pad>": 0, "é": 1}, "options": [{"a": shared, "b": None}, shared, True]}
    unlike = {"model": {"w": torch.ones(2)}, "mixed": {"a": 1, "b": torch.ones(2)}, "foreign": [Path], 3: "a number"}
    torch.save({**unlike, **metadata}, tmp_path / "checkpoint.pt", _use_new_zipfile_serialization=zipped)
    assert gatecell.load(tmp_path / "checkpoint.pt").metadata == metadata
    torch.save([3, torch.ones(2)], tmp_path / "list.pt", _use_new_zipfile_serialization=zipped)
    assert gatecell.load(tmp_path / "list.pt").metadata == {}


@pytest.mark.parametrize("zipped", [True, False])
def test_a_large_vocabulary_is_metadata(zipped: bool, tmp_path: Path) -> None:
    vocabulary = dict(enumerate(map(str, range(400_000))))
    checkpoint = {"vocabulary": vocabulary, "w": torch.ones(1), "epoch": 3}
    torch.save(checkpoint, tmp_path / "words.pt", _use_new_zipfile_serialization=zipped)
    assert gatecell.load(tmp_path / "words.pt").metadata == {"vocabulary": vocabulary, "epoch": 3}
