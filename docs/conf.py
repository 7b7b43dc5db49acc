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


def setup(app):
    """Fill `<!-- messages -->` with the pages of the codes."""
    from cnndsl.language import pages

    def fill(app, name, source):
        source[0] = source[0].replace("<!-- messages -->", pages.as_markdown())

    app.connect("source-read", fill)
