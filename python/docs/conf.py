"""How Sphinx builds the documentation site: `sphinx-build -W --keep-going python/docs build/docs`."""

from __future__ import annotations

import inspect
import re
from typing import Any

from sphinx.util.inspect import stringify_signature

import gatecell

project = "gatecell"
author = "the gatecell developers"
copyright = f"2026, {author}"
release = version = gatecell.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_heading_anchors = 3
nitpicky = True  # a reference that leads nowhere is a warning, and -W makes it an error
nitpick_ignore_regex = [("py:.*", r"(?!gatecell).*")]  # types of NumPy, PyTorch and Python in signatures

html_theme = "furo"
html_title = f"gatecell {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
smartquotes = False  # quotes in text stay as they are, for people who copy them
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


def drop_github_links(app: Any, name: str, source: list[str]) -> None:
    """Removes the lines for readers on GitHub, which does not show what a page includes."""
    source[0] = re.sub(r"^On GitHub .*\n\n?", "", source[0], flags=re.MULTILINE)


def as_rst(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with code in backticks; this makes reStructuredText of them.

    A line `name: text` in which the name is a parameter or a field begins an item of a list. A sentence that ends
    before its line is full ends a paragraph. An indented paragraph is code.
    """
    names = parameter_names(thing)
    width = 112 if what in ("method", "property") else 116  # of a line, without its indentation
    result: list[str] = []
    in_item = False
    previous = ""
    for line in lines:
        ended = previous.endswith((".", ":")) and len(f"{previous} {line.split(' ')[0]}") <= width
        item = ITEM.fullmatch(line)
        if not line:
            in_item = False
            result.append("")
        elif line.startswith("    "):
            result += [line] if previous.startswith("    ") else ["", "::", "", line]
        elif item and names.issuperset(item[1].split(", ")):
            result += ([] if in_item else [""]) + [f"* **{escaped(item[1])}**: {escaped(item[2])}"]
            in_item = True
        elif ended:
            result += ["", escaped(line)]
            in_item = False
        else:
            result.append(("  " if in_item else "") + escaped(line))
        previous = line
    lines[:] = result


def parameter_names(thing: Any) -> set[str]:
    """The names of a callable's parameters, or of a class's fields and properties."""
    names = set(getattr(thing, "__annotations__", {})) | {name for name in dir(thing) if not name.startswith("_")}
    return names | set(signature_of(thing).parameters)


def signature_of(thing: Any) -> inspect.Signature:
    """The signature with `self`. A class has that of its own __new__, or else that of its __init__."""
    if inspect.isclass(thing):
        thing = vars(thing).get("__new__", thing.__init__)
    if thing is object.__init__:
        return inspect.Signature()  # the class takes no arguments, but Python's signature is (*args, **kwargs)
    try:
        return inspect.signature(thing)
    except (TypeError, ValueError):
        return inspect.Signature()


def as_written(app: Any, what: str, name: str, thing: Any, options: Any, text: str, returns: str) -> tuple[str, str]:
    """The signature with the annotations of the source: ArrayLike, and not the long union that it stands for."""
    if what not in ("class", "function", "method") or not text:
        return text, returns
    signature = signature_of(thing)
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls", "_cls")]
    short = stringify_signature(signature.replace(parameters=parameters), unqualified_typehints=True)
    arguments, _, result = short.rpartition(" -> ")
    return (arguments, "" if what == "class" else result) if arguments else (short, "")


def escaped(text: str) -> str:
    """The text without a meaning for reStructuredText, except for its code in backticks."""
    parts = CODE.split(text)
    plain = [re.sub(r"([*|_\\`])", r"\\\1", part) for part in parts[::2]]
    code = [f"`{part}`" for part in parts[1::2]]
    return "".join(a + b for a, b in zip(plain, [*code, ""], strict=True))


def setup(app: Any) -> None:
    app.connect("source-read", drop_github_links)
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("autodoc-process-signature", as_written)
