"""How the documentation is built: `make docs`."""

import inspect
import sys
from pathlib import Path
from typing import Any

from docutils import nodes

sys.path.insert(0, str(Path(__file__).parent))

import reference

project = "Lamina"
author = "The authors of Lamina"
copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

# The reference.
add_module_names = False
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"
maximum_signature_line_length = 90
napoleon_use_ivar = True
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"

# The look. Nothing is loaded from elsewhere.
html_theme = "furo"
html_title = "Lamina"
html_static_path = ["_static"]
html_css_files = ["lamina.css"]
html_favicon = "_static/lamina.svg"
html_logo = "_static/lamina.svg"
html_copy_source = False
html_domain_indices = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#1f5fa8",
        "color-brand-content": "#1f5fa8",
        "color-brand-visited": "#6b4f9e",
        "color-code-background": "#f4f6f9",
        "color-output-background": "#fafbfd",
        "color-line-number": "#667085",
    },
    "dark_css_variables": {
        "color-brand-primary": "#8ec1ff",
        "color-brand-content": "#8ec1ff",
        "color-brand-visited": "#c4b1f0",
        "color-code-background": "#22262c",
        "color-output-background": "#1a1d21",
        "color-line-number": "#98a2b3",
    },
}


def to_rst(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with names in backticks; what JAX defines has only a pointer."""
    of_jax = not inspect.isclass(value) and str(getattr(value, "__module__", "")).startswith("jax")
    lines[:] = [reference.docstring(value), ""] if of_jax else lines
    lines[:] = reference.as_rst(lines)


def property_to_rst(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon for a type; the sentence of a property is put back."""
    if isinstance(value, property):
        lines[:] = [*reference.as_rst(reference.docstring(value).splitlines()), ""]


def short_signature(app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returns: str | None) -> Any:
    """Names and defaults; the text says what they are. Layers have a `__new__`, which Sphinx would show."""
    if what == "class" or (what == "function" and signature is not None and " at 0x" in signature):
        signature = reference.signature(value)
    return signature, None


def arrange_blocks(app: Any, doctree: nodes.document) -> None:
    """Numbers the lines of code, as they are in the page, where the page speaks of them; tells stories from what may wrap."""
    page = Path(str(doctree["source"])).name
    blocks = list(doctree.findall(nodes.literal_block))
    numbered = any(f"{page}:" in block.astext() for block in blocks)
    for block in blocks:
        if block.get("language") == "python" and numbered and block.line is not None:
            block["linenos"] = True
            block["highlight_args"] = {"linenostart": block.line + 1}
        if block.get("language") == "text":
            block["classes"].append("story" if "─ " in block.astext() else "wraps")


def setup(app: Any) -> None:
    """Sphinx calls it."""
    reference.write()
    app.connect("autodoc-process-docstring", to_rst, priority=1)
    app.connect("autodoc-process-docstring", property_to_rst, priority=900)
    app.connect("autodoc-process-signature", short_signature)
    app.connect("doctree-read", arrange_blocks)
