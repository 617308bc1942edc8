"""Promise 7: no tensor of a file disappears without a word.

Each tensor is in the result of gatecell.load, its path is in `skipped`, or there is an error.
"""

from __future__ import annotations

import collections
import functools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import gatecell
from gatecell import _cli
from helpers import every_tensor
from helpers import tensor_holders as holders
from helpers.every_tensor import assert_every_tensor_found
from helpers.hostile_files import Made, archive, load, members, tensor
from helpers.tensor_holders import OBJECTS, t

SAVES = every_tensor.saves()


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("name", OBJECTS)
def test_every_tensor_of_an_object_is_found(name: str, save: str, tmp_path: Path) -> None:
    root = OBJECTS[name]()
    assert every_tensor.tensors(root)
    SAVES[save](root, tmp_path / "a.pt")
    assert_every_tensor_found(root, tmp_path / "a.pt")


def test_commands_name_what_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(
        {"net": nn.BatchNorm1d(2), "node": holders.with_attributes(nn.Linear(1, 1), kept=t())}, tmp_path / "a.pt"
    )
    for words in (["info", "a.pt"], ["convert", "a.pt", "a.safetensors"]):
        assert _cli.main([words[0], *(str(tmp_path / word) for word in words[1:])]) == 0
        out = capsys.readouterr().out
        assert re.search(r"\n1 object left out\n  node\.kept +a tensor outside the state dict\n", out)


def attach(holder: Any, number: int, child: Any) -> None:
    """Stores the child in the holder. `number` chooses between an attribute and an item."""
    by_name, name = number % 2 == 0, f"k{number}"
    if isinstance(holder, nn.Module):
        if isinstance(child, torch.Tensor) and by_name:
            holder.register_buffer(name, child, persistent=number % 4 == 0)
        else:
            setattr(holder, name, child)
    elif isinstance(holder, dict) and (by_name or type(holder) is dict):
        keys = [name, number, (name, 1), float(number), holders.Key(name), frozenset({name}), t(), (t(), name)]
        holder[keys[number % len(keys)]] = child
    elif isinstance(holder, collections.defaultdict):
        holder[name] = child
    elif isinstance(holder, (list, collections.deque)) and (by_name or not hasattr(holder, "__dict__")):
        holder.append(child)
    else:
        object.__setattr__(holder, name, child)


HOLDERS = [
    list,
    dict,
    collections.OrderedDict,
    collections.deque,
    functools.partial(collections.defaultdict, list),
    holders.Node,
    holders.Table,
    holders.Row,
    holders.SlotsAndDict,
    nn.Module,
]
LEAVES = [
    t,
    lambda: nn.Parameter(t()),
    lambda: holders.with_attributes(nn.Parameter(t()), scale=t()),
    lambda: holders.with_attributes(t().as_subclass(holders.MyTensor), scale=t()),
    lambda: t().numpy(),
    lambda: {t(), t()},
]
WRAPS = [
    lambda child: child,
    lambda child: child,
    lambda child: (child, t()),
    lambda child: holders.Point([child], t()),
    lambda child: holders.Data(child),
    lambda child: holders.Frozen(child, t()),
    lambda child: functools.partial(max, child, key=t()),
    lambda child: holders.with_attributes(holders.Tagged((child,)), kept=t()),
]


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    """Draws objects of all kinds that hold tensors, each other, and themselves."""
    nodes = [draw(st.sampled_from(HOLDERS))() for _ in range(draw(st.integers(1, 5)))]
    for node in nodes:
        for number in draw(st.lists(st.integers(0, 15), max_size=3, unique=True)):
            leaf = draw(st.none() | st.sampled_from(LEAVES))
            child = leaf() if leaf else draw(st.sampled_from(nodes))
            attach(node, number, draw(st.sampled_from(WRAPS))(child))
    return {"first": nodes[0], "last": nodes[-1]}


