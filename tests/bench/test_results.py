"""Tests of the figures of a run, against numbers computed by hand, and of the tables."""

import json
import math
import re

import numpy as np
import pytest

from suite.results import KEYS, CaseResult, Run, Spread
from suite.tables import comparison, duration, summary


def entry(*turns, **more):
    return {
        "build_seconds": 0.1,
        "first_call_seconds": 0.1,
        "difference": 1e-7,
        "turns": list(turns),
        "calls": [9],
        **more,
    }


@pytest.fixture
def run():
    """A run of three rounds. In the last one all times are doubled except those of PyTorch in the first case."""
    first = {
        "gatecell": entry(1e-3, 1e-3, 2e-3),
        "torch": entry(3e-3, 4.5e-3, 2e-3),
        "onnxruntime": entry(2e-3, 2e-3, 4e-3),
        "openvino": {"missing": "process ended with status -9", "failed": True},
        "jax": {"missing": "not installed"},
    }
    second = {
        "gatecell": entry(4e-6, 4e-6, 8e-6),
        "torch": entry(2e-6, 2e-6, 4e-6),
        "onnxruntime": {"missing": "no such operator"},
        "openvino": entry(8e-6, 8e-6, 16e-6),
        "jax": {"missing": "not installed"},
    }
    limits = {
        "threads": 1,
        "fma": {"float32": 2e11, "float64": 1e11},
        "levels": [
            {"name": "L1", "bytes": 49152, "bandwidth": 4e11},
            {"name": "memory", "bytes": None, "bandwidth": 1.5e10},
        ],
        "core_round_trip": 9e-8,
    }
    return Run(
        {
            "program": "compare",
            **dict.fromkeys(KEYS),
            "machine": dict.fromkeys(["cpu", "family", "flags", "cpus", "kernel"]),
            "gatecell": dict.fromkeys(["version", "commit", "isa", "compiler", "eigen"]),
            "threads": 1,
            "contestants": dict.fromkeys(first, "1.0") | {"jax": None},
            "limits": limits,
            "fma_readings": [2e11, 2.1e11, 1.9e11],
            "busy_cpus": [0.0, 0.1],
            "planned": 2,
            "cases": [
                {"case": "lstm,B=1,T=100,H=256", "limit": {"seconds": 0.9e-3}, "contestants": first},
                {"case": "gru,B=1,T=1,H=64", "limit": {"seconds": 1e-6}, "contestants": second},
            ],
        }
    )


def test_spread():
    assert Spread.of(range(101)) == Spread(50, 10, 90)
    assert Spread.of([3.0]) == Spread(3, 3, 3)


def test_ratio_is_computed_within_a_round(run):
    assert run.cases[0].ratio("torch") == pytest.approx((3, 1.4, 4.2))  # the quantiles of 3, 4.5 and 1
    assert run.cases[1].ratio("torch") == pytest.approx((0.5, 0.5, 0.5))
    assert run.cases[0].ratio("onnxruntime") == pytest.approx((2, 2, 2))
    assert run.cases[0].ratio("torch", "onnxruntime").median == pytest.approx(1.5)


def test_ratio_is_the_median_over_rounds():
    turns = {"gatecell": entry(1, 1, 1, 1, 1), "torch": entry(1, 2, 3, 4, 100)}
    ratio = CaseResult({"case": "gru,H=8", "contestants": turns}).ratio("torch")
    assert ratio == pytest.approx((3, 1.4, 61.6))


def test_times_shares_and_fastest_peer(run):
    first, second = run.cases
    assert first.seconds("gatecell").median == 1e-3
    assert first.share("gatecell") == pytest.approx(0.9)
    assert first.share("torch") == pytest.approx(0.3)
    assert first.fastest_peer == "onnxruntime"
    assert second.fastest_peer == "torch"
    assert first.timed == ["gatecell", "torch", "onnxruntime"]
    assert second.why_not("jax") == "not installed"
    assert CaseResult({"case": "gru,H=8", "contestants": {"gatecell": entry(1)}}).fastest_peer is None


def test_geometric_means(run):
    assert run.geometric_mean() == (pytest.approx(math.sqrt(2 * 0.5)), 2)
    assert run.geometric_mean("torch") == (pytest.approx(math.sqrt(3 * 0.5)), 2)
    assert run.geometric_mean("openvino") == (pytest.approx(2), 1)
    mean, count = run.geometric_mean("jax")
    assert count == 0
    assert math.isnan(mean)


def capped(run, **changes):
    """The run as if it had been one with --isa avx2."""
    return Run({**run.raw, "isa": "avx2", **changes})


