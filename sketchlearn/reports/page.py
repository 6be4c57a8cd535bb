"""One page of HTML that needs nothing else: no script, no file beside it, no network."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from sketchlearn.reports.style import STYLE

# Browsers that honour it load nothing, whatever were in the page.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# Lines that a table shows.
MOST_ROWS = 60


def write_document(title: str, sections: Iterable[str], version: str) -> str:
    """Return a whole page of sections, which are HTML already.

    Parameters
    ----------
    title : str
        Plain text.
    sections : iterable of str
        As `write_section` returns them.
    version : str
        Of the library.

    Returns
    -------
    str
        Equal for equal arguments: it holds no date.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{''.join(sections)}"
        f"<footer>sketchlearn {escape(version)}. This page loads nothing, and holds no row of the "
        "data.</footer>\n</main>\n</body>\n</html>\n"
    )


def write_section(title: str, *parts: str) -> str:
    """Return a section: a title in plain text, and parts that are HTML already."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{''.join(parts)}</section>\n"


def write_paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text; of the kind "note", one that stands out."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>\n"


def write_values(caption: str, values: dict[str, object]) -> str:
    """Return a table of values by name."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(format_value(value))}</td></tr>'
        for name, value in values.items()
    )
    return _wrap(
        f'<table class="values"><caption>{escape(caption)}</caption><tbody>{rows}</tbody></table>'
    )


def write_table(caption: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table of rows under names; of many rows the first ones, which it says."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(format_value(cell))}</th>'
            if i == 0
            else f"<td>{escape(format_value(cell))}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows[:MOST_ROWS]
    )
    if len(rows) > MOST_ROWS:
        caption = f"{caption} (the first {MOST_ROWS} of {len(rows):,})"
    return _wrap(
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def format_value(value: object) -> str:
    """Return a value as tables show it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def escape(text: str) -> str:
    """Return text that is shown as it is, whatever it holds."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return html.escape(shown)


def _wrap(table: str) -> str:
    """Return a table that scrolls by itself where the page is narrower."""
    return f'<div class="wide">{table}</div>\n'
