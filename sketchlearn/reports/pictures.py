"""Pictures inside a page: SVG in the page's own ink, so that it follows light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from sketchlearn.plotting.style import INK as MARK
from sketchlearn.reports.page import escape
from sketchlearn.sources.optional import import_optional

# What matplotlib draws text and axes with here; no display uses it.
INK = "#010203"
SETTINGS = {
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    ),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
}
SIZE = 5.2, 4.2


def draw_figure(draw: Callable[[Any], object], caption: str) -> str:
    """Return a figure of a page.

    Parameters
    ----------
    draw : callable
        Draws on the axes that it is given.
    caption : str
        What is to be seen: plain text, which also says it to who cannot see.

    Returns
    -------
    str
        HTML; equal pictures give equal text.
    """
    matplotlib = import_optional("matplotlib", "matplotlib.figure")
    # What elements are called in it must differ from other pictures of the page.
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": caption}):
        figure = matplotlib.figure.Figure(figsize=SIZE, layout="constrained", facecolor="none")
        ax = figure.add_subplot(facecolor="none")
        draw(ax)
        # The caption has it.
        ax.set_title("")
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    picture = file.getvalue()[file.getvalue().index("<svg") :]
    picture = re.sub(r"<metadata>.*?</metadata>", "", picture, flags=re.DOTALL)
    # Groups have names that other pictures have too, and nothing refers to them.
    picture = re.sub(r'<g id="[^"]*"', "<g", picture)
    picture = picture.replace(INK, "currentColor").replace(MARK.lower(), "var(--mark)")
    label = f'<svg role="img" aria-label="{escape(caption)}" '
    return (
        f"<figure>{picture.replace('<svg ', label, 1)}"
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def put_side_by_side(*figures: str) -> str:
    """Return figures beside each other where the page is wide enough."""
    return f'<div class="pictures">{"".join(figures)}</div>\n'
