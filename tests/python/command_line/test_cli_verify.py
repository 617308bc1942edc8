"""`gatecell verify`: it accepts right networks, within the bounds of promise 1 (parity).

It notices wrong numbers, broken checksums, and networks that make a comparison impossible.
"""

from __future__ import annotations

import json
import re
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
from gatecell._cli._bound import Bound, furthest
from helpers.parity import bound

FILES = sorted(path.name for path in FOLDER.iterdir() if path.is_file() and path.name not in SHARDED)
AGAINST = {"float64": "NumPy", "torch": "PyTorch"}
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
def test_files_of_every_format_are_verified(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, facts = run(capsys, FOLDER / name)
    assert (code, facts["ok"], facts["against"]) == (0, True, "float64")
    has_checksums = not (name.endswith(("safetensors", "json")) or "legacy" in name)
    assert facts["checksums"] == CHECKED[has_checksums]
    assert facts["layers"]
    for layer in facts["layers"]:
        assumed = ["batch_first=False", "reset='after'", "no LSTM with coupled_gates=True"]
        # These files have the options.
        assert layer["assumed"] == ([] if name in ("module.pt", "torchscript.pt") else assumed)
    assert _cli.main(["verify", str(FOLDER / name)]) == 0
    out = capsys.readouterr().out
    assert ("checksums right" in out, "FAILED" in out) == (has_checksums, False)


@pytest.mark.parametrize("against", AGAINST)
@pytest.mark.parametrize("prefix", ["", "a.b."])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_every_kind_are_verified(
    name: str, prefix: str, against: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    for output, difference in by_numpy.items():  # differences of the same run from two float64 references
        np.testing.assert_allclose(difference, by_torch[output], rtol=1e-2, atol=1e-13)


@pytest.mark.parametrize(
    "options", [{"peepholes": "diagonal"}, {"peepholes": "full"}, {"reset": "none"}], ids=lambda options: str(options)
)
def test_cells_that_torch_lacks_are_verified_in_float64(
    options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    """One number of one output is wrong."""
    path, right = saved(tmp_path / "a.pt", NETWORKS["LSTM"]), gatecell.LSTM.__call__

    def call(net: Any, x: Any, hx: Any = None) -> Any:
        y, (h_n, c_n) = right(net, x, hx)
        {"y": y, "h_n": h_n, "c_n": c_n}[where].flat[-1] += np.float32(wrong)
        return y, (h_n, c_n)

    monkeypatch.setattr(gatecell.LSTM, "__call__", call)
    code, facts = run(capsys, path, "--against", against)
    (layer,) = facts["layers"]
    assert (code, facts["ok"]) == (1, False)
    assert (layer["differences"][where] is None) == np.isnan(wrong)
    assert all(value < 1e-5 for name, value in layer["differences"].items() if name != where)
    whose, furthest = AGAINST[against], layer["furthest"]
    assert layer["rounding_of"] == f"float32 {whose}"
    assert furthest["output"] == where
    if np.isnan(wrong):
        expected = f"{where} is not finite, but float64 {whose}'s is"
    else:
        assert furthest["difference"] == layer["differences"][where] == pytest.approx(wrong, rel=0.1)
        assert furthest["allowed"] == pytest.approx(max(4 * layer["rounding"], 1e-6))
        expected = (
            f"{where} differs from float64 {whose} by {furthest['difference']:.1e}; allowed {furthest['allowed']:.1e}, "
            f"the larger of 4 times {whose}'s own float32 error ({layer['rounding']:.1e}) "
            "and 1e-06 * max(1, |reference|)"
        )
    assert layer["problem"] == expected
    assert _cli.main(["verify", str(path), "--against", against]) == 1
    out = capsys.readouterr().out
    assert re.search(rf"\n  {whose}'s own float32 +{layer['rounding']:.1e}\n", out)
    assert re.search(rf"\n  result +FAILED: {re.escape(expected)}\n", out)
    assert "largest gate sum" not in out
    assert "1 of 1 layer FAILED" in out


def test_notices_a_wrong_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The NumPy reference takes the network's weights, so verify also compares these with the weights of the file."""
    path, right = saved(tmp_path / "a.pt", NETWORKS["LSTM"]), gatecell.LSTM.state_dict

    def state_dict(net: Any) -> Any:
        weights = right(net)
        weights["weight_hh_l1"][-1, -1] += 1
        return weights

    monkeypatch.setattr(gatecell.LSTM, "state_dict", state_dict)
    code, facts = run(capsys, path)
    assert (code, facts["layers"][0]["problem"]) == (1, "the network's weights differ from the file's weights")


def test_float64_has_a_bound_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, right = saved(tmp_path / "a.pt", NETWORKS["double"]), gatecell.LSTM.__call__
    monkeypatch.setattr(gatecell.LSTM, "__call__", lambda *call: (right(*call)[0] + 5e-13, right(*call)[1]))
    code, facts = run(capsys, path)
    expected = "y differs from float64 NumPy by 5.0e-13; allowed 4.0e-13, 4e-13 * max(1, |reference|)"
    assert (code, facts["layers"][0]["problem"]) == (1, expected)


@pytest.mark.parametrize("largest_sum", [0.0, 12.0, 100.0, 100.1, 4.8e5, np.nan])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rounding", [0.0, 1e-6])
def test_the_bound_is_the_promised_one(rounding: float, dtype: str, largest_sum: float) -> None:
    rng = np.random.default_rng(0)
    reference = {name: rng.normal(0, 3, (4, 5)) for name in ("y", "h_n")}
    got = {name: array + rng.normal(0, 1e-6, (4, 5)) for name, array in reference.items()}
    ours = Bound(dtype, rounding, largest_sum)
    for array in reference.values():
        np.testing.assert_allclose(ours.allowed(array), bound(array, rounding, dtype, largest_sum), rtol=1e-15)
        if not largest_sum > 100:
            floor = {"float32": 1e-6, "float64": 4e-13}[dtype] * np.maximum(1, np.abs(array))
            strict = np.maximum(4 * rounding, floor) if dtype == "float32" else floor
            np.testing.assert_array_equal(ours.allowed(array), strict)
    shares = {name: np.abs(got[name] - array) / ours.allowed(array) for name, array in reference.items()}
    found = furthest(got, reference, ours)
    assert found.share == max(share.max() for share in shares.values()) == shares[found.output].max()
    got["h_n"][1, 2] = np.nan
    assert np.isnan(furthest(got, reference, ours).share)


def test_a_broken_checksum_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "a.pt", NETWORKS["LSTM"])
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = next(info for info in archive.infolist() if info.filename.endswith("data/0"))
    content[entry.header_offset + 30 + len(entry.filename) + 300] ^= 1  # the data begins after padding to 64 bytes
    path.write_bytes(content)
    assert _cli.main(["verify", str(path)]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"gatecell verify: {path}: the member 'a/data/0' does not match its checksum\n")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (np.nan, "the outputs are not finite"),
        (40.0, "undecided: the network is chaotic, float32 alone changes NumPy's outputs by "),
    ],
    ids=str,
)
def test_hopeless_networks_fail(
    change: float, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.default_generator.manual_seed(0)
    module = nn.RNN(3, 64)
    with torch.no_grad():
        module.weight_hh_l0 *= change
    code, facts = run(capsys, saved(tmp_path / "a.pt", module))
    assert (code, facts["ok"]) == (1, False)
    assert facts["layers"][0]["problem"].startswith(problem)


def large(kind: str, dtype: torch.dtype, factor: float, path: Path) -> Path:
    """A file with two layers and two directions. Its weights of the input are multiplied by `factor`."""
    torch.default_generator.manual_seed(0)
    module = getattr(nn, kind)(48, 32, 2, bidirectional=True, dtype=dtype)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight *= factor if "weight_ih_l0" in name else 1
    return saved(path, module)


@pytest.mark.parametrize("against", AGAINST)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_large_sums_have_a_larger_bound(
    kind: str,
    dtype: torch.dtype,
    against: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A right network is within the bound that grows with S. It fails if one weight changes or if gates are swapped."""
    path = large(kind, dtype, 100.0, tmp_path / "a.pt")
    code, facts = run(capsys, path, "--against", against)
    (layer,) = facts["layers"]
    assert (code, layer["problem"]) == (0, None)
    assert layer["largest_sum"] > 400
    assert _cli.main(["verify", str(path)]) == 0
    shown = f"S = {layer['largest_sum']:.4g}, above 100: floors are S/10 times as high"
    assert re.search(rf"\n  largest gate sum +{re.escape(shown)}\n", capsys.readouterr().out)

    floor = (1e-6 if dtype == torch.float32 else 4e-13) * layer["largest_sum"] / 10
    cell, own = getattr(gatecell, kind), gatecell.load(path, prefix="rnn.")
    one = own["rnn.weight_ih_l0"].copy()
    # This weight belongs to the candidate, because some of its sums are small enough not to saturate tanh.
    one[64, 0] += 100 * floor
    swapped = np.r_[32:64, :32, 64 : len(one)]
    right = cell.__call__
    for wrong in ({"rnn.weight_ih_l0": one}, {name: array[swapped] for name, array in own.items()}):
        net = cell.from_state_dict({**own, **wrong}, prefix="rnn.", dtype=str(dtype)[6:])
        monkeypatch.setattr(cell, "__call__", lambda _, *call, net=net: right(net, *call))
        code, facts = run(capsys, path, "--against", against)
        assert (code, facts["ok"]) == (1, False)
        floor_of = "1e-06" if dtype == torch.float32 else "4e-13"
        assert f"{floor_of} * max(1, |reference|) * S/10, S = " in facts["layers"][0]["problem"]


def test_sums_too_large_for_float32_are_undecided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All gates are saturated, so float32 makes no error. But the bound would accept errors as large as the outputs."""
    code, facts = run(capsys, large("GRU", torch.float32, 1e6, tmp_path / "a.pt"))
    expected = "undecided: sums as large as S = .*, the largest of a gate, leave float32 too few digits"
    assert code == 1
    assert re.fullmatch(expected, facts["layers"][0]["problem"])
    assert run(capsys, large("GRU", torch.float64, 1e6, tmp_path / "b.pt"))[0] == 0


def test_a_prefix_selects_layers_to_verify(capsys: pytest.CaptureFixture[str]) -> None:
    for prefix in ("nested.0", "nested.0.model.rnn."):
        code, facts = run(capsys, FOLDER / "deeper.pt", "--prefix", prefix)
        assert (code, [layer["prefix"] for layer in facts["layers"]]) == (0, ["nested.0.model.rnn."])


def test_verify_works_without_torch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert _cli.main(["verify", str(FOLDER / "zip.pt"), "--against", "torch"]) == 1
    out, err = capsys.readouterr()
    assert (out, "torch cannot be imported" in err, err.count("\n")) == ("", True, 1)
    assert _cli.main(["verify", str(FOLDER / "zip.pt")]) == 0
