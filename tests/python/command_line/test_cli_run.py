"""`gatecell run`: the bits of one call for any layout of the file (promise 2), bounded memory, errors before it writes.

Interrupted runs are in test_cli_resume.py.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gatecell
from gatecell._cli import main, run
from helpers.cli_run_cases import save_states, saved_states, weights
from helpers.fresh_process import HANG, run_script
from helpers.parity import assert_parity, named_outputs
from helpers.stream_cases import assert_same, inputs, network, states


@pytest.mark.parametrize("chunk", [[], ["--chunk", "1"], ["--chunk", "4"]])
@pytest.mark.parametrize("layout", ["TB", "BT", "T"])
@pytest.mark.parametrize("name", ["lstm", "lstm_proj", "gru", "rnn"])
def test_run_gives_the_bits_of_one_call(name: str, layout: str, chunk: list[str], tmp_path: Path) -> None:
    net = network(name, batch_first=layout == "BT")
    x, hx = inputs(net, 3), states(net, 3)
    if layout == "BT":
        x = np.ascontiguousarray(x.swapaxes(0, 1))
    if layout == "T":
        x, hx = x[:, 0], type(hx)(s[:, 0] for s in hx) if isinstance(hx, tuple) else hx[:, 0]
    np.save(tmp_path / "x.npy", x)
    save_states(tmp_path / "s.npz", hx)
    words = ["run", str(weights(tmp_path, net)), str(tmp_path / "x.npy"), str(tmp_path / "y.npy"), *chunk]
    words += ["--state", str(tmp_path / "s.npz"), *(["--batch-first"] if layout == "BT" else [])]
    assert main(words) == 0
    y, final = net(x, hx)
    assert_same(np.load(tmp_path / "y.npy"), y)
    assert_same(saved_states(tmp_path / "s.npz"), final)
    assert {path.name for path in tmp_path.iterdir()} == {"weights.safetensors", "x.npy", "y.npy", "s.npz"}


@pytest.mark.parametrize("layout", ["TB", "BT", "T"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f4", ">f8", np.longdouble])
def test_input_may_have_any_floating_type_and_order(kind: Any, order: Any, layout: str, tmp_path: Path) -> None:
    net = network("gru", batch_first=layout == "BT")
    x = inputs(net, 2)[:, 0] if layout == "T" else inputs(net, 2).swapaxes(0, int(layout == "BT"))
    x = np.asarray(x.astype(kind), order=order)
    np.save(tmp_path / "x.npy", x)
    words = ["run", str(weights(tmp_path, net)), str(tmp_path / "x.npy"), str(tmp_path / "y.npy"), "--chunk", "2"]
    assert main([*words, *(["--batch-first"] if layout == "BT" else [])]) == 0
    assert_same(np.load(tmp_path / "y.npy"), net(x)[0])


@pytest.mark.parametrize("shape", [(0, 5), (0, 2, 5), (4, 0, 5), (0, 0, 5)])
def test_empty_input_gives_empty_output(shape: tuple[int, ...], tmp_path: Path) -> None:
    net = network("lstm")
    np.save(tmp_path / "x.npy", np.zeros(shape, np.float32))
    np.save(tmp_path / "y.npy", np.ones(3))
    words = ["run", str(weights(tmp_path, net)), str(tmp_path / "x.npy"), str(tmp_path / "y.npy"), "--force"]
    assert main([*words, "--state", str(tmp_path / "s.npz")]) == 0
    y, final = net(np.zeros(shape, np.float32))
    assert_same(np.load(tmp_path / "y.npy"), y)
    assert_same(saved_states(tmp_path / "s.npz"), final)


def test_run_agrees_with_torch(tmp_path: Path) -> None:
    """The weights are in a file of torch, which has other layers, too."""
    torch.manual_seed(0)
    model = torch.nn.ModuleDict(
        {"encoder": torch.nn.LSTM(5, 7, 2, batch_first=True), "decoder": torch.nn.GRU(7, 3)}
    ).double()
    torch.save({"model": model.state_dict(), "epoch": 3}, tmp_path / "model.pt")
    x = torch.randn(3, 50, 5, dtype=torch.float64)
    np.save(tmp_path / "x.npy", x.numpy())
    words = ["run", str(tmp_path / "model.pt"), "--layer", "model.encoder", "--batch-first", "--chunk", "7"]
    words += ["--state", str(tmp_path / "s.npz"), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    assert main(words) == 0
    with torch.no_grad():
        y, hidden = model["encoder"](x)
    reference = named_outputs(y.numpy(), tuple(part.numpy() for part in hidden))
    got = named_outputs(np.load(tmp_path / "y.npy"), saved_states(tmp_path / "s.npz"))
    assert_parity(got, reference, 0.0, "float64")


def test_states_go_on_from_file_to_file(tmp_path: Path) -> None:
    net = network("lstm")
    x = inputs(net, 2)
    path = weights(tmp_path, net)
    for index, part in enumerate((x[:4], x[4:])):
        np.save(tmp_path / "x.npy", part)
        words = ["run", str(path), str(tmp_path / "x.npy"), str(tmp_path / f"y{index}.npy")]
        assert main([*words, "--state", str(tmp_path / "s.npz")]) == 0
    y, final = net(x)
    assert_same(np.concatenate([np.load(tmp_path / f"y{index}.npy") for index in (0, 1)]), y)
    assert_same(saved_states(tmp_path / "s.npz"), final)


def test_run_takes_a_nonlinearity_and_runs_cells(tmp_path: Path) -> None:
    torch.manual_seed(0)
    cell = torch.nn.RNNCell(5, 7, nonlinearity="relu")
    torch.save(cell, tmp_path / "cell.pt")
    x = torch.randn(6, 5)
    np.save(tmp_path / "x.npy", x.numpy())
    words = ["run", str(tmp_path / "cell.pt"), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    assert main([*words, "--nonlinearity", "relu"]) == 0
    net, h, expected = gatecell.from_torch(cell), None, []
    for x_t in x.numpy():
        h = net(x_t, h)
        expected.append(h)
    assert_same(np.load(tmp_path / "y.npy"), np.stack(expected))


def test_two_directions_run_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = gatecell.from_torch(torch.nn.LSTM(5, 7, bidirectional=True))
    x = inputs(net, 2)
    np.save(tmp_path / "x.npy", x)
    words = ["run", str(weights(tmp_path, net)), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    assert main([*words, "--chunk", "4"]) == 1
    assert "expected a network of one direction for --chunk, got a bidirectional one" in capsys.readouterr().err
    assert main(words) == 0
    assert_same(np.load(tmp_path / "y.npy"), net(x)[0])


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_is_bounded(order: str, tmp_path: Path) -> None:
    """The input has 300 MB. The process grows by a few chunks of 16 MB."""
    net = gatecell.from_torch(torch.nn.GRU(64, 4))
    shape = (73_000, 16, 64)
    with (tmp_path / "x.npy").open("wb") as file:
        header = {"shape": shape, "fortran_order": order == "F", "descr": "<f4"}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 4 * int(np.prod(shape)))
    words = ["run", str(weights(tmp_path, net)), str(tmp_path / "x.npy"), str(tmp_path / "y.npy"), "--threads", "1"]
    grown = run_script(f"""
        import pathlib
        from gatecell._cli import main, run
        def peak():
            return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
        before = peak()
        assert main({words!r}) == 0
        print(peak() - before)
    """)
    assert int(grown.splitlines()[-1]) < 96_000
    assert np.load(tmp_path / "y.npy", mmap_mode="r").shape == (*shape[:2], 4)


def test_json_tells_the_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = network("gru")
    np.save(tmp_path / "x.npy", inputs(net, 2))
    words = ["run", str(weights(tmp_path, net)), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    assert main(words) == 0
    text = capsys.readouterr()
    layout = "(9, 2, 5) taken as (T, B, features), 2 rows of 9 steps; if it is (B, T, features), pass --batch-first"
    assert text.out.startswith(f"{tmp_path / 'x.npy'}: {layout}\n{tmp_path / 'y.npy'}: (9, 2, 20) float32, 9 steps in ")
    assert text.err == ""  # there is no progress bar if stderr is no terminal
    assert main([*words, "--force", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts.pop("seconds") > 0
    assert facts.pop("network").startswith("GRU(5, 20, num_layers=2")
    expected = {"output": words[3], "shape": [9, 2, 20], "dtype": "float32", "steps": 9, "resumed_at": 0}
    assert facts == expected | {"layout": "(T, B, features)"}


HINT = "; if it is (B, T, features), pass --batch-first"


@pytest.mark.parametrize(
    ("shape", "options", "layout", "sizes"),
    [
        ((9, 2, 5), [], "(T, B, features)", "2 rows of 9 steps" + HINT),
        ((1, 9, 5), [], "(T, B, features)", "9 rows of 1 step" + HINT),
        ((4, 4, 5), [], "(T, B, features)", "4 rows of 4 steps" + HINT),
        ((9, 1, 5), [], "(T, B, features)", "1 row of 9 steps"),
        ((2, 9, 5), ["--batch-first"], "(B, T, features)", "2 rows of 9 steps"),
        ((9, 5), [], "(T, features)", "1 row of 9 steps"),
        ((9, 5), ["--batch-first"], "(T, features)", "1 row of 9 steps"),
    ],
)
def test_tells_the_layout_it_assumed(
    shape: tuple[int, ...],
    options: list[str],
    layout: str,
    sizes: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape, "f4"))
    words = ["run", str(weights(tmp_path, network("gru"))), str(tmp_path / "x.npy"), str(tmp_path / "y.npy"), *options]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["layout"] == layout
    assert main([*words, "--force"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{tmp_path / 'x.npy'}: {shape} taken as {layout}, {sizes}"


def test_tells_the_layout_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So a user can stop a long run with a wrong layout."""
    np.save(tmp_path / "x.npy", np.zeros((2, 9, 5), "f4"))

    def stopped(*_: object) -> None:
        assert "taken as (T, B, features), 9 rows of 2 steps" in capsys.readouterr().out
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_chunks", stopped)
    words = ["run", str(weights(tmp_path, network("gru"))), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    assert main(words) == 130


def test_names_cannot_control_the_terminal_of_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = network("gru")
    np.save(tmp_path / "x.npy", inputs(net, 2))
    output = tmp_path / "\x1b[31m\udcff.npy"
    assert main(["run", str(weights(tmp_path, net)), str(tmp_path / "x.npy"), str(output)]) == 0
    assert "\\x1b[31m\\udcff.npy: (9, 2, 20) float32" in capsys.readouterr().out
    assert output.is_file()


def test_tqdm_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    net = network("gru")
    x = inputs(net, 2)
    np.save(tmp_path / "x.npy", x)
    assert main(["run", str(weights(tmp_path, net)), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]) == 0
    assert_same(np.load(tmp_path / "y.npy"), net(x)[0])


def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    net = network("gru")
    np.save(tmp_path / "x.npy", inputs(net, 2))
    words = ["run", str(weights(tmp_path, net)), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    done = subprocess.run(
        [sys.executable, "-m", "gatecell", *words], stderr=terminal, stdout=subprocess.PIPE, timeout=HANG
    )
    os.close(terminal)
    shown = os.read(controller, 10_000).decode()
    os.close(controller)
    assert done.returncode == 0
    assert "9/9" in shown
    assert "9/9" not in done.stdout.decode()


BAD_INPUTS: dict[str, tuple[Any, str]] = {
    "width": (np.zeros((9, 2, 4), "f4"), "expected input (T, B, 5), got (T, B, 4) in an array of shape (9, 2, 4)"),
    "one axis": (np.zeros(9, "f4"), "expected an array (T, B, features) or (T, features), got (9,)"),
    "four axes": (np.zeros((9, 1, 1, 5), "f4"), "got (9, 1, 1, 5)"),
    "integers": (np.zeros((9, 2, 5), "i2"), "expected real floating point numbers, got int16"),
    "complex": (np.zeros((9, 2, 5), "c8"), "expected real floating point numbers, got complex64"),
    "fields": (np.zeros((9, 5), "f4,f4"), "expected real floating point numbers"),
    "objects": (np.zeros((9, 2, 5), object), "an array of Python objects"),
}


@pytest.mark.parametrize("what", BAD_INPUTS)
def test_bad_inputs_are_errors(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    array, message = BAD_INPUTS[what]
    np.save(tmp_path / "x.npy", array)
    assert_refused(tmp_path, capsys, [], message)


BAD_FILES = {
    "missing": (None, "x.npy: No such file or directory"),
    "empty": (b"", "not a valid .npy file"),
    "text": (b"1,2,3\n" * 99, "not a valid .npy file"),
    "cut short": (b"", "got 356"),
    "a directory": (None, "expected a .npy file, got a directory"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_bad_input_files_are_errors(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, message = BAD_FILES[what]
    path = tmp_path / "x.npy"
    if what == "a directory":
        path.mkdir()
    elif what == "cut short":
        np.save(path, inputs(network("lstm"), 2))
        os.truncate(path, path.stat().st_size - 4)
    elif content is not None:
        path.write_bytes(content)
    assert_refused(tmp_path, capsys, [], message)


def assert_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str, output: str = "y.npy"
) -> None:
    """Checks that there is one line on stderr and that nothing is written."""
    path = weights(folder, network("lstm"))
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    capsys.readouterr()
    assert main(["run", str(path), str(folder / "x.npy"), str(folder / output), *options]) == 1
    text = capsys.readouterr()
    assert message in text.err
    assert text.err.startswith("gatecell run: ")
    assert (text.out, text.err.count("\n")) == ("", 1)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "output", "message"),
    [
        ([], "x.npy", "x.npy: this is the input, which would be overwritten"),
        (["--force"], "link.npy", "link.npy: this is the input, which would be overwritten"),
        (["--force"], "hard.npy", "hard.npy: this is the input, which would be overwritten"),
        (["--force"], "weights.safetensors", "this is the weights, which would be overwritten"),
        (["--force", "--state", "{}/y.npy"], "y.npy", "y.npy: this is the state, which would be overwritten"),
        (["--state", "{}/x.npy"], "y.npy", "x.npy: this is the input, which would be overwritten"),
        ([], "old.npy", "old.npy: exists already; --force replaces it"),
        (["--resume"], "old.npy", "old.npy: exists already and there is no interrupted run; --force replaces it"),
        (["--force"], "folder", "folder: expected a file, got a directory"),
        (["--force"], ".", ": expected a file, got a directory"),
        ([], "nowhere/y.npy", "nowhere/y.npy: there is no such directory"),
        (["--state", "{}/nowhere/s.npz"], "y.npy", "nowhere/s.npz: there is no such directory"),
        (["--state", "{}/states.npz"], "y.npy", "expected arrays h_n and c_n, got h"),
        (["--state", "{}/rows.npz"], "y.npy", "rows.npz: expected h_0 (1, 2, 7), got (1, 3, 7)"),
        (["--nonlinearity", "relu"], "y.npy", "--nonlinearity is for a simple RNN, got <'': LSTM(5, 7)"),
        (["--layer", "encoder"], "y.npy", "expected arrays with names that start with 'encoder.'"),
    ],
)
def test_a_refused_run_writes_nothing(
    options: list[str], output: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", inputs(network("lstm"), 2))
    (tmp_path / "link.npy").symlink_to("x.npy")
    (tmp_path / "hard.npy").hardlink_to(tmp_path / "x.npy")
    (tmp_path / "old.npy").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    np.savez(tmp_path / "states.npz", h=np.zeros((1, 2, 7)))
    save_states(tmp_path / "rows.npz", (np.zeros((1, 3, 7)), np.zeros((1, 3, 7))))
    assert_refused(tmp_path, capsys, [option.format(tmp_path) for option in options], message, output)


@pytest.mark.parametrize("words", [["--chunk", "0"], ["--chunk", "x"], ["--threads", "-1"], ["--resume", "--force"]])
def test_usage_errors_of_run(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "model.pt", "x.npy", "y.npy", *words]) == 2
    assert "error: argument" in capsys.readouterr().err


def test_several_layers_need_a_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lstm, gru = network("lstm"), network("gru")
    both = {"a.": lstm, "a.b.": gru}
    named = {prefix + name: array for prefix, net in both.items() for name, array in net.state_dict().items()}
    gatecell.save(tmp_path / "w", named)
    np.save(tmp_path / "x.npy", inputs(lstm, 2))
    words = ["run", str(tmp_path / "w"), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    assert main(words) == 1
    assert "expected --layer to choose one of 2 layers ('a.', 'a.b.'), got ''" in capsys.readouterr().err
    assert main([*words, "--layer", "a"]) == 1
    # Its path is below that of a layer, so it could belong to the layer.
    assert "unexpected: a.b.weight_ih_l0" in capsys.readouterr().err
    for prefix, net in both.items():
        assert main([*words, "--layer", prefix, "--force", "--no-strict"]) == 0
        assert_same(np.load(tmp_path / "y.npy"), net(inputs(lstm, 2))[0])
