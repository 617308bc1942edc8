"""Checkpoints of PyTorch Lightning. The nodes of their configuration know their parents, as OmegaConf's nodes do."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gatecell
from gatecell._files import walk
from helpers import torch_load_oracle

LSTM = nn.LSTM(3, 4)
STATE = {f"encoder.{name}": tensor for name, tensor in LSTM.state_dict().items()}
SAVES = [torch.save, lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False)]
SAVES_IDS = ["zip", "legacy"]


class Metadata:
    def __init__(self, key: Any) -> None:
        self.ref_type, self.object_type, self.optional, self.key = Any, dict, True, key


class ConfigNode:
    """Like omegaconf.DictConfig and its values: its attributes are in a dict, and one of them is the content."""

    def __init__(self, parent: ConfigNode | None, root: ConfigNode | None, key: Any, content: Any) -> None:
        self._metadata = Metadata(key)
        self._parent, self._root, self._content = parent, root, content
        self._flags_cache = None


def config(nodes: int) -> ConfigNode:
    """A root, groups of three values each, and a list of all groups."""
    root = ConfigNode(None, None, None, {})
    groups = []
    for i in range(nodes // 4):
        group = ConfigNode(root, root, f"g{i}", {})
        group._content = {name: ConfigNode(group, root, name, 0.1) for name in ("lr", "size", "seed")}
        root._content[f"g{i}"] = group
        groups.append(group)
    root._content["all"] = ConfigNode(root, root, "all", groups)
    return root


def checkpoint(cfg: ConfigNode, **more: Any) -> dict[str, Any]:
    optimizer = torch.optim.Adam(LSTM.parameters())
    return {
        "epoch": 3,
        "global_step": 120,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": collections.OrderedDict(STATE),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 4}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5), "best": "x.ckpt"}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [torch.optim.lr_scheduler.StepLR(optimizer, 1).state_dict()],
        "hparams_name": "kwargs",
        "hyper_parameters": {"cfg": cfg, "lr": 0.1, **cfg._content, **more},
    }


@pytest.mark.parametrize("save", SAVES, ids=SAVES_IDS)
def test_a_checkpoint_is_read(save: Any, tmp_path: Path) -> None:
    save(checkpoint(config(400), weight=torch.ones(2)), tmp_path / "last.ckpt")
    ours = gatecell.load(tmp_path / "last.ckpt")
    theirs = torch_load_oracle.flatten({"state_dict": STATE})
    torch_load_oracle.assert_same({name: ours[name] for name in theirs}, theirs)
    assert ours.keys() - theirs.keys() == {
        "callbacks.ModelCheckpoint{'monitor': None}.best_model_score",
        "hyper_parameters.weight",
    }
    assert ours.metadata["hyper_parameters"] == {"lr": 0.1}
    assert ours.metadata["callbacks"] == {"ModelCheckpoint{'monitor': None}": {"best": "x.ckpt"}}
    assert (ours.metadata["epoch"], ours.metadata["pytorch-lightning_version"]) == (3, "2.5.0")
    assert ours.metadata["optimizer_states"][0]["param_groups"][0]["betas"] == (0.9, 0.999)
    node = f"{__name__}.ConfigNode"
    assert ours.skipped == {f"hyper_parameters.{name}": node for name in ["cfg", *(f"g{i}" for i in range(100)), "all"]}
    for prefix in ("state_dict.encoder", "state_dict.encoder."):
        net = gatecell.LSTM.from_file(tmp_path / "last.ckpt", prefix=prefix)
        np.testing.assert_array_equal(net.state_dict()["weight_hh_l0"], LSTM.weight_hh_l0.detach())
    assert gatecell.load(tmp_path / "last.ckpt", prefix="state_dict").skipped == {}


@pytest.mark.parametrize("save", SAVES, ids=SAVES_IDS)
@pytest.mark.parametrize("where", ["root", "leaf", "tensor"])
def test_each_node_is_visited_once(where: str, save: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The visited objects are counted. A configuration with ten times the nodes needs ten times the visits.

    Objects outside the prefix are not visited.
    """
    looked: list[Any] = []
    holders_of = walk.holders_of

    def counted(node: Any) -> Any:
        looked.append(node)
        return holders_of(node)

    def count(value: Any, prefix: str) -> int:
        save(value, tmp_path / "a.ckpt")
        looked.clear()
        gatecell.load(tmp_path / "a.ckpt", prefix=prefix)
        return len(looked)

    monkeypatch.setattr(walk, "holders_of", counted)
    counts, others = [], set()
    for nodes in (20, 200, 2000):
        cfg = config(nodes)
        more = {"root": {}, "leaf": {"a": cfg._content["g1"]._content["lr"]}, "tensor": {"w": torch.ones(1)}}[where]
        if where == "tensor":
            cfg._content["g2"]._content["lr"]._content = torch.ones(1)
        value = checkpoint(cfg, **more)
        counts.append(count({"first": more, **value}, ""))
        others.add(count(value, "state_dict"))
    assert counts[2] - counts[1] == 10 * (counts[1] - counts[0]) > 0
    assert len(others) == 1
    assert others.pop() < 20
