"""`gatecell run` may be interrupted at any moment. Promise 2: the resumed run gives the bits of one call.

Where it could give other bits, it is refused.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gatecell
from gatecell import _core
from gatecell._cli import _draft, _streaming, run
from gatecell._cli._sequence_file import SequenceFile
from helpers.cli_run_cases import CHUNK, Case, Interrupts, save_states
from helpers.fresh_process import run_script


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


@pytest.fixture
def record_every_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes a record after every chunk."""
    monkeypatch.setattr(_draft, "INTERVAL", 0)


@pytest.mark.usefixtures("record_every_chunk")
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", ["lstm", "lstm_proj", "gru", "rnn"])
def test_a_run_can_be_resumed_after_ctrl_c_at_every_chunk(
    name: str, batch_first: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGINT raises KeyboardInterrupt. The run is resumed with chunks of 1 to 5 steps."""
    case = Case(tmp_path, name, batch_first)
    for chunk in range(5):
        with Interrupts(SequenceFile, "write", KeyboardInterrupt()) as interrupts:
            interrupts.nth = chunk + 1
            assert case.run() == 130
        assert not case.output.exists()
        assert f"interrupted; --resume goes on from step {CHUNK * chunk}\n" in capsys.readouterr().err
        assert case.run("--resume", "--json", "--threads", "1", chunk=chunk + 1) == 0
        assert json.loads(capsys.readouterr().out)["resumed_at"] == CHUNK * chunk
        case.check()
        case.output.unlink()
        save_states(case.state, case.hx)


@pytest.mark.usefixtures("record_every_chunk")
def test_a_run_can_be_interrupted_again_and_again(case: Case) -> None:
    for _ in range(4):
        with Interrupts(SequenceFile, "write", KeyboardInterrupt()) as interrupts:
            interrupts.nth = 2
            assert case.run("--resume") == 130
    assert case.run("--resume") == 0
    case.check()


# A child gets SIGKILL before the nth call that changes files. Between such calls no file changes.
KILLED = """
import os, pathlib, shutil, signal, sys
import numpy as np, tqdm  # imported in the parent, so that imports are not interrupted
from gatecell._cli import _draft, main
_draft.INTERVAL = 0
folder, words = pathlib.Path({folder!r}), {words!r}
changes = {{"open", "ftruncate", "pwrite", "fsync", "replace", "unlink", "FileIO.write", "BufferedWriter.write"}}
y, s = (np.load(folder / name) for name in ("expected.npy", "final.npy"))
here, out = os.getpid(), sys.stdout
sys.stdout = open(os.devnull, "w")

def killed_at(nth):
    calls = 0
    def watch(frame, event, argument):
        nonlocal calls
        if event == "c_call" and argument.__qualname__ in changes:
            calls += 1
            if calls == nth:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(watch)

nth, resumed = 1, 0
while True:
    for path in folder.glob("y.npy*"):
        path.unlink()
    shutil.copy(folder / "initial.npz", folder / "s.npz")
    child = os.fork()
    if not child:
        killed_at(nth)
        os._exit(main(words))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        break
    assert code == -signal.SIGKILL, code
    if (folder / "y.npy").exists():
        assert np.array_equal(np.load(folder / "y.npy"), y), nth
    if not (folder / "y.npy").exists() or (folder / "y.npy.resume").exists():
        resumed += 1
        assert main([*words, "--resume"]) == 0, nth
    assert np.array_equal(np.load(folder / "y.npy"), y), nth
    assert np.array_equal(np.load(folder / "s.npz")["h_n"], s), nth
    assert not list(folder.glob("y.npy.*")), nth
    nth += 1
print(nth, resumed, file=out)
"""


def test_a_run_can_be_resumed_after_sigkill_at_any_moment(tmp_path: Path) -> None:
    case = Case(tmp_path, "gru")
    np.save(tmp_path / "expected.npy", case.y)
    np.save(tmp_path / "final.npy", case.final)
    shutil.copy(case.state, tmp_path / "initial.npz")
    words = [*case.words, "--chunk", "4", "--threads", "1"]
    nth, resumed = map(int, run_script(KILLED.format(folder=str(tmp_path), words=words)).split())
    assert nth > 40
    assert resumed > nth / 2


class PowerCutError(BaseException):
    """An error that no handler of Exception catches."""


class Disk:
    """Keeps for each file the content that certainly reached the disk: that of the last fsync."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder = folder
        self.safe: dict[int, bytes] = {}  # the key is the inode
        original = os.fsync

        def fsync(file: int) -> None:
            original(file)
            about = os.fstat(file)
            path = Path(os.readlink(f"/proc/self/fd/{file}"))
            if path.is_file():
                self.safe[about.st_ino] = path.read_bytes()

        monkeypatch.setattr(os, "fsync", fsync)

    def cut(self) -> None:
        """Restores the content at the last fsync. A file without an fsync becomes empty, but keeps its name."""
        for path in self.folder.glob("y.npy*"):
            path.write_bytes(self.safe.get(path.stat().st_ino, b""))


@pytest.mark.usefixtures("record_every_chunk")
@pytest.mark.parametrize("call", [(os, "pwrite"), (os, "fsync"), (Path, "replace"), (Path, "unlink")])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_can_be_resumed_after_a_power_cut(
    call: tuple[Any, str], after: bool, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, case.folder)
    nth = 0
    while True:
        nth += 1
        for path in case.folder.glob("y.npy*"):
            path.unlink()
        disk.safe.clear()
        save_states(case.state, case.hx)
        with Interrupts(*call, PowerCutError(), after) as interrupts:
            interrupts.nth = nth
            try:
                assert case.run() == 0
                break
            except PowerCutError:
                disk.cut()
        if not case.output.exists() or case.record.exists():
            assert case.run("--resume") == 0
        case.check()
    assert nth > 2


@pytest.mark.usefixtures("record_every_chunk")
def test_a_run_can_be_resumed_after_a_full_disk(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with Interrupts(os, "pwrite", full) as interrupts:
        interrupts.nth = 4  # the first write is the header
        assert case.run() == 1
    message = f"{case.output}.part: No space left on device; --resume goes on from step {2 * CHUNK}"
    assert capsys.readouterr().err == f"gatecell run: {message}\n"
    assert not case.output.exists()
    assert case.run("--resume") == 0
    case.check()


def interrupted(case: Case, *options: str) -> None:
    with Interrupts(SequenceFile, "write", KeyboardInterrupt()) as interrupts:
        interrupts.nth = 3
        assert case.run(*options) == 130


def other_input(case: Case) -> None:
    case.x[0, 0, 0] += 1
    np.save(case.folder / "x.npy", case.x)


def other_weights(case: Case) -> None:
    arrays = case.net.state_dict()
    arrays["bias_hh_l0"][0] += 1
    gatecell.save(case.folder / "weights.safetensors", arrays)


CHANGES: dict[str, Callable[[Case], Any]] = {
    "the input's time of change": other_input,
    "the input's size": lambda case: np.save(case.folder / "x.npy", case.x[:8]),
    "the weights": other_weights,
    "the initial state": lambda case: save_states(case.state, tuple(part + 1 for part in case.hx)),
    "the input's layout": lambda case: case.words.append("--batch-first"),
}


@pytest.mark.usefixtures("record_every_chunk")
@pytest.mark.parametrize("what", CHANGES)
def test_another_run_is_not_resumed(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path)
    case.x, case.hx = case.x[:, [0, 1, 2] * 3], tuple(np.repeat(part, 3, axis=1) for part in case.hx)
    np.save(tmp_path / "x.npy", case.x)  # (9, 9, 5): the shape is the same with the first two axes swapped
    save_states(case.state, case.hx)
    interrupted(case)
    record = case.record.read_bytes()
    CHANGES[what](case)
    capsys.readouterr()
    assert case.run("--resume") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"gatecell run: {case.output}: cannot resume, changed since: ")
    assert what in error
    assert error.endswith("; --force starts a new run\n")
    assert case.record.read_bytes() == record


@pytest.mark.usefixtures("record_every_chunk")
@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(gatecell.available_isas(), 2)))
def test_a_run_is_resumed_on_another_isa_only_if_that_gives_the_same_bits(
    one: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATECELL_ISA", one)
    case = Case(tmp_path)
    interrupted(case)
    monkeypatch.setenv("GATECELL_ISA", other)
    if _core.instruction_sets()[one]["is_fused"] == _core.instruction_sets()[other]["is_fused"]:
        assert case.run("--resume") == 0
        case.check()
    else:
        capsys.readouterr()
        assert case.run("--resume") == 1
        assert "cannot resume, changed since: whether the processor has FMA" in capsys.readouterr().err


@pytest.mark.usefixtures("record_every_chunk")
def test_an_interrupted_run_is_not_replaced_without_force(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    interrupted(case)
    capsys.readouterr()
    assert case.run() == 1
    expected = "an interrupted run is there: --resume goes on with it, --force starts a new run"
    assert capsys.readouterr().err == f"gatecell run: {case.output}: {expected}\n"
    assert case.run("--force", "--json") == 0
    assert json.loads(capsys.readouterr().out)["resumed_at"] == 0
    case.check()


@pytest.mark.usefixtures("record_every_chunk")
def test_a_replaced_run_is_not_resumed(case: Case) -> None:
    """The record of the old run does not fit the output of the run that replaced it."""
    interrupted(case)
    with Interrupts(os, "pwrite", PowerCutError(), after=True) as interrupts:
        interrupts.nth = 1
        with pytest.raises(PowerCutError):
            case.run("--force")
    assert case.run("--resume") == 0
    case.check()


def test_old_output_stays_until_the_new_one_is_whole(case: Case) -> None:
    case.output.write_bytes(b"old")
    interrupted(case, "--force")
    assert case.output.read_bytes() == b"old"
    assert case.run("--resume") == 0
    case.check()


@pytest.mark.usefixtures("record_every_chunk")
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda case: (case.folder / "y.npy.part").unlink(), "y.npy.part: damaged, expected "),
        (lambda case: os.truncate(case.folder / "y.npy.part", 130), "y.npy.part: damaged, expected "),
        (lambda case: case.record.write_bytes(b"no"), "not the record of an interrupted run; --force starts a new run"),
        (lambda case: os.truncate(case.record, 300), "not the record of an interrupted run; --force starts a new run"),
        (lambda case: _draft.write_arrays(case.record, {"h": np.zeros(1)}), "not the record of an interrupted run"),
        (lambda case: _draft.write_arrays(case.record, {"about": np.zeros(1)}), "not the record of an interrupted run"),
    ],
)
def test_damaged_leftovers_are_errors(
    damage: Callable[[Case], Any], message: str, case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(case)
    damage(case)
    capsys.readouterr()
    assert case.run("--resume") == 1
    assert message in capsys.readouterr().err
    assert not case.output.exists()
    assert case.run("--force") == 0
    case.check()


def test_two_runs_at_a_time_are_an_error(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    codes = []
    read = SequenceFile.read

    def meanwhile(self: SequenceFile, begin: int, count: int) -> Any:
        if begin == 2 * CHUNK:
            SequenceFile.read = read  # type: ignore[method-assign]
            codes.extend([case.run(), case.run("--force"), case.run("--resume")])
        return read(self, begin, count)

    SequenceFile.read = meanwhile  # type: ignore[method-assign]
    assert case.run() == 0
    assert codes == [1, 1, 1]
    assert capsys.readouterr().err == f"gatecell run: {case.output}: another run is writing it\n" * 3
    case.check()


@pytest.mark.parametrize("options", [[], ["--resume"]])
@pytest.mark.parametrize("moment", ["make_network", "flock"])
def test_a_run_that_ended_meanwhile_stays(
    moment: str, options: list[str], case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise a run that starts from its final state would replace its output, although nobody asked for that."""
    owner: Any = {"make_network": run, "flock": _draft.fcntl}[moment]
    original = getattr(owner, moment)

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(owner, moment, original)
        assert case.run() == 0
        return original(*arguments)

    monkeypatch.setattr(owner, moment, meanwhile)
    assert case.run(*options) == 1
    expected = {"make_network": "exists already", "flock": "another run has just written it"}[moment]
    assert expected in capsys.readouterr().err
    case.check()


def test_the_interrupt_is_reported_below_the_bar(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextlib.contextmanager
    def progress(steps: int, done: int) -> Iterator[Callable[[int], object]]:
        try:
            yield lambda count: None
        finally:
            print("bar", file=sys.stderr)

    monkeypatch.setattr(_streaming, "progress", progress)
    interrupted(case)
    assert capsys.readouterr().err == "bar\ninterrupted; --resume goes on from step 0\n"


def test_records_are_at_least_a_second_apart(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record waits for the disk.

    There is one at the beginning, one at the end, and one when a second has passed.
    """
    now, steps = 0.0, []
    original = _draft.Draft.read_record

    class Clock:
        @staticmethod
        def monotonic() -> float:
            nonlocal now
            now += 0.4
            return now

    def written(path: Path, arrays: Any) -> None:
        save(path, arrays)
        if path == case.record:
            steps.append(original(_draft.Draft(case.output)).step)

    save = _draft.write_arrays
    monkeypatch.setattr(_draft, "time", Clock)
    monkeypatch.setattr(_draft, "write_arrays", written)
    assert case.run(chunk=1) == 0
    assert steps[0] == 0
    assert steps[-1] == 9
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(steps[:-1]))
    assert 3 < len(steps) < 6
    case.check()
