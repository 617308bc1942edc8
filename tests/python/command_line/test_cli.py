"""The command line except verify, run and bench: its output and exit codes. No input gives a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

import gatecell
from files import FOLDER, SHARDED
from gatecell import _cli
from gatecell._cli import _output
from helpers.fresh_process import HANG

FILES = sorted(path.name for path in FOLDER.iterdir() if path.is_file() and path.name not in SHARDED)
FORMATS = {
    "legacy.pt": "torch.save, before its zip format",
    "cuda_legacy.pt": "torch.save, before its zip format",
    "deeper_legacy": "torch.save, before its zip format",
    "torchscript.pt": "TorchScript",
    "bfloat16.safetensors": "safetensors",
    "whole.safetensors": "safetensors",
    "model.safetensors.index.json": "safetensors in shards",
    "stored.npz": "npz",
    "compressed.npz": "npz",
}  # all other formats are those of torch.save


class Runner:
    """Runs a command line in this process. Returns exit code, stdout and stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object) -> tuple[int, str, str]:
        code = _cli.main([str(word) for word in words])
        return code, *self.capsys.readouterr()

    def json(self, *words: object) -> Any:
        code, out, err = self(*words, "--json")
        assert (code, err, out.count("\n")) == (0, "", 1)
        return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capsys)


def program(*words: object, **how: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "gatecell", *map(str, words)]
    return subprocess.run(command, text=True, timeout=HANG, check=False, **{"capture_output": True, **how})


@pytest.mark.parametrize("name", FILES)
def test_info_lists_the_layers(name: str, cli: Runner) -> None:
    path = FOLDER / name
    weights, facts = gatecell.load(path), cli.json("info", path)
    assert facts["format"] == weights.format == FORMATS.get(name, "torch.save")
    assert facts["bytes"] == path.stat().st_size
    assert facts["skipped"] == weights.skipped
    tensors = {entry["name"]: (entry["shape"], entry["dtype"], entry["bytes"]) for entry in facts["tensors"]}
    assert tensors == {key: (list(a.shape), str(a.dtype), a.nbytes) for key, a in weights.items()}
    assert facts["elements"] == sum(array.size for array in weights.values())
    found = gatecell.find_layers(weights)
    assert [layer["prefix"] for layer in facts["layers"]] == [layer.prefix for layer in found] != []
    for layer in facts["layers"]:
        net = gatecell.GRU.from_state_dict(
            {k: v for k, v in weights.items() if "steps" not in k}, prefix=layer["prefix"]
        )
        assert layer["parameters"] == sum(array.size for array in net.state_dict().values())
        assert (layer["packed_bytes"], layer["isa"]) == (net._core.nbytes, net.isa)
        assert (layer["cell"], layer["input_size"], layer["hidden_size"]) == ("GRU", 2, 3)
    code, out, err = cli("info", path)
    assert (code, err) == (0, "")
    for text in (facts["format"], *weights, *weights.skipped.values(), "GRU(2, 3), float32, 63 parameters"):
        assert text in out


def test_info_works_without_layers_or_tensors(tmp_path: Path, cli: Runner) -> None:
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    facts = cli.json("info", tmp_path / "a.pt")
    assert (facts["layers"], facts["tensors"], facts["elements"]) == ([], [], 0)
    assert "0 tensors" in cli("info", tmp_path / "a.pt")[1]


def test_names_cannot_control_the_terminal_of_info(tmp_path: Path, cli: Runner) -> None:
    np.savez(tmp_path / "a.npz", **{"\x1b[31mred\n\u202e": np.ones(3)})
    code, out, _ = cli("info", tmp_path / "a.npz")
    assert code == 0
    assert "\\x1b[31mred\\n\\u202e" in out
    assert "\x1b" not in out
    _, _, err = cli("info", tmp_path / "\x1b[31m")
    assert "\x1b" not in err


