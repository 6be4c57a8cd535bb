"""What several commands ask for, and how columns and conditions are written."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

CONDITION = re.compile(r"^\s*(.+?)\s*(==|!=|<=|>=|<|>|=| not in | in )\s*(.+?)\s*$")
# Files of arrays, whose columns have numbers instead of names.
ARRAY_ENDINGS = (".npy", ".npz", ".zarr", ".h5", ".hdf5")

Data = Annotated[
    list[str],
    typer.Argument(
        help="Files, directories or quoted patterns: Parquet, Arrow, CSV, npy, npz, Zarr, HDF5.",
        show_default=False,
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        help="Features, by name and separated by commas; by number, from 0, in arrays. By default "
        "all columns.",
        show_default=False,
    ),
]
Conditions = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="Rows to read, e.g. 'price > 0' or 'city in Oslo,Rome'; and again for more.",
        show_default=False,
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)
]
Frequencies = Annotated[
    int | None,
    typer.Option(
        "--frequencies",
        "-m",
        help="Size of the sketch; by default 10 k d or so.",
        show_default=False,
    ),
]
Clusters = Annotated[
    int | None,
    typer.Option(
        "--clusters", "-k", help="How many clusters are expected: a hint.", show_default=False
    ),
]
Scale = Annotated[
    float | None,
    typer.Option("--scale", help="Standard deviation of a cluster, if known.", show_default=False),
]
Weight = Annotated[
    str | None, typer.Option("--weight", help="Column to weigh rows by.", show_default=False)
]
Like = Annotated[
    Path | None,
    typer.Option(
        "--like",
        help="A sketch whose operator to use, so that both can be merged and compared.",
        show_default=False,
    ),
]
IsKept = Annotated[
    bool,
    typer.Option(
        "--checkpoint",
        help="Keep sums in OUTPUT.checkpoint; the same command goes on after an interrupt.",
    ),
]
SkipsErrors = Annotated[
    bool, typer.Option("--skip-errors", help="Leave out files that cannot be read, and say so.")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Threads; -1 for all.")]
Seed = Annotated[int, typer.Option("--seed", help="Determines all that is random.")]


def chosen_columns(options: list[str] | None, data: list[str]) -> list[str | int] | None:
    """Give the columns that were asked for; numbers where the data is arrays.

    Raises
    ------
    ValueError
        If a name is empty, or no number where one is needed.
    """
    if not options:
        return None
    names = [name.strip() for option in options for name in option.split(",")]
    if not all(names):
        raise ValueError(f"--columns expects names separated by commas, got {','.join(options)!r}")
    if not data[0].rstrip("/").lower().endswith(ARRAY_ENDINGS):
        return list(names)
    if not all(name.isdecimal() for name in names):
        raise ValueError(f"columns of arrays are numbers from 0, got {','.join(names)!r}")
    return [int(name) for name in names]


def conditions(options: list[str] | None) -> list[tuple[str, str, Any]] | None:
    """Give conditions as pyarrow's filters: (column, operator, value).

    Raises
    ------
    ValueError
        If one cannot be read.
    """
    return [_condition(option) for option in options] if options else None


def _condition(text: str) -> tuple[str, str, Any]:
    """Read one condition."""
    match = CONDITION.match(text)
    if match is None:
        raise ValueError(
            "--filter expects a column, one of == != < <= > >= in 'not in', and a value, got "
            f"{text!r}"
        )
    column, operator, value = match[1], match[2].strip(), match[3]
    if operator in ("in", "not in"):
        return column, operator, [_value(part.strip()) for part in value.split(",")]
    return column, "==" if operator == "=" else operator, _value(value)


def _value(text: str) -> Any:
    """Read a number, a flag, a quoted or bare text, or a date."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    for read in (json.loads, datetime.fromisoformat):
        try:
            value = read(text)
        except ValueError:
            continue
        if isinstance(value, int | float | datetime):
            return value
    return text
