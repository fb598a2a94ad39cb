"""How is the site built? With Sphinx from the pages here and the docstrings: `make docs`."""

import sys
from pathlib import Path

import xpbench

sys.path.insert(0, str(Path(__file__).parent))  # the extensions beside this file

project = "xpbench"
author = "the xpbench maintainers"
project_copyright = "2026, the xpbench maintainers"
version = release = xpbench.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docstrings",
    "gallery",
    "command_line",
]
exclude_patterns = ["_build"]
suppress_warnings: list[str] = []
nitpicky = True
nitpick_ignore_regex = [
    # Other projects' pages are not looked up: a build asks nobody anything.
    ("py:.*", r"(collections\.abc|numpy|np|pandas|pathlib|typing|types)\..*"),
    (
        "py:.*",
        r"(Any|Array|Callable|DataFrame|Errors|Function|Iterable|Mapping|Path|Sequence|Shape|Size)",
    ),
]

myst_heading_anchors = 3
smartquotes = False  # x' is a transpose

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_google_docstring = False
napoleon_attr_annotations = False
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
add_module_names = False

html_theme = "furo"
html_title = "xpbench"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"footer_icons": [], "top_of_page_buttons": []}
pygments_style = "default"
pygments_dark_style = "github-dark"
