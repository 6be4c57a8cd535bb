"""How the site is made of these pages, the docstrings and the gallery: see `make docs`."""

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.highlighting import lexers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from docs.reference_pages import write_reference  # noqa: E402
from sketchlearn import __version__  # noqa: E402

project = "sketchlearn"
author = copyright = "The sketchlearn developers"  # noqa: A001
version = release = __version__
language = "en"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "docs.mathml",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["examples/README.md", "gallery", "auto_gallery/*.ipynb"]
templates_path = ["_templates"]
# Single backticks name objects, as in scikit-learn's docstrings.
default_role = "py:obj"
# Diagrams stand as they are written: the library that draws them is loaded from a network.
lexers["mermaid"] = TextLexer()

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4

numpydoc_show_class_members = False
autodoc_typehints = "none"
autosummary_generate = write_reference(HERE / "reference")

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "capture_repr": (),
    "min_reported_time": 1e9,
    "show_memory": False,
    "show_signature": False,
    "matplotlib_animations": False,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "sketchlearn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
# Pages without others below them need no list of these.
html_sidebars = {name: [] for name in ("index", "why", "install", "quickstart", "how_to_choose")}
html_show_sourcelink = False
html_copy_source = False
