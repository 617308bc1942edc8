"""gatecell.load keeps the plain data of a checkpoint beside the tensors."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import pytest
import torch

import gatecell


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_entries_of_a_checkpoint_are_metadata(zipped: bool, tmp_path: Path) -> None:
    shared = (0.9, 0.99)
    metadata = {"epoch": 3, "vocabulary": {"<pad>": 0, "é": 1}, "options": [{"a": shared, "b": None}, shared, True]}
    unlike = {"model": {"w": torch.ones(2)}, "foreign": [Path]}
    torch.save({**unlike, **metadata, 3: "a number"}, tmp_path / "checkpoint.pt", _use_new_zipfile_serialization=zipped)
    assert gatecell.load(tmp_path / "checkpoint.pt").metadata == {**metadata, "3": "a number"}
    torch.save([3, torch.ones(2)], tmp_path / "list.pt", _use_new_zipfile_serialization=zipped)
    assert gatecell.load(tmp_path / "list.pt").metadata == {"0": 3}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_plain_data_beside_tensors_and_objects_is_metadata(zipped: bool, protocol: int, tmp_path: Path) -> None:
    """In a list, None replaces what is no plain data. Containers that become empty are left out."""
    itself: dict[str, Any] = {"lr": 0.1}
    itself["again"] = itself
    checkpoint = {
        "hyper_parameters": {
            "hidden_size": 8,
            "weight": torch.ones(2),
            "path": Path("x"),
            "deep": {"w": torch.ones(2)},
        },
        "ordered": collections.OrderedDict(a=1, b=torch.ones(2), c=[2, torch.ones(2), (3, Path("x"))]),
        "default": collections.defaultdict(list, words=["a"]),
        "tensors": [torch.ones(1), torch.ones(1)],
        "empty": [{}, [], ()],
        "itself": itself,
        ("a", 1): {"b": 5},
        "bytes": b"ab\xff",
        "complex": 1j,
    }
    how = {"_use_new_zipfile_serialization": zipped, "pickle_protocol": protocol}
    torch.save(checkpoint, tmp_path / "checkpoint.pt", **how)
    assert gatecell.load(tmp_path / "checkpoint.pt").metadata == {
        "hyper_parameters": {"hidden_size": 8},
        "ordered": {"a": 1, "c": [2, None, (3, None)]},
        "default": {"words": ["a"]},
        "empty": [{}, [], ()],
        "itself": {"lr": 0.1},
        "('a', 1)": {"b": 5},
        "bytes": b"ab\xff",
        "complex": 1j,
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_a_large_vocabulary_is_metadata(zipped: bool, tmp_path: Path) -> None:
    vocabulary = dict(enumerate(map(str, range(400_000))))
    checkpoint = {"vocabulary": vocabulary, "w": torch.ones(1), "epoch": 3}
    torch.save(checkpoint, tmp_path / "words.pt", _use_new_zipfile_serialization=zipped)
    assert gatecell.load(tmp_path / "words.pt").metadata == {"vocabulary": vocabulary, "epoch": 3}
