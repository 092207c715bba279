"""How Sphinx builds the site: `make docs`."""

import os
import sys

import skrnn

HERE = os.path.dirname(__file__)
# For _site.py.
sys.path.insert(0, HERE)

# Before an example imports TensorFlow: its start-up lines are no output of ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "skrnn"
author = "The skrnn developers"
project_copyright = f"{author}, BSD-3-Clause"
version = release = skrnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "_site",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
nitpicky = True

# A name in single backticks is a link where it is one of ours, and code elsewhere.
default_role = "py:obj"

# The docstrings have the types; in a signature of forty parameters they bury the names.
autodoc_typehints = "none"
autosummary_generate = True
# The templates in _templates/autosummary list the members.
numpydoc_show_class_members = False

# It would turn the quotes of default="auto" as well.
smartquotes = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# The gallery: scripts named plot_* are run, the others shown.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    # quickstart.py is the terminal's half of plot_quickstart.py.
    "ignore_pattern": r"^(_|quickstart\.py)",
    "within_subsection_order": "_site.GalleryOrder",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skrnn",),
    "default_thumb_file": os.path.join(HERE, "_static", "script.svg"),
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "notebook_extensions": set(),
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 10**6,
    "abort_on_example_error": True,
}

# The look

html_theme = "pydata_sphinx_theme"
html_title = "skrnn"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["skrnn.css"]
html_copy_source = False
# The search does what an index would do.
html_use_index = False
# Without it the theme complains in the browser's console at a first visit.
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "skrnn"},
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
    "back_to_top_button": False,
}
# Only these pages have others beside them in their section.
html_sidebars = {
    "*": [],
    "api": ["sidebar-nav-bs"],
    "generated/*": ["sidebar-nav-bs"],
    "auto_examples/*": ["sidebar-nav-bs"],
}
toc_object_entries_show_parents = "hide"