def test_a_huge_name_does_not_fill_other_lines_or_errors(tmp_path: Path, cli: Runner) -> None:
    """info prints a huge name once and does not make the other lines as long. An error does not print it in full."""
    gatecell.save(tmp_path / "a", {"n" * 100_000: np.ones(3)} | {str(number): np.ones(3) for number in range(100)})
    code, out, _ = cli("info", tmp_path / "a")
    assert code == 0
    assert 100_000 < len(out) < 200_000
    code, _, err = cli("verify", tmp_path / "a")
    assert code == 1
    assert "expected a recurrent layer" in err
    assert len(err) < 2000


def test_names_that_the_encoding_lacks_are_escaped(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", 漢=np.ones(3))
    done = program("info", tmp_path / "a.npz", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u6f22" in done.stdout


@pytest.mark.parametrize("name", FILES)
def test_convert_writes_the_same_arrays(name: str, tmp_path: Path, cli: Runner) -> None:
    out, weights = tmp_path / "out.safetensors", gatecell.load(FOLDER / name)
    facts = cli.json("convert", FOLDER / name, out)
    assert (facts["tensors"], facts["bytes"], facts["skipped"]) == (len(weights), out.stat().st_size, weights.skipped)
    written = load_file(out)
    assert written.keys() == weights.keys()
    for key, array in weights.items():
        assert written[key].dtype == array.dtype
        np.testing.assert_array_equal(written[key], array)


def test_convert_takes_a_prefix_off(tmp_path: Path, cli: Runner) -> None:
    whole, part = load_file(FOLDER / "whole.safetensors"), tmp_path / "part.safetensors"
    code, out, _ = cli("convert", FOLDER / "deeper.pt", part, "--prefix", "nested.0.model")
    assert (code, "without nested.0.model. in their names" in out) == (0, True)
    assert load_file(part).keys() == whole.keys()
    assert cli("convert", FOLDER / "deeper.pt", part, "--prefix", "nested.0.model.", "--force")[0] == 0


def test_convert_says_what_it_left_out(tmp_path: Path, cli: Runner) -> None:
    _, out, _ = cli("convert", FOLDER / "deeper.pt", tmp_path / "a.safetensors")
    assert "options.path  pathlib.PosixPath" in out


def test_convert_overwrites_only_with_force(tmp_path: Path, cli: Runner) -> None:
    out = tmp_path / "out.safetensors"
    out.write_text("mine")
    code, _, err = cli("convert", FOLDER / "zip.pt", out)
    assert (code, out.read_text()) == (1, "mine")
    assert err == f"gatecell convert: {out} exists: --force overwrites it\n"
    assert cli("convert", FOLDER / "zip.pt", out, "--force")[0] == 0
    before = out.read_bytes()
    assert cli("convert", out, out, "--force")[0] == 0  # the output replaces the input
    assert load_file(out).keys() == gatecell.load(FOLDER / "zip.pt").keys()
    assert len(out.read_bytes()) == len(before)


def bad_inputs(folder: Path) -> dict[str, Path]:
    """Paths that no command can use."""
    zipped = (FOLDER / "zip.pt").read_bytes()
    contents = {
        "empty": b"",
        "text": b"hello\n",
        "noise": np.random.default_rng(0).bytes(1000),
        "cut": zipped[:-100],
        "archive": b"PK\3\4" + bytes(100),
        "index": b'{"weight_map": {"a": "../a"}}',
        "header": (1000).to_bytes(8, "little") + b"{}",
        "pickle": b"\x80\x02K\x01.",
        "name\nof two\x1b[2J lines": b"",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    torch.save({"a": torch.ones(3).to_sparse()}, folder / "sparse")
    np.savez(folder / "objects.npz", a=np.array([{}]))
    torch.save({"epoch": 3}, folder / "nothing")
    names = [*contents, "folder", "sparse", "objects.npz", "missing", "x" * 300]
    return {name: folder / name for name in names} | {"device": Path("/dev/null")}


@pytest.mark.parametrize("command", ["info", "verify", "convert"])
def test_bad_input_is_one_line(command: str, tmp_path: Path, cli: Runner) -> None:
    inputs, more = bad_inputs(tmp_path), [tmp_path / "out.safetensors"] if command == "convert" else []
    assert len(inputs) > 12
    for name, path in inputs.items():
        code, out, err = cli(command, path, *more)
        assert (code, out) == (1, ""), name
        assert err.startswith(f"gatecell {command}: "), name
        assert err.count("\n") == 1, name
        assert "Traceback" not in err
        assert err.isprintable() or err[:-1].isprintable(), name
    if command == "convert":
        assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["info", "{}/missing.pt"], "{}/missing.pt: No such file or directory"),
        (["info", "{}"], "{}: expected a file (.safetensors, "),
        (["convert", "{f}/zip.pt", "{}/a.npz"], "{}/a.npz: expected a name that ends in .safetensors"),
        (["convert", "{f}/zip.pt", "{}/no/a.safetensors"], "{}/no/a.safetensors: No such file or directory"),
        (["convert", "{f}/zip.pt", "{}/folder.safetensors", "--force"], "{}/folder.safetensors: Is a directory"),
        (
            ["convert", "{f}/zip.pt", "{}/a.safetensors", "--prefix", "rn"],
            "expected arrays with names that start with 'rn.': names st",
        ),
        (["verify", "{f}/deeper.pt", "--prefix", "rnn"], "names that start with 'rnn.': names start with model,"),
        (["convert", "{}/complex.npz", "{}/a.safetensors"], "a: expected one of float64, float32, "),
        (["convert", "{}/nothing.pt", "{}/a.safetensors"], "{}/nothing.pt: there are no tensors to write"),
        (
            ["verify", "{}/complex.npz"],
            "{}/complex.npz: expected a recurrent layer (weight_ih_l0, weight_hh_l0, ...), got no such tensors, but a",
        ),
    ],
)
def test_errors_have_their_message(words: list[str], message: str, tmp_path: Path, cli: Runner) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    np.savez(tmp_path / "complex.npz", a=np.ones(3, np.complex128))
    torch.save({}, tmp_path / "nothing.pt")
    fill: Callable[[str], str] = lambda text: text.replace("{}", str(tmp_path)).replace("{f}", str(FOLDER))  # noqa: E731
    before = sorted(tmp_path.iterdir())
    code, out, err = cli(*map(fill, words))
    assert (code, out) == (1, "")
    assert fill(message) in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "a.pt"), "a.pt: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("GRU: does not fit:\n  missing: a\n  missing: b"), "GRU: does not fit: missing: a; missing: b"),
        (MemoryError("4 TB"), "out of memory: 4 TB"),
        (TypeError(), "TypeError"),
    ],
)
def test_errors_of_all_kinds_are_one_line(
    error: Exception, message: str, cli: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(gatecell, "load", fail)
    assert cli("info", "a.pt") == (1, "", f"gatecell info: {message}\n")


def test_an_interrupt_has_its_own_exit_code(cli: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gatecell, "load", interrupt)
    assert cli("info", "a.pt") == (130, "", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.pt"], "got 'model.pt'; to see what a file holds: gatecell info FILE"),
        (["info"], "the following arguments are required: FILE"),
        (["info", "a", "b"], "unrecognized arguments: b"),
        (["info", "--fast", "a"], "unrecognized arguments: --fast"),
        (["--fast"], "unrecognized arguments: --fast"),
        (["bench", "a.pt", "-T", "0"], "argument -T: expected a whole number from 1 to 2147483647, got '0'"),
        (["bench", "a.pt", "-T", "2147483648"], "got '2147483648'"),
        (["convert", "a.pt"], "the following arguments are required: OUT.safetensors"),
        (["verify", "a.pt", "--against", "keras"], "invalid choice: 'keras'"),
    ],
)
def test_usage_errors_name_the_argument(words: list[str], message: str, cli: Runner) -> None:
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert err.startswith("usage: gatecell")
    assert message in err


