"""Conv1d stores the channels of a step side by side. This shows neither in its results nor in its copies."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from gatecell import nn


@pytest.fixture(scope="module")
def pair() -> tuple[torch.nn.Sequential, nn.Sequential]:
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Conv1d(6, 8, 3, padding=1), torch.nn.Conv1d(8, 4, 5, stride=2, groups=2))
    ours = nn.Sequential(nn.Conv1d(6, 8, 3, padding=1), nn.Conv1d(8, 4, 5, stride=2, groups=2))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def test_weights_come_back_contiguous_bit_for_bit(pair: tuple[torch.nn.Sequential, nn.Sequential]) -> None:
    theirs, ours = pair
    for model in (ours, copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        for name, array in model.state_dict().items():
            assert array.flags.c_contiguous
            np.testing.assert_array_equal(array, theirs.state_dict()[name].numpy())


def test_the_layout_of_the_input_makes_no_difference(pair: tuple[torch.nn.Sequential, nn.Sequential]) -> None:
    theirs, ours = pair
    x = np.random.default_rng(0).standard_normal((3, 6, 20)).astype(np.float32)
    y = ours(x)
    np.testing.assert_allclose(y, theirs(torch.from_numpy(x)).detach().numpy(), rtol=0, atol=2e-6)
    np.testing.assert_array_equal(ours(x.swapaxes(1, 2).copy().swapaxes(1, 2)), y)
    np.testing.assert_array_equal(ours(np.stack([x, x], axis=-1)[..., 0]), y)
    for model in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        np.testing.assert_array_equal(model(x), y)


def test_tied_weights_stay_tied() -> None:
    model = nn.ModuleList([nn.Conv1d(4, 4, 3), nn.Conv1d(4, 4, 3)])
    model[1].weight = model[0].weight
    weights = {"0.weight": np.ones((4, 4, 3)), "0.bias": np.zeros(4), "1.bias": np.zeros(4)}
    model.load_state_dict(weights)
    assert model[1].weight is model[0].weight
    model.load_state_dict(weights)
