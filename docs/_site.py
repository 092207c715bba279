"""What the site needs beyond Sphinx: links, formulas, and the gallery's order."""

import importlib
import re
import shutil
from html import escape
from itertools import chain
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml

# The gallery looks every name up that a script imports, scripts it does not run too.
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sphinx.addnodes import download_reference, pending_xref
from sphinx.util import inspect
from sphinx.util.logging import getLogger
from sphinx_gallery.sorting import FileNameSortKey

LOGGER = getLogger(__name__)

# The gallery: what most people come for, what lies under it, then the talk's figures.
# Others follow by file name.
EXAMPLES = [
    "plot_quickstart.py",
    "plot_grid_search.py",
    "plot_text_and_numbers.py",
    "plot_regression.py",
    "plot_multilabel.py",
    "plot_voting.py",
    "plot_explain.py",
    "plot_embedding_map.py",
    "plot_http_endpoint.py",
    "plot_ladder.py",
    "plot_optimizers.py",
    "plot_sizes.py",
    "plot_early_stopping.py",
]

PUBLIC = {
    name: f"{module}.{name}"
    for module in ("skrnn", "skrnn.datasets", "skrnn.inspection")
    for name in importlib.import_module(module).__all__
}

# Where other projects have a page for each name. It is written down rather than
# looked up in their inventories: the site is built offline.
ELSEWHERE = {
    "numpy": "https://numpy.org/doc/stable/reference/generated/{}.html",
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{}.html",
}

# What the Markdown pages link to for readers of the repository, and its page here.
PAGES = {
    "../CHANGELOG.md": "changelog",
    "../CONTRIBUTING.md": "contributing",
    "../README.md": "index",
}


class GalleryOrder(FileNameSortKey):
    """Sorts `EXAMPLES` before the others."""

    def __call__(self, filename):
        place = EXAMPLES.index(filename) if filename in EXAMPLES else len(EXAMPLES)
        return f"{place:02} {filename}"


def resolve(app, env, node, content):
    """Find what Sphinx did not: our names from everywhere, others on their sites."""
    target = node["reftarget"]
    if node.get("refdomain") == "std":
        # Sections and terms of scikit-learn's, in docstrings inherited from it.
        return content if node["refdoc"].startswith("generated/") else None
    if node.get("refdomain") != "py":
        return None
    if target in PUBLIC:
        return env.domains["py"].resolve_xref(
            env, node["refdoc"], app.builder, "obj", PUBLIC[target], node, content
        )
    package, dot, _ = target.partition(".")
    if dot and package in ELSEWHERE:
        uri = ELSEWHERE[package].format(target)
        return nodes.reference("", "", content, internal=False, refuri=uri)
    # Single backticks: a parameter, or a value. Our own names have to be there.
    if node["reftype"] == "obj" and package != "skrnn":
        return nodes.literal("", content.astext())
    return None


def link_code(app, doctree):
    """Make public names of ours in a Markdown page's inline code links."""
    for code in list(doctree.findall(nodes.literal)):
        target = PUBLIC.get(code.astext())
        if target and isinstance(code.parent, nodes.paragraph):
            code.replace_self(_xref(app, [code.deepcopy()], "py", "obj", target))


def link_pages(app, doctree):
    """Turn links to files of the repository into links to their pages here.

    The script of an example has its page in the gallery; where there is no page, the
    words stay and the link goes.
    """
    links = chain(doctree.findall(pending_xref), doctree.findall(download_reference))
    for link in list(links):
        target = link["reftarget"]
        if link["reftype"] != "myst" or not target.startswith("../"):
            continue
        path = target.partition("#")[0]
        page = PAGES.get(path)
        if example := re.fullmatch(r"\.\./examples/([^_]\w*)\.py", path):
            page = f"auto_examples/{example[1]}"
        if page in app.env.found_docs:
            link.replace_self(_xref(app, link.children, "std", "doc", f"/{page}"))
        else:
            link.replace_self(link.children)


def mark_contents(app, doctree):
    """Mark a page's own list of its sections, which stands in the margin here too."""
    for items in doctree.findall(nodes.bullet_list):
        links = [link for link in items.findall(nodes.reference) if "refid" in link]
        words = " ".join(link.astext() for link in links).split()
        if words == items.astext().split():
            items["classes"].append("page-contents")


def _xref(app, content, domain, kind, target):
    return pending_xref(
        "",
        *content,
        refdomain=domain,
        reftype=kind,
        reftarget=target,
        refdoc=app.env.docname,
        refexplicit=True,
        refwarn=True,
    )


def bring_pages(app, exception):
    """Put the pages that examples wrote beside their scripts next to theirs here."""
    if exception is None and app.builder.name == "html":
        for page in Path(app.srcdir, "../examples").glob("*.html"):
            shutil.copy(page, Path(app.outdir, "auto_examples"))


def sign(app, what, name, obj, options, signature, returns):
    """Give a Keras model the signature of its own, which its metaclass hides."""
    if what == "class" and signature == "(*args, **kwargs)":
        own = inspect.signature(obj.__init__, bound_method=True)
        signature = inspect.stringify_signature(own, show_annotation=False)
    return signature, returns


def write_inline_formula(translator, node):
    translator.body.append(_mathml(node))
    raise nodes.SkipNode


def write_formula(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="formula"))
    translator.body.append(_mathml(node, as_block=True))
    translator.body.append("</div>")
    raise nodes.SkipNode


def _mathml(node, as_block=False):
    tex = node.astext()
    try:
        return tex2mathml(tex, as_block=as_block)
    except MathError as error:
        LOGGER.warning("formula %r: %s", tex, error, location=node)
        return f"<code>{escape(tex)}</code>"


def setup(app):
    app.connect("missing-reference", resolve)
    # Before Sphinx copies the files that are linked to.
    app.connect("doctree-read", link_pages, priority=400)
    app.connect("doctree-read", link_code)
    app.connect("doctree-read", mark_contents)
    app.connect("autodoc-process-signature", sign)
    app.connect("build-finished", bring_pages)
    # MathJax would have to come over the network.
    app.add_html_math_renderer(
        "mathml", (write_inline_formula, None), (write_formula, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
