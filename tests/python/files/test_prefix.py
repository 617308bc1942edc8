"""With a prefix nothing outside it is visited or checked: mistakes there do not matter to load and to commands."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gatecell
from gatecell import _cli
from gatecell._files import walk
from helpers import torch_load_oracle
from helpers.hostile_files import archive, members, pickled, tensor, text
from helpers.tensor_holders import Layer, Node, family

LSTM = nn.LSTM(3, 4, batch_first=True)
GOOD = {"lstm": LSTM.state_dict(), "bias": torch.arange(3)}
EXPECTED = torch_load_oracle.flatten({"good": GOOD})


def entangled() -> Any:
    node: Any = [torch.ones(1)]
    for _ in range(40):
        node = [node, node]
    return node


def relatives() -> Any:
    """Dicts that each hold all of them."""
    nodes: list[dict[str, Any]] = [{"w": torch.ones(1)} for _ in range(12)]
    for node in nodes:
        node.update({f"n{i}": other for i, other in enumerate(nodes)})
    return nodes


def itself() -> Any:
    row: list[Any] = [1]
    row.append(row)
    return {"row": row, "a": {"b": torch.ones(1)}, "a.b": torch.ones(2)}


# Objects, and the error that each gives without the prefix; "" means that there is no error.
TROUBLE: dict[str, tuple[Callable[[], Any], str]] = {
    "float8": (lambda: torch.ones(3).to(torch.float8_e5m2), "'bad': dtype float8_e5m2 is not supported"),
    "complex32": (lambda: [torch.ones(3).to(torch.complex32)], "'bad.0': dtype complex32 is not supported"),
    "sparse": (lambda: {"w": torch.eye(3).to_sparse()}, "'bad.w': a sparse tensor"),
    "sparse by rows": (lambda: Node(w=torch.eye(3).to_sparse_csr()), "'bad.w': a sparse tensor"),
    "quantised": (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "a quantised tensor"),
    "nested": (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "a nested tensor"),
    "meta": (lambda: torch.ones(3, device="meta"), "a meta tensor"),
    "one path": (lambda: {"a.b": torch.ones(1), "a": {"b": torch.ones(2)}}, "two tensors have the path 'bad.a.b'"),
    "keys alike": (lambda: {1: torch.ones(1), "1": torch.ones(2)}, "two tensors have the path 'bad.1'"),
    "entangled": (entangled, "it has more objects"),
    "relatives": (relatives, "it has more objects"),
    "itself": (itself, "two tensors have the path 'bad.a.b'"),
    "foreign": (family, ""),
    "module": (Layer, ""),
    "keys": (lambda: {(1, 2): torch.ones(1), frozenset("a"): torch.ones(1), torch.ones(1): torch.ones(1)}, ""),
}
SAVES = [torch.save, lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False)]


def check(path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Loads the part of the file under "good", and its layer, and runs the commands verify, run and convert on them."""
    ours = gatecell.load(path, prefix="good")
    torch_load_oracle.assert_same(
        {name: ours[name] for name in sorted(ours)}, {name: EXPECTED[name] for name in sorted(EXPECTED)}
    )
    assert (len(ours), ours.skipped) == (len(EXPECTED), {})
    assert gatecell.load(path, prefix="good.lstm").keys() == {name for name in EXPECTED if "lstm" in name}
    net = gatecell.LSTM.from_file(path, prefix="good.lstm", batch_first=True)
    x = np.ones((2, 5, 3), np.float32)
    np.testing.assert_allclose(net(x)[0], LSTM(torch.from_numpy(x))[0].detach(), rtol=0, atol=1e-6)
    np.save(folder / "x.npy", x)
    for command in (
        ["verify", path, "--prefix", "good"],
        ["run", path, folder / "x.npy", folder / "y.npy", "--layer", "good.lstm", "--batch-first", "--force"],
        ["convert", path, folder / "z.safetensors", "--prefix", "good", "--force"],
    ):
        assert _cli.main([str(word) for word in command]) == 0, capsys.readouterr()
    np.testing.assert_array_equal(np.load(folder / "y.npy"), net(x)[0])


