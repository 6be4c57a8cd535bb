"""Values by name and tables, for people and as JSON."""

from __future__ import annotations

import csv
import io
import json
import math

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sketchlearn.cli.options import quote_names
from sketchlearn.cli.reporting import escape
from sketchlearn.cli.tables import FileTable

# Lines are not broken: what reads them may be a program.
WIDEST = 2**20


def print_values(values: dict[str, object], as_json: bool) -> None:
    """Print values by name, as JSON or as a table."""
    if as_json:
        print_json(values)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in values.items():
        table.add_row(_make_cell(name.replace("_", " ")), _make_cell(value))
    _print_table(table)


def print_csv(table: FileTable) -> None:
    """Print a table as CSV, numbers in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.names)
    writer.writerows(table.rows)
    typer.echo(text.getvalue(), nl=False)


def print_rows(content: FileTable) -> None:
    """Print rows under names, numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="")
    for name in content.names:
        table.add_column(_make_cell(name), justify="right", no_wrap=True)
    for row in content.rows:
        table.add_row(*map(_make_cell, row))
    _print_table(table)


def print_json(values: dict[str, object]) -> None:
    """Print JSON; what is not finite, which JSON has not, as null."""
    typer.echo(json.dumps(_replace_infinite(values), allow_nan=False))


def _print_table(table: Table) -> None:
    """Print a table as wide as it is, without the blanks that fill up its lines."""
    text = io.StringIO()
    Console(file=text, soft_wrap=True, highlight=False, emoji=False, width=WIDEST).print(table)
    typer.echo("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def _make_cell(value: object) -> Text:
    """Return what a table shows: never markup, nor what steers a terminal."""
    return Text(escape(_format_value(value)))


def _replace_infinite(value: object) -> object:
    """Return a value of JSON's types without NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _replace_infinite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_infinite(one) for one in value]
    return value


def _format_listed(value: object) -> str:
    """Return an element of a list; a name that commas would split in quotes, as options take it."""
    if isinstance(value, str) and ("," in value or '"' in value):
        return quote_names([value])[0]
    return _format_value(value)


def _format_value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        if {"kind", "fields"} <= {*value}:
            return f"{value['kind']}({_format_value(value['fields'])})"
        named = {name: one for name, one in value.items() if one is not None}
        return ", ".join(f"{name}={_format_value(one)}" for name, one in named.items())
    if isinstance(value, list):
        shown = [_format_listed(one) for one in value[:8]]
        return ", ".join(shown) + (f", ... ({len(value)})" if len(value) > 8 else "")
    return str(value)
