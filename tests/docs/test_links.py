"""Links of the README files, of the documentation site and of .github lead to files and headings that exist.

So do paths of the repository in code spans. Sphinx checks the links of the site once more when it is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it.token import Token

from doc_blocks import PAGES, PARSER, ROOT

PATH = re.compile(r"(README\.md|(?:\.ci|\.github|bench|cpp|python|tests)/[\w./-]*)")
MADE_BY_BUILDS = (".ci/work/", "bench/results/")


def inline(page: Path) -> Iterator[Token]:
    """What stands in the paragraphs, headings and tables of a page: links, images, code spans."""
    for token in PARSER.parse(page.read_text(encoding="utf-8")):
        yield from token.children or []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    tokens = PARSER.parse(page.read_text(encoding="utf-8"))
    headings = [text.content for opening, text in pairwise(tokens) if opening.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def problem_of(target: str, page: Path) -> str | None:
    """What is wrong with a link; None if nothing is, and for addresses on the internet."""
    if re.match(r"\w+:", target):
        return None
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_file() or not file.is_relative_to(ROOT):
        return f"no file {target}"
    return f"no heading {target}" if anchor and anchor not in anchors(file) else None


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    tokens = [token for token in inline(ROOT / page) if token.type in ("link_open", "image")]
    targets = [str(token.attrs["href" if token.type == "link_open" else "src"]) for token in tokens]
    problems = [problem for target in targets if (problem := problem_of(target, ROOT / page))]
    assert problems == []


@pytest.mark.parametrize("page", PAGES)
def test_paths(page: str) -> None:
    spans = [token.content for token in inline(ROOT / page) if token.type == "code_inline"]
    words = [word for span in spans for word in span.split()]
    paths = [word for word in words if PATH.fullmatch(word) and not word.startswith(MADE_BY_BUILDS)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("https://example.com/x", None),
        ("cpp/README.md", None),
        ("#install", None),
        ("python/docs/files.md#memory", None),
        ("no_such.md", "no file no_such.md"),
        ("#no-such", "no heading #no-such"),
        ("../README.md", "no file ../README.md"),
    ],
)
def test_what_is_wrong_with_a_link(target: str, problem: str | None) -> None:
    assert problem_of(target, ROOT / "README.md") == problem
