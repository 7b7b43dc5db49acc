"""Sphinx builds these pages: `sphinx-build -W docs docs/_build`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cnndsl.version import __version__

project = "cnndsl"
author = "The cnndsl authors"
copyright = "2026, The cnndsl authors"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
nitpicky = False

html_theme = "furo"
html_title = f"cnndsl {__version__}"
html_show_sourcelink = False


def signatures() -> str:
    """The words of the language, read from the op records: a table in Markdown."""
    import dataclasses

    from cnndsl.ops import OPS

    lines = ["| op | options | what it is |", "| --- | --- | --- |"]
    for op in sorted((op for op in OPS if op.word), key=lambda op: op.name):
        keys = []
        for field in op.fields():
            default = "" if field.default is dataclasses.MISSING else f" = {word(field.default)}"
            keys.append(f"{field.name}{default}")
        module = sys.modules[op.infer.__module__]
        about = (module.__doc__ or "").split("\n")[0].partition(": ")[2].rstrip(".")
        lines.append(f"| `{op.name}` | {'`' + ', '.join(keys) + '`' if keys else ''} | {about.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def word(value: object) -> str:
    """A default as the language writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def setup(app):
    """Fill `<!-- ops -->` with the table, `<!-- messages -->` with the pages of the codes."""
    from cnndsl.language.pages import as_markdown

    def fill(app, name, source):
        source[0] = source[0].replace("<!-- ops -->", signatures())
        source[0] = source[0].replace("<!-- messages -->", as_markdown())

    app.connect("source-read", fill)