def test_help_is_printed(cli: Runner) -> None:
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    for command in _cli._commands():
        assert f"\n    {command} " in out
        assert cli(command, "--help")[1].startswith(f"usage: gatecell {command} ")
    assert cli() == (2, out, "")


def test_version_is_printed(cli: Runner) -> None:
    facts, build = cli.json("--version"), gatecell.build_info()
    assert facts == {**build, "isas": list(build["isas"]), "available": gatecell.available_isas()}
    code, out, _ = cli("--version")
    assert code == 0
    arithmetic = f"version {build['arithmetic']}"
    for text in (gatecell.__version__, build["commit"], build["compiler"], build["eigen"], arithmetic, *build["isas"]):
        assert text in out


def test_json_may_come_before_the_command(cli: Runner) -> None:
    assert cli("--json", "info", FOLDER / "zip.pt")[1] == cli("info", FOLDER / "zip.pt", "--json")[1]


def test_demo_prints_json(cli: Runner) -> None:
    facts = cli.json("demo")
    assert facts["ok"]
    assert len(facts["networks"]) == 2
    for network in facts["networks"]:
        assert (network["passed"], network["agrees"]) == (True, True)
        assert 0 < network["difference"] < 1e-5
        assert network["isa"] in gatecell.available_isas()


def test_the_command_runs_as_a_program() -> None:
    done = program("info", FOLDER / "zip.pt")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 recurrent layer" in done.stdout
    failed = program("info", FOLDER)
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert program("info").returncode == 2


