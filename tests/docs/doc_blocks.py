"""Runs the code blocks of a Markdown page from top to bottom, in one namespace and one folder.

What a block does depends on its language:

* `python` is executed. What it prints is compared with the `text` block that follows.
* `console` holds commands behind `$ ` and their output, which is compared. A command must print nothing on stderr.
* `sh` holds one command in each line. They run, except for the lines in NOT_RUN. Of a line `python bench/...` only the
  program and its options are checked.
* `diff` defines two programs, before and after. Both are executed, each in a dict: `before` and `after`.
* `<!-- code` opens an HTML comment with Python code that a reader does not see: preparations and checks.
* `{name}` is a directive of Sphinx and not code. Only DIRECTIVES may occur.

Any other language is an error, and so is other HTML (except for comments that match MARK), a fence of `:::`, and a link
to a reference that is not defined.
In an expected output, a line `...` stands for any number of lines, and what MASKS finds is not compared.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from gatecell import _core

ROOT = Path(__file__).parents[2]
OUTSIDE = ["README.md", "cpp/README.md", "bench/README.md"]
FOLDERS = [".github", "python/docs"]
PAGES = OUTSIDE + [str(page.relative_to(ROOT)) for name in FOLDERS for page in sorted((ROOT / name).rglob("*.md"))]
MASKS = {  # what differs from machine to machine
    r"[\d.]+ (ns|us|ms)\b": "a duration",
    r" in [\d.]+ s\b": "a duration of a command",
    rf"\b({'|'.join(_core.instruction_sets())})\b": "the instruction set",
    r"\b\d\.\de-\d\d\b": "a rounding error",
    r"\b\d\.\d\d of the bound": "a rounding error beside its bound",
    r"[\d.]+ MB packed": "memory of packed weights, which depends on the instruction set",
    r"most of it (the rate of multiply-adds|reading weights from (the L[123] cache|memory)|threads waiting for each "
    r"other|the calls themselves)$": "what limits a call in the forecast of a plan",
    r"threads  (1|\d+ share the (rows|directions|layers|hidden units)( and (directions|layers|hidden units))*)$": "the "
    "threads of a plan, which depend on the CPUs",
}
IN_CI = "CI installs the same packages, in fresh environments"
NOT_RUN = {  # lines of `sh` blocks, and why a test does not run them
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/python -m gatecell demo": "CI runs it",
    "python3 -m venv .venv-test && .venv-test/bin/pip install '.[test]' && .venv-test/bin/pip install --no-deps"
    " -r tests/models/requirements.txt && .venv-test/bin/python -m pytest": "CI runs it",
    "pip install . -C cmake.define.GATECELL_EIGEN_INCLUDE=/usr/include/eigen3": "it changes the tests' environment",
    "pip install '.[bench]'": IN_CI,
    "pip install --no-deps silero-vad==6.2.3 g2p-en==2.1.0 arabic-morph-segmenter==0.1.0": IN_CI,
    "apt install g++ python3-dev python3-venv": IN_CI,
    "apt install libbenchmark-dev": IN_CI,
    "cmake -S . -B build/bench -DGATECELL_BUILD_BENCH=ON && cmake --build build/bench -j": "CI builds the benchmarks",
    "build/bench/bench/kernels/bench_step --benchmark_filter=lstm/avx512": "CI runs the kernel benchmarks",
}
BENCH = re.compile(r"python (bench/\w+\.py)([ \w./*=,+-]*)")  # a command that takes minutes
DIRECTIVES = {"eval-rst", "include", "toctree"}
REFERENCE = re.compile(r"(\.\. auto(class|function|module):: [\w.]+|   :.*|)")  # lines of an eval-rst block
HIDDEN = re.compile(r"<!-- code\n(.*\n)-->\n?", re.DOTALL)
MARK = re.compile(r"<!-- (start|end) of the [a-z ]+ -->\n?")  # pages include what is between two of them
NOT_MARKDOWN = re.compile(r":::|\]\[|<!--")
PARSER = MarkdownIt("commonmark").enable("table")


class Page:
    """A page. Its blocks run in `folder`. `commands` is a folder with the programs gatecell and python."""

    def __init__(self, path: Path, folder: Path, commands: Path) -> None:
        self.path = path
        self.folder = folder
        self.environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "COLUMNS": "80"}
        self.names: dict[str, Any] = {"__name__": "page"}
        self.printed = ""

    def run(self) -> int:
        """Runs all blocks; the number of blocks."""
        blocks = 0
        for token in PARSER.parse(self.path.read_text(encoding="utf-8")):
            line = token.map[0] + 1 if token.map else 0
            if token.type == "html_block" and (hidden := HIDDEN.fullmatch(token.content)):
                self.run_block("python", hidden[1], line)
            elif token.type == "fence":
                self.run_block(token.info.strip(), token.content, line)
            elif problem := problem_of(token):
                raise ValueError(f"{self.path}:{line}: expected {problem}")
            else:
                continue
            blocks += 1
        return blocks

    def run_block(self, language: str, source: str, line: int) -> None:
        """Runs one block; `line` is the line of its fence."""
        if directive := re.match(r"\{([\w-]+)\}", language):
            if directive[1] not in DIRECTIVES:
                raise ValueError(f"{self.path}:{line}: expected a directive of {sorted(DIRECTIVES)}, got {language}")
            for text in source.splitlines() if directive[1] == "eval-rst" else ():
                if not REFERENCE.fullmatch(text):
                    raise ValueError(f"{self.path}:{line}: expected names of the reference, got {text!r}")
        elif language == "python":
            self.printed = self.execute(source, line, self.names)
        elif language == "text":
            self.compare(source, self.printed, line)
        elif language == "console":
            before, *commands = re.split(r"^\$ ", source, flags=re.MULTILINE)
            if before or not commands:
                raise ValueError(f"{self.path}:{line}: expected a command behind `$ `, got {source.splitlines()[:1]}")
            for command, _, output in (text.partition("\n") for text in commands):
                printed, errors = self.shell(command)
                self.compare(output, printed, line)
                self.compare("", errors, line)
        elif language == "sh":
            for command in commands_of(source):
                if bench := BENCH.fullmatch(command):
                    self.check_options(command, set(re.findall(r"--[\w-]+", bench[2])))
                elif command not in NOT_RUN:
                    self.shell(command)
        elif language == "diff":
            self.names["before"] = self.side(source, "+", line)
            self.names["after"] = self.side(source, "-", line)
        else:
            raise ValueError(f"{self.path}:{line}: expected a block of a known language, got {language!r}")

    def execute(self, source: str, line: int, names: dict[str, Any]) -> str:
        """Executes Python code, so that tracebacks name the page and its line; what the code prints."""
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile("\n" * line + source, self.path, "exec"), names)
        return printed.getvalue()

    def side(self, diff: str, other: str, line: int) -> dict[str, Any]:
        """What one side of a diff defines. Lines of the other side begin with `other`."""
        names: dict[str, Any] = {"__name__": "page"}
        lines = [text[1:] if not text.startswith(other) else "" for text in diff.split("\n")]
        self.execute("\n".join(lines), line, names)
        return names

    def check_options(self, command: str, options: set[str]) -> None:
        """Raises AssertionError if a program in bench/ does not exist or does not accept its options."""
        known, _ = self.shell(f"{command} --help", ROOT)  # the program parses its options and then shows the help
        assert options <= set(re.findall(r"--[\w-]+", known)), f"{command}\n{known}"

    def shell(self, command: str, folder: Path | None = None) -> tuple[str, str]:
        """Runs a command, which must succeed. Returns what it wrote on stdout and on stderr."""
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder or self.folder,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
        return ended.stdout, ended.stderr

    def compare(self, expected: str, output: str, line: int) -> None:
        """Raises AssertionError if a command or a block has another output than the page says."""
        lines = masked(expected).splitlines()
        pattern = "".join(r"(.*\n)*" if line.strip() == "..." else re.escape(line) + r"\n" for line in lines)
        assert re.fullmatch(pattern, masked(output)), f"{self.path}:{line}: expected\n{expected}\ngot\n{output}"


def commands_of(source: str) -> list[str]:
    """The lines of an `sh` block without their comments."""
    return [re.sub(r" +# .*", "", line) for line in source.splitlines()]


def problem_of(token: Token) -> str | None:
    """Says what a page should have instead of a token that is neither code nor plain Markdown; None for the others."""
    if token.type == "code_block":
        return "a block with a language, got an indented one"
    if token.type == "html_block" and not MARK.fullmatch(token.content):
        return f"code in <!-- code ... -->, or a mark, got {token.content!r}"
    for child in token.children or ():
        if child.type == "html_inline" or (child.type == "text" and NOT_MARKDOWN.search(child.content)):
            return f"plain Markdown, got {child.content!r}"
    return None


def masked(output: str) -> str:
    """The output without what differs from machine to machine, without spaces at line ends and blank last lines."""
    for pattern in MASKS:
        output = re.sub(pattern, "#", output, flags=re.MULTILINE)
    output = re.sub(r" +$", "", output, flags=re.MULTILINE).rstrip("\n")
    return output + "\n" if output else ""
