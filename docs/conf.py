"""How Sphinx builds the documentation: ``make docs``. Every warning is an error, a broken link above all."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "mtl-grouping"
author = "the authors of mtl-grouping"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "what_there_is"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "mtl-grouping"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]  # fences name their use after the language: ```csv wide

default_role = "py:obj"
# A name in backticks must be on the reference page. Types of signatures need not be: they are of other
# libraries or private. Single words in lower case, and sizes such as N, are parameters and attributes.
nitpicky = True
nitpick_ignore_regex = [
    (
        "py:class",
        r"(collections|grouping|np|numpy|pandas|pathlib|pd|torch)\..*|tuple\[.*|NDArray|ImportedTable|Train|Values",
    ),
    ("py:obj", r"[a-z_]+|[A-Z]"),
]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_ivar = True
napoleon_numpy_docstring = False
