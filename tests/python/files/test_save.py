"""gatecell.save: the safetensors package and gatecell.load read back the same numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import torch

import gatecell

CODES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8"]
ARRAYS: dict[str, Any] = {
    **{f"of {code}": np.arange(5).astype(code) for code in CODES},
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "stepped": np.arange(6)[::2],
    "big endian": np.arange(3, dtype=">f4"),
    "number": np.array(2.5),
    "empty": np.zeros((3, 0), "f4"),
    "ä 漢字": np.ones(1),
}


def test_arrays_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    gatecell.save(path, ARRAYS)
    ours, theirs = gatecell.load(path), safetensors.numpy.load_file(path)
    assert list(ours) == list(ARRAYS)
    for name, array in ARRAYS.items():
        for loaded in (ours[name], theirs[name]):
            assert loaded.dtype == array.dtype.newbyteorder("=")
            assert loaded.shape == array.shape
            np.testing.assert_array_equal(loaded, array)
        assert ours[name].flags.aligned
    assert os.listdir(tmp_path) == ["a.safetensors"]


def test_torch_tensors_come_back(tmp_path: Path) -> None:
    tensors = {"a": torch.nn.Parameter(torch.randn(2, 3)), "b": torch.randn(4).bfloat16()}
    gatecell.save(str(tmp_path / "a"), tensors)
    for name, array in gatecell.load(tmp_path / "a").items():
        assert array.tobytes() == tensors[name].detach().float().numpy().tobytes()


def test_weights_of_networks_and_files_can_be_saved(tmp_path: Path) -> None:
    theirs = torch.nn.LSTM(3, 4, 2)
    torch.save({"model": theirs.state_dict()}, tmp_path / "a.pt")
    gatecell.save(tmp_path / "a.safetensors", gatecell.load(tmp_path / "a.pt"))
    net = gatecell.LSTM.from_file(tmp_path / "a.safetensors", prefix="model")
    gatecell.save(tmp_path / "a.safetensors", net.state_dict())  # this overwrites the file
    for name, array in gatecell.load(tmp_path / "a.safetensors").items():
        np.testing.assert_array_equal(array, theirs.state_dict()[name])


def test_saving_over_the_file_that_the_arrays_view(tmp_path: Path) -> None:
    gatecell.save(tmp_path / "a", {"a": np.arange(5.0), "b": np.ones(2)})
    weights = gatecell.load(tmp_path / "a")
    gatecell.save(tmp_path / "a", {"b": weights["a"]})
    np.testing.assert_array_equal(weights["a"], np.arange(5.0))
    np.testing.assert_array_equal(gatecell.load(tmp_path / "a")["b"], np.arange(5.0))


@pytest.mark.parametrize(
    ("state_dict", "error", "message"),
    [
        ([], TypeError, "expected a dict of arrays by name, got list"),
        ({1: np.ones(1)}, TypeError, "expected names, got the key 1"),
        ({"__metadata__": np.ones(1)}, ValueError, "'__metadata__' is reserved"),
        ({"a": np.ones(1, complex)}, TypeError, "a: expected one of .*float32.*, got complex128"),
        ({"a": np.array(["x"])}, TypeError, "a: expected one of"),
        ({"a": np.array([{}])}, TypeError, "a: expected one of"),
        ({"a": torch.ones(2, device="meta")}, ValueError, "a: a meta tensor"),
    ],
)
def test_arrays_that_cannot_be_saved_are_errors(
    state_dict: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    """After the error there is no new file, and an existing file is unchanged."""
    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(error, match=message):
        gatecell.save(tmp_path / "a", state_dict)
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        gatecell.save(tmp_path / "x" / "a", {"a": np.ones(1)})


def test_a_directory_of_that_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        gatecell.save(tmp_path / "a", {"a": np.ones(1)})
    assert os.listdir(tmp_path) == ["a"], "no draft is left"
