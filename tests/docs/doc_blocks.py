"""Runs the code blocks of a Markdown page from top to bottom, in one namespace and one folder.

What a block does depends on its language:

* `python` is executed. What it prints is compared with the `text` block that follows.
* `console` holds commands behind `$ ` and their output, which is compared.
* `sh` holds commands without output. They run, except for those in NOT_RUN.
* `diff` defines two programs, before and after. Both are executed, each in a dict: `before` and `after`.
* `<!-- code` opens an HTML comment with Python code that a reader does not see: preparations and checks.
* `{name}` is a directive of Sphinx and not code.

Any other language is an error. In an expected output, a line `...` stands for any number of lines, and what MASKS
finds is not compared.
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

ROOT = Path(__file__).parents[2]
OUTSIDE = ["README.md", "cpp/README.md", "bench/README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"]
PAGES = [*OUTSIDE, *(str(page.relative_to(ROOT)) for page in sorted(ROOT.glob("python/docs/**/*.md")))]
MASKS = {  # what differs from machine to machine
    r"[\d.]+ (ns|us|ms)\b": "a duration",
    r" in [\d.]+ s\b": "a duration of a command",
    r"\b(avx512|avx2|sse2|neon)\b": "the instruction set",
    r"\b\d\.\de-\d\d\b": "a rounding error",
    r"\b\d\.\d\d of the bound": "a rounding error beside its bound",
    r"[\d.]+ MB packed": "memory of packed weights, which depends on the instruction set",
    r"most of it .*": "what limits a call in the forecast of a plan",
    r"threads  .*": "the threads of a plan, which depend on the CPUs",
}
NOT_RUN = {  # commands by their beginning, and why a test does not run them
    "python3 -m venv": "CI runs the two set-up commands in fresh environments",
    "pip install": "it changes the environment of the tests; CI installs the same packages",
    "apt install": "it changes the system; CI installs the same packages",
    "python bench/": "it takes minutes; tests/bench and CI run these programs with small budgets",
    "cmake": "CI builds the kernel benchmarks",
    "build/bench/": "CI runs the kernel benchmarks",
}
DIRECTIVES = {"eval-rst", "include", "toctree"}
REFERENCE = re.compile(r"(\.\. auto(class|function|module):: [\w.]+|   :.*|)")  # lines of an eval-rst block
HIDDEN = "<!-- code\n"
PARSER = MarkdownIt("commonmark").enable("table")


class Page:
    """A page whose blocks run in `folder`. `commands` is a folder with the programs gatecell and python."""

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
            if token.type == "html_block" and token.content.startswith(HIDDEN):
                self.run_block("python", token.content.removeprefix(HIDDEN).rpartition("-->")[0], line)
            elif token.type == "fence":
                self.run_block(token.info.strip(), token.content, line)
            elif token.type == "code_block":
                raise ValueError(f"{self.path}:{line}: expected a block with a language, got an indented one")
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
            for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", source, re.MULTILINE):
                self.compare(output, self.shell(command), line)
        elif language == "sh":
            for command in source.splitlines():
                if not command.startswith(tuple(NOT_RUN)):
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

    def shell(self, command: str) -> str:
        """Runs a command that must succeed; its standard output."""
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def compare(self, expected: str, output: str, line: int) -> None:
        """Raises AssertionError if a command or a block has another output than the page says."""
        lines = masked(expected).splitlines()
        pattern = "".join(r"(.*\n)*" if line.strip() == "..." else re.escape(line) + r"\n" for line in lines)
        assert re.fullmatch(pattern, masked(output)), f"{self.path}:{line}: expected\n{expected}\ngot\n{output}"


def masked(output: str) -> str:
    """The output without what differs from machine to machine, without spaces at line ends and blank last lines."""
    for pattern in MASKS:
        output = re.sub(pattern, "#", output)
    output = re.sub(r" +$", "", output, flags=re.MULTILINE).rstrip("\n")
    return output + "\n" if output else ""