@given(root=graphs(), save=st.sampled_from(list(SAVES)))
def test_every_tensor_of_a_graph_is_found(root: Any, save: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "graph.pt"
    SAVES[save](root, path)
    problem = ""
    try:
        assert_every_tensor_found(root, path)
    except ValueError as error:
        problem = str(error)
    if problem:
        clash = re.search("two tensors have the path '(.*)'$", problem)
        assert clash, problem
        assert len(list(filter(every_tensor.is_tensor, every_tensor.objects_at(root, clash[1])))) > 1


def shards(path: Path, parts: dict[str, dict[str, torch.Tensor]], suffix: str, **index: Any) -> None:
    places = {}
    for name, tensors in parts.items():
        save = safetensors.torch.save_file if suffix == ".safetensors" else torch.save
        save(tensors, path.parent / (name + suffix))
        places |= dict.fromkeys(tensors, name + suffix)
    path.write_text(json.dumps({"weight_map": places, **index}))


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_every_tensor_of_shards_is_found(suffix: str, tmp_path: Path) -> None:
    parts = {"first": {"a.w": t(), "a.b": t()}, "second": {"c.w": t(), "d": t()}}
    shards(tmp_path / "i.json", parts, suffix)
    ours = assert_every_tensor_found(parts["first"] | parts["second"], tmp_path / "i.json")
    assert (ours.skipped, ours.options, ours.metadata) == ({}, {}, {})
    index = json.loads((tmp_path / "i.json").read_text())
    del index["weight_map"]["c.w"]
    (tmp_path / "i.json").write_text(json.dumps(index))
    ours = assert_every_tensor_found(parts["first"] | parts["second"], tmp_path / "i.json")
    assert ours.skipped == {"c.w": f"in the shard 'second{suffix}', but not in the index"}
    assert gatecell.load(tmp_path / "i.json", prefix="a").skipped == {}


def test_plain_data_of_shards_is_metadata(tmp_path: Path) -> None:
    shards(tmp_path / "i.json", {"first": {"w": t(), "epoch": 3}}, ".bin", metadata={"total_size": 8})
    index = json.loads((tmp_path / "i.json").read_text())
    del index["weight_map"]["epoch"]
    (tmp_path / "i.json").write_text(json.dumps(index))
    assert gatecell.load(tmp_path / "i.json").metadata == {"total_size": 8, "epoch": 3}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_array_of_an_npz_is_found(save: Any, tmp_path: Path) -> None:
    arrays = {"a": t().numpy(), "b.c": t(2, 3).numpy().T, "d": np.array(7), "e": np.zeros((0, 3))}
    save(tmp_path / "a.npz", **arrays)
    assert list(assert_every_tensor_found(arrays, tmp_path / "a.npz")) == list(arrays)
    save(tmp_path / "a.npz", **arrays, objects=np.array([t().numpy(), None], object))
    with pytest.raises(ValueError, match="'objects': an array of Python objects"):
        gatecell.load(tmp_path / "a.npz")


def test_every_tensor_of_safetensors_is_found(tmp_path: Path) -> None:
    tensors = {"a": t(), "b.c": t(2, 3), "d": torch.tensor(True), "half": t().half()}
    safetensors.torch.save_file(tensors, tmp_path / "a", metadata={"format": "pt"})
    ours = assert_every_tensor_found(tensors, tmp_path / "a")
    assert (ours.keys(), ours.metadata) == (tensors.keys(), {"format": "pt"})


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.filterwarnings("ignore")
def test_storages_are_named(save: str, tmp_path: Path) -> None:
    SAVES[save]({"w": t(), "s": t().untyped_storage(), "typed": [t().storage()]}, tmp_path / "a.pt")
    ours = gatecell.load(tmp_path / "a.pt")
    assert list(ours) == ["w"]
    assert ours.skipped == {"s": "a storage without a tensor", "typed.0": "a storage without a tensor"}


class ModuleOfPython2:
    """A module as Python 2 pickled it: its OrderedDicts are lists of pairs."""

    def __reduce__(self) -> Any:
        groups = {"_parameters": [["weight", tensor()]], "_buffers": [["b", tensor(offset=3)]], "_modules": []}
        return nn.Module, (), {name: Made(collections.OrderedDict, pairs) for name, pairs in groups.items()}


def test_every_tensor_of_python_2_dicts_is_found(tmp_path: Path) -> None:
    odd = Made(collections.OrderedDict, [["w", tensor()], [("a", 1), tensor(offset=3)]])
    ours = load(archive(members({"odd": odd, "module": ModuleOfPython2()})), tmp_path)
    assert list(ours) == ["odd.w", "odd.('a', 1)", "module.weight", "module.b"]
    ours = load(archive(members({"no pairs": Made(collections.OrderedDict, [tensor()])})), tmp_path)
    assert (list(ours), list(ours.skipped)) == ([], ["no pairs.0.0"])
