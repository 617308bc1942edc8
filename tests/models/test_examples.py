"""Tests that apply to all examples: versions of their packages, command lines, errors of one line, imports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TextIO

import pytest

from gatecell.examples._start import package_file
from packages import load_example

EXAMPLES = ("silero_vad", "g2p_en", "arabic_segmenter")


def run(name: str, *arguments: str, stdout: int | TextIO = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"gatecell.examples.{name}", *arguments]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, encoding="utf-8", check=False)


def test_requirements_agree_with_those_of_the_examples() -> None:
    lines = Path(__file__).with_name("requirements.txt").read_text().splitlines()
    pinned = {line.split()[0] for line in lines if not line.startswith("#")}
    assert {import_module(f"gatecell.examples.{name}").REQUIREMENT for name in EXAMPLES} <= pinned


def test_the_error_for_a_missing_package_has_the_install_command() -> None:
    message = r"the package no-such-thing is not installed: pip install --no-deps no-such-thing==1\.0"
    with pytest.raises(FileNotFoundError, match=message):
        package_file("no-such-thing==1.0", "file.pt")
    with pytest.raises(FileNotFoundError, match=r"the package numpy lacks weights\.pt: pip install --no-deps numpy==1"):
        package_file("numpy==1", "weights.pt")


@pytest.mark.parametrize("name", EXAMPLES)
def test_command_lines(name: str) -> None:
    """--help works without the package. An error is one line."""
    shown = run(name, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: python -m gatecell.examples.{name}")
    failed = run(name, "no-such.wav" if name == "silero_vad" else "")
    assert failed.returncode == 1
    assert re.fullmatch(rf"{name}: (no-such.wav: No such file or directory|expected words.*)\n", failed.stderr)


def test_the_list_of_examples() -> None:
    shown = run("__main__").stdout
    assert set(re.findall(r"python -m gatecell\.examples\.(\w+)", shown)) == set(EXAMPLES)


def test_a_closed_pipe_and_a_full_device_as_output() -> None:
    load_example("g2p_en")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        ended = run("g2p_en", stdout=closed)
    assert (ended.returncode, ended.stderr) == (141, "")
    with open("/dev/full", "w") as full:
        ended = run("g2p_en", stdout=full)
    assert (ended.returncode, ended.stderr) == (1, "g2p_en: No space left on device\n")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_import_neither_their_package_nor_torch(name: str) -> None:
    load_example(name)
    example = f"import sys, gatecell.examples.{name} as example; model = example.load()"
    names = "{'torch', 'onnxruntime', 'silero_vad', 'g2p_en', 'arabic_morph_segmenter'}"
    subprocess.run([sys.executable, "-c", f"{example}; assert not {names} & set(sys.modules)"], check=True)
