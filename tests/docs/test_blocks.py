"""The code blocks of the pages run, and show the output that the page says.

Lines of `sh` blocks in NOT_RUN do not run. Of commands in bench/ only the options are checked.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from doc_blocks import NOT_RUN, PAGES, PARSER, ROOT, Page, commands_of, masked
from doc_files import make_files
from gatecell._networks import plan

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
        ("```console\necho one\n```", "a command behind `[$] `, got ..echo one"),
        ("```console\n```", "a command behind `[$] `, got .."),
        ("```console\n\n$ echo one\none\n```", "a command behind `[$] `, got ...."),
        ("```console\n$ echo one >&2\n```", "expected\n\ngot\none"),
        ("```sh\nexit 3\n```", "exit 3"),
        ("```sh\npip install '.[bench]' && exit 3\n```", "exit 3"),
        ("```sh\ncd bench && python compare.py\n```", "cd bench"),
        ("```sh\npython bench/nosuch.py\n```", "bench/nosuch.py"),
        ("```sh\npython bench/compare.py --nosuch 3\n```", "bench/compare.py --nosuch"),
        ("```sh\npython bench/compare.py --grid nosuch\n```", "invalid choice"),
        ("```sh\npython bench/compare.py && exit 3\n```", "bench/compare.py"),
        ("<!-- code\nassert False, 'hidden'\n-->", "hidden"),
        ("<!--code\nx = 1\n-->", "got '<!--code"),
        ("<!-- code \nx = 1\n-->", "got '<!-- code "),
        ("<!-- code\nx = 1\n", "got '<!-- code"),
        ("<!-- code\nx = 1 -->\n", "got '<!-- code"),
        ("a paragraph <!-- code\nx = 1\n-->", "plain Markdown, got '<!-- code"),
        ("a paragraph <!-- code\nx = 1\n", "plain Markdown, got 'a paragraph <!-- code"),
        ("<pre><code>x = 1</code></pre>", "got '<pre><code>"),
        ('a <a href="nosuch.md">link</a>', "plain Markdown, got '<a href"),
        ("a [link][undefined]", r"plain Markdown, got 'a \[link\]\[undefined\]'"),
        (":::python\nx = 1\n:::", "plain Markdown, got ':::python'"),
        ("a paragraph\n:::{code} python\nx = 1\n:::", "plain Markdown, got ':::{code}"),
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
    commands = {command for token in blocks if token.info == "sh" for command in commands_of(token.content)}
    assert set(NOT_RUN) - commands == set()


def test_masks_hide_only_what_differs_between_machines() -> None:
    assert masked("  threads  2 share the rows and hidden units\n") == masked("  threads  1\n")
    for text in ("  threads  2 share the lengths\n", "  threads  1 and more\n", "most of it waiting\n"):
        assert masked(text) == text
    for limit in plan._LIMITS.values():
        assert masked(f"most of it {limit}\n") == "#\n"
