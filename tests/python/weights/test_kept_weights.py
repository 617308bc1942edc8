"""A network keeps copies of its weights. Nothing that a caller does with other arrays or files changes them."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import gatecell
from helpers.state_dicts import assert_same_arrays, torch_weights


def test_state_dict_is_fresh() -> None:
    ours = gatecell.LSTM.from_state_dict(torch_weights())
    before = ours.state_dict()
    ours.state_dict()["weight_ih_l0"][:] = 0
    assert_same_arrays(ours.state_dict(), before)


def test_the_weights_that_a_network_keeps_cannot_be_written() -> None:
    """They would differ from the packed weights. Copies and pickles have arrays of their own."""
    ours = gatecell.LSTM.from_state_dict(torch_weights())
    buffers: list[pickle.PickleBuffer] = []
    pickle.dumps(ours, 5, buffer_callback=buffers.append)
    for array in [*ours.__getstate__()["_weights"], *map(np.asarray, buffers)]:
        with pytest.raises(ValueError, match="read-only"):
            array.reshape(-1)[:1] = 0
    for twin in (ours, copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert all(array.flags.writeable for array in twin.state_dict().values())


def test_weights_are_copied() -> None:
    state_dict = torch_weights()
    ours = gatecell.LSTM.from_state_dict(state_dict)
    before = ours.state_dict()
    state_dict["weight_ih_l0"][:] = 0
    assert_same_arrays(ours.state_dict(), before)


def test_a_file_may_change_after_loading(tmp_path: Path) -> None:
    path, expected = tmp_path / "weights.safetensors", torch_weights()
    gatecell.save(path, expected)
    ours = gatecell.LSTM.from_file(path)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert_same_arrays(ours.state_dict(), expected)
