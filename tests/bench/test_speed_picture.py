"""Tests of the picture of the front page, drawn from a small made-up result of compare.py."""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest

import report
from suite.cases import Case
from suite.grids import GRIDS
from suite.results import KEYS, Run
from suite.speed_picture import BAR, GATECELL, LIBRARIES, PEER, describe, draw

PICTURE = Path(__file__).parents[2] / "python/docs/_static/speed.svg"
SVG = "{http://www.w3.org/2000/svg}"
WIDEST = 0.62  # mean width of a character of the widest listed font, DejaVu Sans, in units of the font size


def result(scale=1.0, cases=GRIDS["speed"], missing=()):
    """In each case PyTorch takes 2 times as long as gatecell, ONNX Runtime 3 times, and so on."""
    times = {name: scale * place for place, name in enumerate(LIBRARIES, 1)}
    entries = {name: {"turns": [0.9 * time, time, 1.1 * time]} for name, time in times.items()}
    entries |= {name: {"missing": "not installed"} for name in missing}
    return {
        "program": "compare",
        **dict.fromkeys(KEYS),
        "date": "2026-11-05T23:10:00+00:00",
        "threads": 1,
        "contestants": dict.fromkeys(LIBRARIES, "1.2.3"),
        "machine": {"cpu": "Some <fast> CPU & more", "family": [], "flags": [], "cpus": 2, "kernel": "6"},
        "gatecell": dict.fromkeys(["version", "commit", "isa", "compiler", "eigen"]),
        "limits": {"fma": {}, "levels": [], "core_round_trip": None},
        "fma_readings": [1.0],
        "busy_cpus": [0.0],
        "cases": [{"case": case, "limit": {"seconds": 1e-6}, "contestants": entries} for case in cases],
    }


def texts(svg):
    return list(ElementTree.fromstring(svg).iter(f"{SVG}text"))


def bars(svg):
    return [bar for bar in ElementTree.fromstring(svg).iter(f"{SVG}rect") if bar.get("fill") in (GATECELL, PEER)]


def test_all_cases_of_the_grid_are_cases_of_std():
    assert {Case.parse(text) for text in GRIDS["speed"]} <= {Case.parse(text) for text in GRIDS["std"]}


def test_bars_and_labels():
    svg = draw(Run(result(1e-3)))
    libraries, cases = len(LIBRARIES), len(GRIDS["speed"])
    widths = [float(bar.get("width")) for bar in bars(svg)]
    assert widths == pytest.approx([BAR * place / libraries for place in range(1, libraries + 1)] * cases, abs=0.06)
    assert [bar.get("fill") for bar in bars(svg)] == [GATECELL, *[PEER] * (libraries - 1)] * cases
    labels = [text.text for text in texts(svg)]
    for label in ("1.00 ms", "2.00 ms  (2.0x)", "5.00 ms  (5.0x)", "ONNX Runtime", "LSTM, 128 units"):
        assert label in labels
    assert "Time of one Python call on 1 CPU thread: shorter is better" in labels
    assert "gatecell 1.2.3, PyTorch 1.2.3, ONNX Runtime 1.2.3, OpenVINO 1.2.3, JAX 1.2.3" in labels
    assert "float32, Some <fast> CPU & more, 5 November 2026" in labels


@pytest.mark.parametrize("scale", [1e-7, 123.4e-6, 0.1234])
def test_texts_neither_overlap_nor_leave_the_picture(scale):
    svg = draw(Run(result(scale)))
    width = float(ElementTree.fromstring(svg).get("width"))
    height = float(ElementTree.fromstring(svg).get("height"))
    spans = {}
    for text in texts(svg):
        left, bottom, size = (float(text.get(name)) for name in ("x", "y", "font-size"))
        spans.setdefault(bottom, []).append((left, left + WIDEST * size * len(text.text)))
        assert bottom < height
    lines = sorted(spans)
    assert all(below - above >= 13 for above, below in pairwise(lines))
    for line in spans.values():
        ends = [0.0, *(end for _, end in sorted(line))]
        starts = [*(start for start, _ in sorted(line)), width]
        assert all(end <= start for end, start in zip(ends, starts, strict=True))


def test_a_library_without_a_time_has_no_bar():
    svg = draw(Run(result(missing=["jax"])))
    assert not [text.text for text in texts(svg) if "JAX" in text.text]
    some = result()
    some["cases"][0]["contestants"] = {**some["cases"][0]["contestants"], "jax": {"missing": "process ended"}}
    svg = draw(Run(some))
    assert [text.text for text in texts(svg)].count("JAX") == len(GRIDS["speed"])
    assert [text.text for text in texts(svg)].count("-") == 1
    assert len(bars(svg)) == len(GRIDS["speed"]) * len(LIBRARIES) - 1


def test_other_cases_are_left_out():
    svg = draw(Run(result(cases=["gru,H=8", GRIDS["speed"][2]])))
    assert len(bars(svg)) == len(LIBRARIES)
    with pytest.raises(ValueError, match="no case of --grid speed in the results: lstm,B=1,T=1,H=128; "):
        draw(Run(result(cases=["gru,H=8"])))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("lstm,B=1,T=1,H=128", ("LSTM, 128 units", "1 sequence of 1 step")),
        ("gru,B=8,T=100,H=16,layers=2", ("GRU, 16 units, 2 layers", "batch of 8 sequences of 100 steps")),
        ("rnn,T=2,H=4,bidirectional", ("Bidirectional RNN, 4 units", "1 sequence of 2 steps")),
    ],
)
def test_descriptions(case, words):
    assert describe(Case.parse(case)) == words


def test_the_front_page_shows_the_cases_of_the_grid():
    labels = [text.text for text in texts(PICTURE.read_text(encoding="utf-8"))]
    titles = [words for words in pairwise(labels) if re.match("1 sequence|batch of", words[1])]
    assert titles == [describe(Case.parse(text)) for text in GRIDS["speed"]]


def test_a_run_with_isa_has_no_picture():
    with pytest.raises(ValueError, match="got a run with --isa avx2"):
        draw(Run({**result(), "isa": "avx2"}))


def run_report(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["report.py", *map(str, words)])
    return report.main()


def test_command(tmp_path, monkeypatch, capsys):
    path, svg = tmp_path / "speed.json", tmp_path / "speed.svg"
    path.write_text(json.dumps(result()))
    assert run_report(monkeypatch, path, "--speed", svg) == 0
    assert svg.read_text(encoding="utf-8") == draw(Run(result()))
    assert svg.stat().st_size < 60_000
    assert sorted(tmp_path.iterdir()) == [path, svg]
    assert capsys.readouterr().err == ""
    path.write_text(json.dumps(result() | {"busy_cpus": [2.0]}))
    assert run_report(monkeypatch, path, "--speed", svg) == 0
    assert re.search("other programs were at work", capsys.readouterr().err)
    with pytest.raises(SystemExit):
        run_report(monkeypatch, path, path, "--speed", svg)
    assert "--speed expected one file, got 2" in capsys.readouterr().err
    path.write_text(json.dumps({key: value for key, value in result().items() if key != "busy_cpus"}))
    with pytest.raises(SystemExit):
        run_report(monkeypatch, path, "--output", tmp_path / "report")
    assert capsys.readouterr().err.endswith(
        "speed.json: expected a result of compare.py with cases, got one without busy_cpus\n"
    )
