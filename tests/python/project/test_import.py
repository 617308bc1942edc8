"""`import gatecell` needs only NumPy, never loads torch, and has the version of the C++ header."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

import gatecell
from files import FOLDER
from gatecell import _cli
from helpers.fresh_process import run_script


def test_only_numpy_is_needed() -> None:
    required = importlib.metadata.requires("gatecell") or []
    assert [re.split(r"[^\w-]", line)[0] for line in required if "extra ==" not in line] == ["numpy"]


def test_import_loads_only_numpy_and_the_standard_library() -> None:
    loaded = run_script("""
        import sys, numpy, numpy.random
        before = set(sys.modules)
        import gatecell
        print(*set(sys.modules) - before)
    """).split()
    others = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert "gatecell" in others
    assert others <= {"gatecell", "numpy"}


def test_loading_files_needs_only_numpy_and_the_standard_library() -> None:
    loaded = run_script(f"""
        import pathlib, sys, numpy, numpy.random
        before = set(sys.modules)
        import gatecell
        for path in pathlib.Path({str(FOLDER)!r}).iterdir():
            if path.is_file():
                assert gatecell.find_layers(gatecell.load(path, check=True)) or "-of-" in path.name
        print(*set(sys.modules) - before)
    """).split()
    others = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert others <= {"gatecell", "numpy"}
    assert not {"pickle", "zipfile"} & set(loaded), "the readers are our own"


def test_version_is_the_headers() -> None:
    header = (Path(__file__).parents[3] / "cpp" / "include" / "gatecell" / "version.h").read_text()
    version = re.search(r'GATECELL_VERSION "(.+)"', header)
    assert version
    assert gatecell.__version__ == version[1] == importlib.metadata.version("gatecell")
    assert gatecell.build_info()["version"] == version[1]


def test_the_program_is_installed() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="gatecell")
    assert entry.load() is _cli.main