def test_a_closed_pipe_gives_no_message() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        done = program("info", FOLDER / "zip.pt", capture_output=False, stdout=pipe, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (141, "")
        done = program("--help", capture_output=False, stdout=pipe, stderr=subprocess.PIPE)
        assert done.stderr == ""  # the exit code is 0 if Python does not buffer, because argparse ignores the error


def test_output_that_cannot_be_written_is_an_error() -> None:
    with open("/dev/full", "w") as full:
        done = program("info", FOLDER / "zip.pt", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "gatecell info: No space left on device\n")


def test_loads_no_framework_and_no_other_command() -> None:
    code = (
        "import sys; from gatecell import _cli; _cli.main(['info', sys.argv[1]]);"
        "print(sorted({'torch', 'gatecell._cli.verify', 'gatecell._cli.convert'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, FOLDER / "zip.pt"], capture_output=True, text=True, timeout=HANG, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (12345, "12.3 kB"), (999_600, "1.00 MB"), (10**18, "1.00 EB")],
)
def test_sizes_are_rounded_for_people(count: int, text: str) -> None:
    assert _output.size(count) == text


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        _output.print_json({"difference": float("nan")})


@pytest.mark.parametrize(
    "module",
    [
        nn.LSTM(3, 5, 2, bidirectional=True),
        nn.LSTM(3, 70, proj_size=9, dtype=torch.float64),
        nn.GRU(4, 17, 3, bias=False),
        nn.RNN(1, 1),
        nn.LSTMCell(3, 4),
        nn.GRU(3, 33).half(),
    ],
    ids=str,
)
def test_info_counts_parameters_and_packed_bytes(module: Any, tmp_path: Path, cli: Runner) -> None:
    torch.save({"model": {"rnn": module.state_dict()}}, tmp_path / "a.pt")
    (layer,) = cli.json("info", tmp_path / "a.pt")["layers"]
    assert (layer["prefix"], layer["cell"]) == ("model.rnn.", type(module).__name__)
    assert layer["parameters"] == sum(parameter.numel() for parameter in module.parameters())
    net = getattr(gatecell, layer["cell"]).from_file(tmp_path / "a.pt", prefix="model.rnn")
    assert layer["packed_bytes"] == net._core.nbytes
