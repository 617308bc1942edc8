"""`gatecell verify`: agrees for right networks, and notices wrong numbers, broken checksums and hopeless networks."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gatecell
from files import FOLDER, SHARDED
from gatecell import _cli
from gatecell._cli import verify
from parity import bound

FILES = sorted(path.name for path in FOLDER.iterdir() if path.is_file() and path.name not in SHARDED)
AGAINST = ["float64", "torch"]
NETWORKS: dict[str, Any] = {
    "LSTM": nn.LSTM(9, 20, 2, bidirectional=True),
    "projected": nn.LSTM(3, 8, 2, proj_size=2),
    "no bias": nn.GRU(5, 2, bias=False),
    "double": nn.LSTM(3, 4, dtype=torch.float64),
    "half": nn.RNN(3, 4, 2).half(),
    "LSTM cell": nn.LSTMCell(3, 4),
    "GRU cell": nn.GRUCell(3, 4),
    "RNN cell": nn.RNNCell(3, 4, bias=False),
}
CHECKED = {True: "right", False: "none"}


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code = _cli.main(["verify", *map(str, words), "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    return code, json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def saved(path: Path, module: Any, prefix: str = "rnn.") -> Path:
    other = {"x": torch.ones(2)} if prefix else {}
    torch.save({prefix + key: tensor for key, tensor in module.state_dict().items()} | other, path)
    return path


@pytest.mark.parametrize("name", FILES)
def test_files(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, facts = run(capsys, FOLDER / name)
    assert (code, facts["ok"], facts["against"]) == (0, True, "float64")
    has_checksums = not (name.endswith(("safetensors", "json")) or "legacy" in name)
    assert facts["checksums"] == CHECKED[has_checksums]
    assert facts["layers"]
    for layer in facts["layers"]:
        assumed = ["batch_first=False", "reset='after'", "no LSTM with coupled_gates=True"]
        assert layer["assumed"] == ([] if name in ("module.pt", "torchscript.pt") else assumed)  # these tell
    assert _cli.main(["verify", str(FOLDER / name)]) == 0
    out = capsys.readouterr().out
    assert ("checksums right" in out, "FAILED" in out) == (has_checksums, False)


@pytest.mark.parametrize("against", AGAINST)
@pytest.mark.parametrize("prefix", ["", "a.b."])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, prefix: str, against: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, facts = run(capsys, saved(tmp_path / "a.pt", NETWORKS[name], prefix), "--against", against)
    (layer,) = facts["layers"]
    assert (code, layer["prefix"], layer["problem"]) == (0, prefix, None)
    assert 0 < layer["share_of_bound"] <= 1
    outputs = ["y", "h_n", *(["c_n"] if isinstance(NETWORKS[name], (nn.LSTM, nn.LSTMCell)) else [])]
    assert list(layer["differences"]) == outputs
    assert max(layer["differences"].values()) < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_both_references_agree(name: str, tmp_path: Path) -> None:
    weights = gatecell.load(saved(tmp_path / "a.pt", NETWORKS[name]))
    (layer,) = gatecell.find_layers(weights)
    by_numpy, by_torch = (verify._verify(layer, weights, against)["differences"] for against in AGAINST)
    for output, difference in by_numpy.items():  # of the same run from two float64 references
        np.testing.assert_allclose(difference, by_torch[output], rtol=1e-2, atol=1e-13)


@pytest.mark.parametrize(
    "options", [{"peepholes": "diagonal"}, {"peepholes": "full"}, {"reset": "none"}], ids=lambda options: str(options)
)
def test_what_torch_lacks(options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = (gatecell.GRU if "reset" in options else gatecell.LSTM)(3, 4, **options)
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    np.savez(path, **{key: rng.uniform(-0.5, 0.5, shape).astype("f4") for key, shape in net._shapes().items()})
    assert run(capsys, path)[0] == 0
    assert _cli.main(["verify", str(path), "--against", "torch"]) == 1
    out, err = capsys.readouterr()
    assert (out, "verify --against float64" in err, err.count("\n")) == ("", True, 1)


@pytest.mark.parametrize("against", AGAINST)
@pytest.mark.parametrize("wrong", [3e-5, np.nan])
@pytest.mark.parametrize("where", ["y", "h_n", "c_n"])
def test_notices_a_wrong_number(
    where: str,
    wrong: float,
    against: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One number of one output is off."""
    path, right = saved(tmp_path / "a.pt", NETWORKS["LSTM"]), gatecell.LSTM.__call__

    def call(net: Any, x: Any, hx: Any = None) -> Any:
        y, (h_n, c_n) = right(net, x, hx)
        {"y": y, "h_n": h_n, "c_n": c_n}[where].flat[-1] += np.float32(wrong)
        return y, (h_n, c_n)

    monkeypatch.setattr(gatecell.LSTM, "__call__", call)
    code, facts = run(capsys, path, "--against", against)
    (layer,) = facts["layers"]
    assert (code, facts["ok"], layer["problem"]) == (1, False, "out of bounds")
    assert (layer["differences"][where] is None) == np.isnan(wrong)
    assert all(value < 1e-5 for name, value in layer["differences"].items() if name != where)
    assert _cli.main(["verify", str(path)]) == 1
    assert "1 of 1 layer FAILED" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rounding", [0.0, 1e-6])
def test_the_bound_is_the_promised_one(rounding: float, dtype: str) -> None:
    rng = np.random.default_rng(0)
    reference = {name: rng.normal(0, 3, (4, 5)) for name in ("y", "h_n")}
    got = {name: array + rng.normal(0, 1e-6, (4, 5)) for name, array in reference.items()}
    shares = [np.abs(got[name] - array) / bound(array, rounding, dtype) for name, array in reference.items()]
    assert verify._share(got, reference, rounding, dtype) == pytest.approx(np.max(shares))


def test_broken_checksum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "a.pt", NETWORKS["LSTM"])
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = next(info for info in archive.infolist() if info.filename.endswith("data/0"))
    content[entry.header_offset + 30 + len(entry.filename) + 300] ^= 1  # behind padding to 64 bytes
    path.write_bytes(content)
    assert _cli.main(["verify", str(path)]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"gatecell verify: {path}: the member 'a/data/0' does not match its checksum\n")


@pytest.mark.parametrize(
    ("change", "problem"), [(np.nan, "not finite"), (40.0, "undecided: the network is chaotic")], ids=str
)
def test_hopeless_networks(change: float, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.default_generator.manual_seed(0)
    module = nn.RNN(3, 64)
    with torch.no_grad():
        module.weight_hh_l0 *= change
    code, facts = run(capsys, saved(tmp_path / "a.pt", module))
    assert (code, facts["ok"]) == (1, False)
    assert problem in facts["layers"][0]["problem"]


def test_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    for prefix in ("nested.0", "nested.0.model.rnn."):
        code, facts = run(capsys, FOLDER / "deeper.pt", "--prefix", prefix)
        assert (code, [layer["prefix"] for layer in facts["layers"]]) == (0, ["nested.0.model.rnn."])


def test_without_torch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert _cli.main(["verify", str(FOLDER / "zip.pt"), "--against", "torch"]) == 1
    out, err = capsys.readouterr()
    assert (out, "torch cannot be imported" in err, err.count("\n")) == ("", True, 1)
    assert _cli.main(["verify", str(FOLDER / "zip.pt")]) == 0
