"""The documentation site: `make docs` builds it from these pages and from the docstrings, with warnings as errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lineage import __version__, api, types

project = "lineage"
copyright = "the lineage contributors, Apache-2.0"  # noqa: A001  (the name that Sphinx looks for)
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["examples"]

html_theme = "furo"
html_title = "lineage"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

default_role = "literal"  # `name` in a docstring is code
autodoc_member_order = "bysource"
autodoc_typehints = "description"
python_use_unqualified_type_names = True


def _verbatim(lines: list[str]) -> Iterator[str]:
    """The lines of a docstring, an indented paragraph marked as what it is in this project: a tree or an example."""
    before = ""
    for i, line in enumerate(lines):
        is_first = i > 0 and not lines[i - 1].strip() and line.startswith("    ") and not before.startswith("    ")
        if is_first:
            yield from ("::", "")
        yield line
        before = line or before


def setup(app: Any) -> None:
    """Read docstrings as they are written here, and load the names that a package hands out on first use."""
    for package in (api, types):
        for name in package.__all__:
            getattr(package, name)

    def mark(*heard: Any) -> None:
        lines: list[str] = heard[-1]
        lines[:] = list(_verbatim(lines))

    app.connect("autodoc-process-docstring", mark)