@pytest.mark.parametrize("save", SAVES, ids=["zip", "legacy"])
@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.filterwarnings("ignore")
def test_objects_outside_the_prefix_do_not_matter(
    trouble: str, save: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = TROUBLE[trouble]
    save({"bad": make(), "epoch": 3, "good": GOOD, "worse": [make()], "seed": {"a": 1}}, tmp_path / "a.pt")
    if message:
        with pytest.raises(ValueError, match=re.escape(message)):
            gatecell.load(tmp_path / "a.pt")
    check(tmp_path / "a.pt", tmp_path, capsys)
    metadata = gatecell.load(tmp_path / "a.pt", prefix="good").metadata
    assert (metadata["epoch"], metadata["seed"]) == (3, {"a": 1})
    with pytest.raises(ValueError, match=r"expected arrays with names that start with 'else\.'"):
        gatecell.load(tmp_path / "a.pt", prefix="else")


def by_hand(trouble: bytes) -> bytes:
    """A pickle with a mistake before and after a good tensor."""
    good = pickled({"w": tensor()})[2:-1]
    return b"\x80\x02}(" + text("bad") + trouble + text("good") + good + text("worse") + trouble + b"u."


HAND_MADE: dict[str, tuple[bytes, str]] = {
    "deep": (b"]" * 5000 + b"a" * 4999, "nested too deeply"),
    "long paths": ((b"}" + text("k" * 900)) * 12 + b"}" + b"s" * 12, "nested too deeply"),
    "calls of calls": (b"cos\nsystem\n)R" + b")R" * 5000, "nested too deeply"),
    "no storage": (pickled({"w": tensor(storage=3)})[2:-1], "'bad.w': has no storage"),
    "beyond": (pickled([tensor(offset=30)])[2:-1], "'bad.0': reaches element"),
    "shared": (b"](" + b"N" * 3000 + b"eq\xf10(" + b"h\xf1" * 60_000 + b"l", "more objects"),
    "a key of tensors": (b"}(" + pickled((tensor(offset=30),))[2:-1] + b"Nu", "'bad.<key 0>.0': reaches element"),
}


@pytest.mark.parametrize("trouble", HAND_MADE)
def test_hand_made_objects_outside_the_prefix_do_not_matter(trouble: str, tmp_path: Path) -> None:
    data, message = HAND_MADE[trouble]
    (tmp_path / "a.pt").write_bytes(archive(members(by_hand(data))))
    with pytest.raises(ValueError, match=re.escape(message)):
        gatecell.load(tmp_path / "a.pt")
    ours = gatecell.load(tmp_path / "a.pt", prefix="good")
    assert (list(ours), ours.skipped) == (["good.w"], {})


def test_arrays_outside_the_prefix_do_not_matter_in_npz(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad: Any = {"bad": np.array([1, None], object), "worse": np.array(["2000"], "M8")}
    np.savez(tmp_path / "a.npz", **bad, **EXPECTED)
    with pytest.raises(ValueError, match="'bad': an array of Python objects"):
        gatecell.load(tmp_path / "a.npz")
    check(tmp_path / "a.npz", tmp_path, capsys)
    np.savez(tmp_path / "twice.npz", bad=np.ones(1), **EXPECTED)
    with zipfile.ZipFile(tmp_path / "twice.npz", "a") as file:
        file.writestr("bad", file.read("bad.npy"))
    with pytest.raises(ValueError, match="two arrays have the name 'bad'"):
        gatecell.load(tmp_path / "twice.npz")
    check(tmp_path / "twice.npz", tmp_path, capsys)


def test_tensors_outside_the_prefix_do_not_matter_in_safetensors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header: dict[str, Any] = {
        "bad": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]},
        "worse": {"dtype": "F32", "shape": [1] * 40, "data_offsets": [2, 10]},
        "worst": {"dtype": "F4", "shape": [3], "data_offsets": [10, 12]},
    }
    data = bytes(12)
    for name, array in EXPECTED.items():
        dtype = {"float32": "F32", "int64": "I64"}[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    head = json.dumps(header).encode()
    (tmp_path / "a.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + data)
    with pytest.raises(ValueError, match="'bad': dtype 'F8_E4M3' is not supported"):
        gatecell.load(tmp_path / "a.safetensors")
    check(tmp_path / "a.safetensors", tmp_path, capsys)


def test_shards_outside_the_prefix_are_not_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shards that have nothing under the prefix are not even opened."""
    np.savez(tmp_path / "good.npz", **EXPECTED, **{"bad.x": np.array([None])})
    (tmp_path / "broken.npz").write_bytes(b"PK\3\4")
    places = {"bad.x": "good.npz", "bad.y": "broken.npz", "bad.z": "missing.npz", "worse": "../up.npz"}
    (tmp_path / "a.json").write_text(json.dumps({"weight_map": {**places, **dict.fromkeys(EXPECTED, "good.npz")}}))
    with pytest.raises((ValueError, OSError)):
        gatecell.load(tmp_path / "a.json")
    check(tmp_path / "a.json", tmp_path, capsys)


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated
def test_tensors_outside_the_prefix_do_not_matter_in_torchscript(tmp_path: Path) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.good = nn.Linear(2, 2)
            self.bad = torch.ones(2).to(torch.float8_e5m2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.good(x) + torch.ones(2).to(torch.float16) + self.bad.float()

    torch.jit.save(torch.jit.script(Model()), tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"'bad': its storage is of an unknown type, torch\.Float8_e5m2Storage"):
        gatecell.load(tmp_path / "a.pt")
    assert list(gatecell.load(tmp_path / "a.pt", prefix="good")) == ["good.weight", "good.bias"]


@pytest.mark.parametrize("save", SAVES, ids=["zip", "legacy"])
def test_objects_outside_the_prefix_are_not_visited(save: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of visited objects is always the same, whatever the size of the part outside the prefix."""
    looked: list[Any] = []
    holders_of = walk.holders_of

    def counted(node: Any) -> Any:
        looked.append(node)
        return holders_of(node)

    monkeypatch.setattr(walk, "holders_of", counted)
    counts = set()
    for size in (1, 10, 1000):
        looked.clear()
        save({"bad": [{"w": torch.ones(1), "n": Node()} for _ in range(size)], "good": GOOD}, tmp_path / "a.pt")
        gatecell.load(tmp_path / "a.pt", prefix="good")
        counts.add(len(looked))
    assert len(counts) == 1
