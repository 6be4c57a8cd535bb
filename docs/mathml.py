"""Formulas of the site as MathML, which browsers draw by themselves: nothing is loaded for it."""

from html import escape
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def convert(node: nodes.Element, as_block: bool) -> str:
    """Return a formula as MathML; one that is not understood as it was written, with a warning."""
    text = node.astext().replace(r"\dots", r"\ldots")
    try:
        return str(tex2mathml(text, as_block=as_block))
    except MathError as error:
        logger.warning("formula %r: %s", text, error, location=node)
        return f"<code>{escape(text)}</code>"


def visit_math(writer: Any, node: nodes.Element) -> None:
    """Write a formula in a line, and go on after it."""
    writer.body.append(convert(node, as_block=False))
    raise nodes.SkipNode


def visit_math_block(writer: Any, node: nodes.Element) -> None:
    """Write a formula of its own, and go on after it."""
    writer.body.append(f'<div class="math">{convert(node, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register this way to write formulas with Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
