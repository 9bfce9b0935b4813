"""Configuration of the documentation."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import deepcompress

project = "deepcompress"
author = "The deepcompress authors"
copyright = author
version = release = deepcompress.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"deepcompress {version}"

# Docstrings write code in single backticks.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "numpy.typing.ArrayLike"}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

# Other projects' names have no page here, and reading theirs needs a network.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!deepcompress\b).*")]

# Autodoc takes the names of a module that imports them when they are first used.
for name in deepcompress.__all__:
    getattr(deepcompress, name)


def _separate_examples(*arguments):
    """Puts the blank line behind `Example:` that a doctest needs to be seen as one."""
    lines = arguments[-1]
    for index in range(len(lines) - 1, 0, -1):
        if lines[index - 1].strip() == "Example:" and lines[index].startswith(">>>"):
            lines.insert(index, "")


def setup(app):
    app.connect("autodoc-process-docstring", _separate_examples, priority=400)
