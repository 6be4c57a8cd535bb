"""Formulas of the site as MathML, which browsers draw by themselves: nothing is loaded for it."""

from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def visit_math(writer: Any, node: nodes.Element) -> None:
    """Write a formula in a line, and go on after it."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(writer: Any, node: nodes.Element) -> None:
    """Write a formula of its own, and go on after it."""
    text = tex2mathml(node.astext(), as_block=True)
    writer.body.append(f'<div class="math">{text}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register this way to write formulas with Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
