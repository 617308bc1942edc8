"""Tests of the code that compiles and runs machine.cpp.

These tests measure nothing. Measuring needs Eigen's headers. CI measures with bench/compare.py, in an environment that
has them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from contestants import CAPS
from suite.caches import buffer_sizes, cache_capacities
from suite.cases import Case
from suite.machine import Machine

# Takes the place of the compiler. The program that it writes prints its own arguments as the results.
FAKE_COMPILER = """
import pathlib, sys
program = pathlib.Path(sys.argv[-1])
program.write_text('''#!{python}
import json, sys
command, *numbers = sys.argv[1:]
words = {{"fma": ["float32", "float64"], "read": ["bandwidth"], "activations": ["lstm"], "round-trip": []}}
print(json.dumps(dict(zip(words[command], map(int, numbers * 2)))))
''')
program.chmod(0o755)
"""


def test_measure_reads_every_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_program: Callable[[Path, str], None]
) -> None:
    write_program(tmp_path / "compiler", FAKE_COMPILER.format(python=sys.executable))
    monkeypatch.setenv("CXX", str(tmp_path / "compiler"))
    monkeypatch.setenv("GATECELL_EIGEN_INCLUDE", str(tmp_path))
    capacities = cache_capacities(sorted(os.sched_getaffinity(0))[:1])
    with Machine() as machine:
        assert machine.fma(1) == {"float32": 1, "float64": 1}
        measured = machine.measure(1, [Case.parse("gru,H=100"), Case.parse("gru,H=200")])
    assert measured["threads"] == 1
    assert measured["activations"] == {"lstm": 1}
    assert [(level["name"], level["bytes"]) for level in measured["levels"]] == [*capacities.items(), ("memory", None)]
    assert measured["reads"] == {str(size): size for size in (120_000, 240_000, 480_000, 960_000)}
    assert {level["name"]: level["bandwidth"] for level in measured["levels"]} == buffer_sizes(capacities, 1)


@pytest.mark.parametrize(("isa", "target"), [(None, {"-march=native"}), *((isa, {"-mavx2", "-mfma"}) for isa in CAPS)])
def test_the_limits_are_those_of_the_instruction_set(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_program: Callable[[Path, str], None],
    isa: str | None,
    target: set[str],
) -> None:
    arguments = tmp_path / "arguments"
    write_program(tmp_path / "compiler", f"import sys\nopen({str(arguments)!r}, 'w').write(' '.join(sys.argv))")
    monkeypatch.setenv("CXX", str(tmp_path / "compiler"))
    monkeypatch.setenv("GATECELL_EIGEN_INCLUDE", str(tmp_path))
    with Machine(isa):
        assert {word for word in arguments.read_text().split() if word.startswith("-m")} == target


@pytest.mark.parametrize(
    ("compiler", "message"),
    [(None, r"needs a C\+\+ compiler"), ("no-such-compiler", "comes from CXX"), ("false", "machine.cpp.* failed")],
)
def test_errors_name_the_missing_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str | None, message: str
) -> None:
    monkeypatch.setenv("GATECELL_EIGEN_INCLUDE", str(tmp_path))
    if compiler:
        monkeypatch.setenv("CXX", compiler)
    else:
        monkeypatch.delenv("CXX", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=message):
        Machine()


def test_missing_headers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.delenv("GATECELL_EIGEN_INCLUDE", raising=False)
    monkeypatch.setattr("suite.machine.distribution", not_installed)
    with pytest.raises(RuntimeError, match="pip install cmeel-eigen"):
        Machine()
