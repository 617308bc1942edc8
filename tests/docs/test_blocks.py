"""Every code block of README.md and of the documentation site runs, and shows the output that the page says."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from doc_blocks import NOT_RUN, PAGES, PARSER, ROOT, Page
from doc_files import make_files

PROGRAMS = {"gatecell": "-m gatecell", "python": ""}


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs that pages call, which run this Python."""
    folder = tmp_path_factory.mktemp("commands")
    for name, arguments in PROGRAMS.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    make_files(folder)
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of(page: str, commands: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    Page(ROOT / page, tmp_path, commands).run()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```\nno language\n```", "known language, got ''"),
        ("```ruby\nputs 1\n```", "known language, got 'ruby'"),
        ("```{code-block} python\nx = 1\n```", "expected a directive"),
        ("```{eval-rst}\n.. code-block:: python\n\n   x = 1\n```", "names of the reference"),
        ("a paragraph\n\n    indented\n", "got an indented one"),
        ("* a list\n\n  ```python\n  print(1)\n  ```\n  ```text\n  2\n  ```\n", "expected\n2\n\ngot\n1"),
        ("```console\n$ echo one\n1\n```", "expected\n1\n\ngot\none"),
        ("```console\n$ false\n```", "false"),
        ("```sh\nexit 3\n```", "exit 3"),
        ("<!-- code\nassert False, 'hidden'\n-->", "hidden"),
    ],
)
def test_a_block_that_is_wrong_fails(text: str, message: str, commands: Path, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(text)
    with pytest.raises((ValueError, AssertionError), match=message):
        Page(tmp_path / "page.md", tmp_path, commands).run()


def test_each_reason_not_to_run_is_used() -> None:
    blocks = [
        token
        for page in PAGES
        for token in PARSER.parse((ROOT / page).read_text(encoding="utf-8"))
        if token.type == "fence"
    ]
    lines = [line for token in blocks if token.info == "sh" for line in token.content.splitlines()]
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)] == []
