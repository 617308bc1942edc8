"""How Sphinx builds the documentation site: `sphinx-build -W --keep-going python/docs build/docs`."""

from __future__ import annotations

import inspect
import re
from typing import Any

import gatecell

project = "gatecell"
author = "the authors of gatecell"
copyright = author
release = version = gatecell.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_heading_anchors = 3
suppress_warnings: list[str] = []
nitpicky = True  # a reference that leads nowhere is a warning, and -W makes it an error
nitpick_ignore_regex = [
    ("py:.*", r"(?!gatecell).*"),  # types of NumPy, PyTorch and Python in signatures
    ("py:.*", r"gatecell\.(.*\.)?_.*"),  # types that are not public
]

html_theme = "furo"
html_title = f"gatecell {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
add_module_names = False
default_role = "code"

ITEM = re.compile(r"((?:\w+, )*\w+): (.*)")
CODE = re.compile(r"(`[^`]+`)")


def as_rst(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with code in backticks; this makes reStructuredText of them.

    A line `name: text` in which the name is a parameter or a field begins an item of a list, and a line that begins
    with Raises a paragraph. An indented paragraph is code.
    """
    parameters = parameter_names(thing)
    result: list[str] = []
    in_item = False
    for line in lines:
        item = ITEM.fullmatch(line)
        if not line:
            in_item = False
            result.append("")
        elif line.startswith("    "):
            if not result or result[-1] == "":
                result += ["::", ""]
            result.append(line)
        elif item and parameters.issuperset(item[1].split(", ")):
            if not in_item and result:
                result.append("")
            in_item = True
            result.append(f"* **{escaped(item[1])}**: {escaped(item[2])}")
        elif line.startswith("Raises "):
            in_item = False
            result += ["", escaped(line)]
        else:
            result.append(("  " if in_item else "") + escaped(line))
    lines[:] = result


def parameter_names(thing: Any) -> set[str]:
    """The names of a callable's parameters, or of a class's fields and properties."""
    names = set(getattr(thing, "__annotations__", {})) | {name for name in dir(thing) if not name.startswith("_")}
    try:
        names |= set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return names
    return names


def escaped(text: str) -> str:
    """The text without a meaning for reStructuredText, except for its code in backticks."""
    parts = CODE.split(text)
    plain = [re.sub(r"([*|_\\`])", r"\\\1", part) for part in parts[::2]]
    code = [f"`{part}`" for part in parts[1::2]]
    return "".join(a + b for a, b in zip(plain, [*code, ""], strict=True))


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", as_rst)