def test_contestants_that_cannot_be_capped_do_not_count(run):
    assert run.uncapped == ()
    run.raw["cases"][1]["contestants"]["onnxruntime"] = entry(1e-6, 1e-6, 2e-6)
    assert run.cases[1].fastest_peer == "onnxruntime"
    of_avx2 = capped(run)
    assert of_avx2.uncapped == ("onnxruntime", "jax")
    first, second = of_avx2.cases
    assert first.timed == ["gatecell", "torch", "onnxruntime"]
    assert first.counted == ["gatecell", "torch"]
    assert (first.fastest_peer, second.fastest_peer) == ("torch", "torch")
    assert of_avx2.geometric_mean() == (pytest.approx(math.sqrt(3 * 0.5)), 2)
    assert of_avx2.geometric_mean("onnxruntime")[1] == 0
    assert run.geometric_mean("onnxruntime")[1] == 2


def test_without_a_peer_that_counts_there_is_no_ratio(run):
    for case in run.raw["cases"]:
        del case["contestants"]["torch"], case["contestants"]["openvino"]
    of_avx2 = capped(run, contestants={"gatecell": "1.0", "onnxruntime": "1.0", "jax": None})
    assert of_avx2.cases[0].fastest_peer is None
    assert of_avx2.geometric_mean()[1] == 0
    assert comparison(of_avx2).splitlines()[2].split("|")[-2].strip() == "-"
    assert "Geometric mean" not in summary(of_avx2)


def test_forecast_is_compared_within_a_turn(run):
    assert run.cases[0].forecast is None
    assert run.forecasts == []
    plans = [{"seconds": seconds, "parts": {}} for seconds in (0.5e-3, 1.2e-3, 1.8e-3)]
    run.raw["cases"][0]["contestants"]["gatecell"]["plans"] = plans  # the times are 1, 1 and 2 ms
    assert run.cases[0].forecast == pytest.approx(0.9)
    assert [forecast for forecast, _ in run.forecasts] == [pytest.approx(0.9)]
    run.raw["cases"][0]["contestants"]["gatecell"] = {"missing": "broke", "failed": True}
    assert run.cases[0].forecast is None


def test_drift(run):
    assert run.drift == pytest.approx(0.05)
    assert run.valid
    run.raw["fma_readings"].append(2.3e11)  # the median is now 2.05e11
    assert run.drift == pytest.approx(2.3 / 2.05 - 1)
    assert not run.valid
    run.raw["fma_readings"] = [2e11, 2e11, 1.7e11]
    assert not run.valid


def test_a_library_that_is_missing_is_not_a_failure(run):
    assert run.failures == ["lstm,B=1,T=100,H=256: OpenVINO process ended with status -9"]


def test_table(run):
    header, _, first, second = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in comparison(run).splitlines()
    )
    assert header[:2] == ["case", "limit"]
    assert header[2:7] == ["gatecell", "PyTorch", "ONNX Runtime", "OpenVINO", "JAX"]
    assert header[7:] == ["forecast / gatecell", "fastest peer / gatecell"]
    assert first[0] == "lstm,B=1,T=100,H=256"
    assert first[1:7] == ["900 us", "1.00 ms (90%)", "3.00 ms (30%)", "2.00 ms (45%)", "-", "not installed"]
    assert first[7:] == ["-", "2.00 (2.00 to 2.00)"]
    assert second[1:7] == ["1.00 us", "4.00 us (25%)", "2.00 us (50%)", "-", "8.00 us (12%)", "not installed"]
    assert second[7:] == ["-", "0.50 (0.50 to 0.50)"]


def test_table_with_isa_and_forecasts(run):
    plans = [{"seconds": 0.75e-3, "parts": {}}] * 3
    run.raw["cases"][0]["contestants"]["gatecell"]["plans"] = plans
    header, _, first, _ = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in comparison(capped(run)).splitlines()
    )
    assert header[2:7] == ["gatecell", "PyTorch", "ONNX Runtime*", "OpenVINO", "JAX*"]
    assert first[2:7] == ["1.00 ms (90%)", "3.00 ms (30%)", "2.00 ms", "-", "not installed"]
    assert first[7:] == ["0.75", "3.00 (1.40 to 4.20)"]


def test_summary_of_a_run_with_isa(run):
    text = summary(capped(run))
    sentence = "* Cannot be kept to avx2, so its times are shown and not counted: ONNX Runtime, JAX.\n"
    assert text.startswith(sentence)
    assert "Geometric mean of ONNX Runtime" not in text
    assert "Limits, 1 thread with avx2: 200 GFLOP/s float32" in text
    assert "*" not in summary(run)
    assert "Limits, 1 thread: " in summary(run)


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (1.0, "2 of 2 cases; worst 0.80 times, lstm,B=1,T=100,H=256."),
        (1.21, "1 of 2 cases; worst 1.21 times, gru,B=1,T=1,H=64."),
        (0.3, "1 of 2 cases; worst 0.30 times, gru,B=1,T=1,H=64."),
    ],
)
def test_summary_says_how_good_the_forecasts_are(run, second, sentence):
    assert "Forecast" not in summary(run)
    for case, ratio in zip(run.raw["cases"], (0.8, second), strict=True):
        ours = case["contestants"]["gatecell"]
        ours["plans"] = [{"seconds": ratio * seconds, "parts": {}} for seconds in ours["turns"]]
    assert f"Forecast of gatecell within 20% of its time: {sentence}\n" in summary(run)


