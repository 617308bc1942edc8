"""from_torch for the layers of gatecell.nn, and for Sequential and ModuleList of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn as tn

import gatecell
from helpers.parity import assert_parity

LAYERS: dict[str, Any] = {
    "linear": lambda: tn.Linear(4, 3, bias=False),
    "conv": lambda: tn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, padding_mode="reflect"),
    "conv same": lambda: tn.Conv1d(4, 6, (3,), padding="same", bias=False),
    "transposed": lambda: tn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2, False),
    "layer norm": lambda: tn.LayerNorm((4,), eps=1e-3, bias=False),
    "batch norm": lambda: tn.BatchNorm1d(4, eps=1e-3, momentum=None),
    "batch norm, bare": lambda: tn.BatchNorm1d(4, affine=False, track_running_stats=False),
    "prelu": lambda: tn.PReLU(4),
    "leaky": lambda: tn.LeakyReLU(0.3),
    "gelu": lambda: tn.GELU(approximate="tanh"),
    "softmax": lambda: tn.Softmax(dim=1),
    "pooled": lambda: tn.Sequential(
        tn.MaxPool1d(2), tn.AvgPool1d(2, 1), tn.AdaptiveAvgPool1d(1), tn.AdaptiveMaxPool1d(2)
    ),
    "flatten": lambda: tn.Flatten(0, 1),
    "nested": lambda: tn.Sequential(tn.Dropout(0.5), tn.Sequential(tn.Linear(4, 8), tn.ReLU()), tn.LayerNorm(8)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_converted(name: str, dtype: str) -> None:
    torch.manual_seed(0)
    module = LAYERS[name]().eval().to(getattr(torch, dtype))
    net = gatecell.from_torch(module)
    assert repr(net) == repr(module)
    assert list(net.state_dict()) == list(module.state_dict())
    convolution = "conv" in name or name in ("transposed", "pooled")
    x = np.random.default_rng(0).standard_normal((2, 4, 9) if convolution else (3, 4)).astype(np.float32)
    with torch.inference_mode():
        own = module.float()(torch.from_numpy(x)).numpy()
        expected = module.double()(torch.from_numpy(x).double()).numpy()
    own_error = float(np.abs(own - expected).max())
    assert_parity({"y": net(x.astype(dtype))}, {"y": expected}, own_error, dtype, name)


def test_recurrent_members_are_converted() -> None:
    torch.manual_seed(0)
    module = tn.Sequential(tn.Embedding(9, 4, padding_idx=1), tn.GRU(4, 5, batch_first=True, bidirectional=True)).eval()
    net = gatecell.from_torch(module, num_threads=1)
    assert isinstance(net, gatecell.nn.Sequential)
    assert isinstance(net[1], gatecell.GRU)
    assert net[1].num_threads == 1
    x = np.array([[1, 2, 3], [0, 0, 8]])
    np.testing.assert_allclose(net(x)[0], module(torch.from_numpy(x))[0].detach().numpy(), atol=1e-6)


def test_members_keep_their_names() -> None:
    module = tn.ModuleList([tn.Identity(), tn.Sequential()])
    module[1].add_module("first", tn.Linear(1, 2))
    assert list(gatecell.from_torch(module).state_dict()) == list(module.state_dict())


def test_errors_say_which_member() -> None:
    module = tn.Sequential(tn.Linear(1, 1), tn.Sequential(tn.Conv2d(1, 1, 1)))
    with pytest.raises(
        TypeError, match=r"^1: 0: expected a torch\.nn module .*, got torch\.nn\.modules\.conv\.Conv2d$"
    ):
        gatecell.from_torch(module)


def test_own_forward_hooks_and_norms_are_refused() -> None:
    class Doubled(tn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(x)

    with pytest.raises(TypeError, match=r"with torch's own forward, got .*Doubled"):
        gatecell.from_torch(Doubled(1, 1))
    for hooked in (tn.Linear(1, 1), tn.Sequential(tn.Linear(1, 1))):
        hooked.register_forward_hook(lambda *_: None)
        with pytest.raises(TypeError, match="hooks or an own forward, which gatecell would not run"):
            gatecell.from_torch(hooked)
    normed = torch.nn.utils.parametrizations.weight_norm(tn.Linear(2, 3))
    with pytest.raises(ValueError, match=r"unexpected: parametrizations\.weight\.original0"):
        gatecell.from_torch(normed)
