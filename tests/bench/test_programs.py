"""Tests of the programs without their measurements: options, lines of the tables, exit status."""

import argparse
import json
import sys
from pathlib import Path

import pytest

import ab
import accelerate
import compare
import models
import ragged
import scaling
import silero_vad
import streams
from suite import options
from suite.arrays import make_lengths
from suite.cases import Case
from suite.fixed_cases import run_fixed_cases
from suite.grids import GRIDS
from suite.results import CaseResult, Run
from suite.rounds import LARGEST_DIFFERENCE


def parse(*words):
    parser = argparse.ArgumentParser()
    options.add_measuring(parser)
    options.add_contestants(parser)
    return parser.parse_args(words)


def test_cases_given_and_of_a_grid():
    quick = [Case.parse(text) for text in GRIDS["quick"]]
    assert options.chosen_cases(parse()) == quick
    assert options.chosen_cases(parse("gru,H=8")) == [Case.parse("gru,H=8")]
    assert options.chosen_cases(parse("gru,H=8", "--grid", "quick")) == [Case.parse("gru,H=8"), *quick]


def test_contestants():
    assert parse().contestants == ["gatecell", "torch", "onnxruntime", "openvino", "jax"]
    assert parse("--contestants", "torch.jit,gatecell", "gru,H=8").contestants == ["torch.jit", "gatecell"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gru,H=no"], "case 'gru,H=no' has 'H=no'; expected one of lstm, gru, rnn"),
        (["--grid", "huge"], "invalid choice: 'huge'"),
        (["--threads", "0"], "'0' is neither all nor 1 to "),
        (["--threads", "\u00b2"], "is neither all nor 1 to "),
        (["--threads", "9999"], "'9999' is neither all nor 1 to "),
        (["--rounds", "0"], "'0' is not a number from 1 on"),
        (["--budget", "nan"], "'nan' is not a positive number of seconds"),
        (["--budget", "inf"], "'inf' is not a positive number of seconds"),
        (["--time-limit", "-1"], "'-1' is not a positive number of seconds"),
        (["--contestants", "gatecell,caffe"], "caffe: expected some of gatecell,torch,"),
    ],
)
def test_bad_options(words, message, capsys):
    with pytest.raises(SystemExit) as error:
        parse(*words)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


class Machine:
    """Stands for the real machine. Each call of `fma` returns the next of the given rates."""

    def __init__(self, *rates):
        self.rates = iter(rates)

    def fma(self, threads):
        assert threads == 2
        return {"float32": next(self.rates)}


@pytest.mark.parametrize(
    ("rates", "reading"),
    [((95.0,), 95), ((120.0,), 120), ((50.0, 97.0), 97), ((50.0, 40.0, 60.0), 60)],  # a low rate is measured again
)
def test_reading_of_the_machine(rates, reading, monkeypatch):
    monkeypatch.setattr(compare.time, "sleep", lambda seconds: None)
    machine = Machine(*rates)
    assert compare.fma_reading(machine, 2, [100.0, 101.0, 99.0]) == reading
    with pytest.raises(StopIteration):
        machine.fma(2)


def entry(*turns, difference=0.0):
    return {"turns": list(turns), "difference": difference}


def test_row_of_ab():
    raw = {"case": "gru,H=8", "contestants": {"A": entry(3e-6, 3e-6), "B": entry(2e-6, 2e-6)}}
    assert ab.table_row(CaseResult(raw)) == [
        "gru,B=1,T=100,H=8",
        "3.00 us",
        "2.00 us",
        "1.500",
        "1.500 to 1.500",
        "same bits",
    ]
    raw["contestants"]["B"] = entry(2e-6, 2e-6, difference=1.5e-7)
    assert ab.table_row(CaseResult(raw))[-1] == "1.5e-07"
    raw["contestants"]["B"] = {"missing": "process ended with status -11", "failed": True}
    assert ab.table_row(CaseResult(raw))[1:] == ["-", "process ended with status -11", "-", "-", "-"]