def test_summary_names_missing_times_and_says_whether_the_run_is_valid(run):
    text = summary(run)
    assert "Geometric mean of fastest peer / gatecell: 1.00 over 2 cases." in text
    assert "Geometric mean of PyTorch / gatecell: 1.22 over 2 cases." in text
    assert "No time: JAX: not installed\n" in text
    assert "No time: ONNX Runtime: no such operator (gru,B=1,T=1,H=64)\n" in text
    assert "No time: OpenVINO: process ended with status -9 (lstm,B=1,T=100,H=256)\n" in text
    assert "200 GFLOP/s float32, 100 GFLOP/s float64; reading L1 400 GB/s, memory 15 GB/s" in text
    assert "round trip between two cores 90.0 ns" in text
    assert text.endswith("Valid: the machine's FMA rate stayed within 5.0%.")
    run.raw["fma_readings"] = [2e11, 2e11, 1.5e11]
    assert "NOT VALID: the machine's FMA rate drifted by 25% (allowed 10%)" in summary(run)
    assert "NOT QUIET" not in text
    run.raw["busy_cpus"] = [0.9, 0.1]
    assert "NOT QUIET: other programs were at work during 1 of 2 cases." in summary(run)
    assert "NOT COMPLETE" not in text
    run.raw["planned"] = 7
    assert "NOT COMPLETE: 2 of 7 cases." in summary(run)


def test_ratio_of_an_extended_cell_to_the_plain_one(run):
    times = {"B=1,H=8": 4e-6, "B=1,H=8,coupled_gates": 5e-6, "B=2,H=8,coupled_gates": 1e-6}
    cases = [
        {"case": f"lstm,{words}", "limit": {"seconds": 1e-6}, "contestants": {"gatecell": entry(t, t, 2 * t)}}
        for words, t in times.items()
    ]
    broken = {"gatecell": {"missing": "broke", "failed": True}}
    cases.append({"case": "lstm,B=1,H=8,peepholes=full", "limit": {"seconds": 1e-6}, "contestants": broken})
    extended_run = Run({**run.raw, "contestants": {"gatecell": "1.0"}, "cases": cases})
    ((result, times),) = extended_run.ratios_to_plain
    assert (str(result.case), times) == ("lstm,B=1,T=100,H=8,coupled_gates", pytest.approx(1.25))
    text = "gatecell takes 1.25 times as long for lstm,B=1,T=100,H=8,coupled_gates as for the plain cell."
    assert [line for line in summary(extended_run).splitlines() if "plain cell" in line] == [text]
    assert "plain cell" not in summary(run)


def test_load_rejects_other_files(run, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run.raw))
    assert Run.load(path).raw == run.raw
    for text in ('{"program": "latency"}', "[]", json.dumps(run.raw)[:-9], ""):
        path.write_text(text)
        with pytest.raises(
            ValueError, match=r"run\.json: expected a result of compare\.py with cases, got another file$"
        ):
            Run.load(path)


def test_load_rejects_results_that_it_cannot_read(run, tmp_path):
    """For example the result of an earlier version of compare.py."""
    path = tmp_path / "run.json"
    case = run.raw["cases"][0]
    limits = {"fma": {}, "levels": [], "cores": 9e-8}
    for change, problem in [
        ({"cases": []}, "one without cases"),
        ({"limits": limits}, "one without limits.core_round_trip"),
        ({"machine": None}, "one without machine.cpu, machine.family, machine.flags, machine.cpus, machine.kernel"),
        ({"cases": [case, {"case": case["case"], "limit": 1e-3}]}, "a case without limit.seconds, contestants"),
        ({"cases": [case | {"contestants": {"caffe": {}}}]}, "unknown contestants: caffe"),
        (
            {"cases": [case | {"case": "lstm,H=8,variant=9"}]},
            "a case that cannot be read: case 'lstm,H=8,variant=9' has 'variant=9'; ",
        ),
    ]:
        path.write_text(json.dumps(run.raw | change))
        with pytest.raises(
            ValueError, match=re.escape(f"run.json: expected a result of compare.py with cases, got {problem}")
        ):
            Run.load(path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.5, "1.50 s"),
        (0.0123, "12.3 ms"),
        (456e-6, "456 us"),
        (7.89e-6, "7.89 us"),
        (12e-9, "12.0 ns"),
        (100, "100 s"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("seconds", np.geomspace(1e-9, 100, 50))
def test_duration_keeps_three_digits(seconds):
    number, unit = duration(seconds).split()
    assert float(number) * {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit] == pytest.approx(seconds, rel=5e-3)