def test_ab_rejects_a_name_that_is_not_a_commit():
    with pytest.raises(SystemExit, match="no-such-commit"):
        ab.commit_hash("no-such-commit")


@pytest.mark.parametrize(
    ("entries", "readings", "status"),
    [({}, [1.0, 1.0], 0), ({}, [1.0, 1.0, 0.5], 3), ({"torch": {"missing": "broke", "failed": True}}, [1.0, 1.0], 1)],
)
def test_exit_status_of_compare(entries, readings, status, tmp_path, monkeypatch, capsys):
    """The measurement is replaced by fixed results."""
    limits = {"fma": {"float32": 1.0, "float64": 1.0}, "levels": [], "core_round_trip": None}

    def measure(options, contestants, machine, run):
        gatecell = {"gatecell": {**entry(1.0), "calls": [1]}}
        case = {"case": "gru,B=1,T=100,H=8", "limit": {"seconds": 0.5}, "contestants": {**gatecell, **entries}}
        run |= {"limits": limits, "fma_readings": readings, "cases": [case]}
        yield

    class NoMachine:
        def __init__(self, isa):
            assert isa is None

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    output = tmp_path / "run.json"
    words = ["compare.py", "gru,H=8", "--contestants", ",".join(["gatecell", *entries]), "--output", str(output)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(compare, "measure", measure)
    monkeypatch.setattr(compare, "Machine", NoMachine)
    assert compare.main() == status
    printed = capsys.readouterr()
    assert "| gru,B=1,T=100,H=8 |" in printed.out
    assert ("FAILED: gru,B=1,T=100,H=8: PyTorch broke" in printed.err) == (status == 1)
    saved = json.loads(output.read_text())
    assert saved["machine"]["cpus"] > 0
    assert saved["command"].startswith("python bench/compare.py gru,H=8")


def test_isa_of_compare(tmp_path, monkeypatch, capsys):
    """Processes get the variables, and the machine, the JSON file and the table know the instruction set."""
    found = {}

    class NoMachine:
        def __init__(self, isa):
            found["machine"] = isa

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    def measure(options, contestants, machine, run):
        for name in ("gatecell", "onnxruntime"):
            process = contestants.start[name]()
            found[name] = Path(f"/proc/{process.process.pid}/environ").read_bytes().split(b"\0")
            process.close()
        limits = {"fma": {"float32": 1.0, "float64": 1.0}, "levels": [], "core_round_trip": None}
        entries = {name: {**entry(1.0), "calls": [1]} for name in ("gatecell", "onnxruntime")}
        case = {"case": "gru,B=1,T=100,H=8", "limit": {"seconds": 0.5}, "contestants": entries}
        run |= {"limits": limits, "fma_readings": [1.0], "cases": [case]}
        yield

    output = tmp_path / "run.json"
    words = ["compare.py", "gru,H=8", "--isa", "avx2", "--contestants", "gatecell,onnxruntime", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(compare, "measure", measure)
    monkeypatch.setattr(compare, "Machine", NoMachine)
    monkeypatch.setattr(compare, "describe_run", lambda env: {"gatecell": env["GATECELL_ISA"]})
    monkeypatch.delenv("GATECELL_ISA", raising=False)
    assert compare.main() == 0
    assert found["machine"] == "avx2"
    assert b"GATECELL_ISA=avx2" in found["gatecell"]
    assert not [variable for variable in found["onnxruntime"] if b"AVX2" in variable.upper()]
    saved = json.loads(output.read_text())
    assert (saved["isa"], saved["gatecell"]) == ("avx2", "avx2")
    assert Run(saved).uncapped == ("onnxruntime",)
    assert "ONNX Runtime*" in capsys.readouterr().out


def test_a_wrong_output_path_ends_the_program_before_it_measures(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["compare.py", "gru,H=8", "--output", str(tmp_path)])
    monkeypatch.setattr(compare, "Machine", None)  # a measurement would fail
    with pytest.raises(SystemExit, match=r"cannot write .*: Is a directory"):
        compare.main()


def case_of(text, **turns):
    return {"case": text, "contestants": {name: entry(*seconds) for name, seconds in turns.items()}}


def test_row_of_ragged():
    turns = {
        "gatecell": (3e-3, 6e-3),
        "torch": (9e-3, 18e-3),
        "gatecell.full": (4e-3, 8e-3),
        "torch.full": (6e-3, 12e-3),
    }
    result = CaseResult(case_of("gru,B=10,T=10,H=8,ragged", **turns))
    fill = make_lengths(result.case).sum() / 100
    name, shown, gatecell, packed, full, pytorch, pytorch_full, *others, peer, to_full = ragged.table_row(result)
    assert (name, shown, gatecell, packed) == ("gru,B=10,T=10,H=8,ragged", f"{fill:.1%}", "4.50 ms", "-")
    assert (full, pytorch, pytorch_full, others) == ("6.00 ms", "13.5 ms", "9.00 ms", ["-", "-"])
    assert peer == "2.00 (2.00 to 2.00)"  # gatecell.full does not count as a peer
    assert float(to_full.split()[0]) == pytest.approx(0.75 / fill, abs=0.005)


def test_row_of_streams():
    turns = {"gatecell": (1e-3, 2e-3), "torch": (2e-3, 4e-3), "onnxruntime": (10e-3, 20e-3)}
    result = CaseResult(case_of("lstm,B=1000,T=3,I=64,H=128,streams", **turns))
    assert streams.table_row(result) == [
        *["1,000", "2,000,000", "1,000,000", "-", "200,000"],
        *["2.00 (2.00 to 2.00)", "-", "10.00 (10.00 to 10.00)"],
    ]


@pytest.mark.parametrize(("tolerance", "status"), [(1e-5, 0), (-1, 1)])
def test_fixed_cases_are_written_and_printed(tolerance, status, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(LARGEST_DIFFERENCE, "float32", tolerance)
    output = tmp_path / "run.json"
    words = ["program.py", "--rounds", "2", "--budget", "0.01", "--threads", "1", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", words)
    case, names = "gru,B=1,T=3,H=8", ("gatecell", "gatecell.packed")
    assert run_fixed_cases("About.\n\nMore.", [case], names, lambda run: f"{len(run.cases)} case") == status
    printed = capsys.readouterr()
    assert printed.out.startswith("1 case\n\nNo time: ")
    assert "No time: gatecell packed: only for ragged cases\n" in printed.out
    assert (f"FAILED: {case}: gatecell differs from gatecell by 0" in printed.err) == (status == 1)
    saved = json.loads(output.read_text())
    assert (saved["program"], saved["rounds"], saved["planned"]) == ("program", 2, 1)
    assert len(saved["cases"][0]["contestants"]["gatecell"].get("turns", [])) == (0 if status else 2)


@pytest.mark.parametrize("program", [accelerate, models, ragged, scaling, silero_vad, streams])
def test_texts_of_fixed_cases_are_normalised(program):
    assert [str(Case.parse(text)) for text in program.CASES] == list(program.CASES)


def test_row_of_accelerate():
    turns = {"torch.model": (20e-6, 40e-6), "gatecell.accelerate": (5e-6, 10e-6), "gatecell.own": (3e-6, 4e-6)}
    times = ["30.0 us", "7.50 us", "3.50 us", "4.00 (4.00 to 4.00)"]
    assert accelerate.table_row(CaseResult(case_of("lstm,B=1,T=1,H=8", **turns)))[1:] == [*times, "4.0 us"]
    assert accelerate.table_row(CaseResult(case_of("lstm,B=1,T=10,H=8,streams", **turns)))[1:] == [*times, "0.4 us"]
    assert accelerate.table_row(CaseResult(case_of("gru,B=10,T=10,H=8,ragged", **turns)))[1:] == [*times, "-"]


def test_row_of_models():
    turns = {"gatecell.classifier": (1e-3, 2e-3), "torch.classifier": (2e-3, 4e-3)}
    result = CaseResult(case_of(models.CASES[0], **turns))
    assert models.table_row(result) == [models.CASES[0], "1.50 ms", "3.00 ms", "2.00 (2.00 to 2.00)"]


def test_row_of_silero_vad():
    turns = {"gatecell.vad": (1e-3, 2e-3), "onnxruntime.vad": (4e-3, 8e-3)}
    assert silero_vad.table_row(CaseResult(case_of("lstm,B=100,T=2,H=128,streams", **turns))) == [
        *["100", "2", "133,333", "33,333", "-"],
        *["4.00 (4.00 to 4.00)", "-"],
    ]


@pytest.mark.parametrize(
    ("most", "counts"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])]
)
def test_threads_of_scaling(most, counts):
    assert scaling.thread_counts(most) == counts


def planned(*turns, seconds, **parts):
    """An entry of scaling.py. The names of parts have "_" for a space."""
    plan = {"seconds": seconds, "parts": {name.replace("_", " "): count for name, count in parts.items()}}
    return {**entry(*turns), "plans": [plan] * len(turns)}


def test_rows_of_scaling():
    one = planned(4e-3, 8e-3, seconds=6e-3)
    two = planned(2e-3, 5e-3, seconds=3e-3, rows=2)
    eight = planned(1e-3, 2e-3, seconds=1e-3, rows=2, hidden_units=4)
    raw = {"case": "lstm,B=4,T=100,H=128", "contestants": {"1": one, "2": two, "8": eight}}
    assert scaling.table_rows(CaseResult(raw)) == [
        ["lstm,B=4,T=100,H=128", "1", "nothing", "6.00 ms", "1.00 (1.00 to 1.00)", "1.00"],
        ["lstm,B=4,T=100,H=128", "2", "rows 2", "3.50 ms", "1.80 (1.64 to 1.96)", "2.00"],
        ["lstm,B=4,T=100,H=128", "8", "rows 2 x hidden units 4", "1.50 ms", "4.00 (4.00 to 4.00)", "6.00"],
    ]
    raw["contestants"]["1"] = {"missing": "process ended", "failed": True}
    assert [row[2:] for row in scaling.table_rows(CaseResult(raw))[:2]] == [
        ["process ended", "-", "-", "-"],
        ["rows 2", "3.50 ms", "-", "-"],
    ]


def test_split_is_that_of_most_turns():
    raw = {"case": "gru,H=8", "contestants": {"2": planned(1, 1, 1, seconds=1.0, layers=2)}}
    raw["contestants"]["2"]["plans"][0] = {"seconds": 1.0, "parts": {}}
    assert scaling.split(CaseResult(raw), "2") == "layers 2"


@pytest.mark.parametrize(("tolerance", "status"), [(1e-5, 0), (-1, 1)])
def test_scaling_is_written_and_printed(tolerance, status, tmp_path, monkeypatch, capsys):
    """Two numbers of threads on the CPUs that there are. The plot is left out, because the tests lack Matplotlib."""
    monkeypatch.setitem(LARGEST_DIFFERENCE, "float32", tolerance)
    output, plots = tmp_path / "run.json", []
    words = ["scaling.py", "--rounds", "2", "--budget", "0.01", "--threads", "1", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(scaling, "CASES", ("gru,B=1,T=3,H=8",))
    monkeypatch.setattr(scaling, "thread_counts", lambda most: [1, 2])
    monkeypatch.setattr(scaling, "save_plot", lambda results, path: plots.append((len(results), path.name)))
    assert scaling.main() == status
    printed = capsys.readouterr()
    assert ("FAILED: gru,B=1,T=3,H=8: 2 threads: differs from 1 by 0" in printed.err) == (status == 1)
    assert plots == [(1, "run.png")]
    assert "Kept in " in printed.out
    saved = json.loads(output.read_text())
    assert (saved["program"], saved["threads"]) == ("scaling", [1, 2])
    if status == 0:
        plans = saved["cases"][0]["contestants"]["2"]["plans"]
        assert [plan["parts"] for plan in plans] == [{}, {}]
        assert printed.out.count("| gru,B=1,T=3,H=8 |") == 2
