"""What several commands ask for, and how columns and conditions are written."""

from __future__ import annotations

import functools
import json
import operator
import re
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sketchlearn.cli.usage import UsageError, parse_count, parse_jobs, parse_seed

# A name, in double quotes if it holds what would end it; two of them stand for one.
QUOTED = r'"(?:[^"]|"")*"'
CONDITION = re.compile(
    rf"^\s*({QUOTED}|.+?)\s*(==|!=|<=|>=|<|>|=| not in | in )\s*(.+?)\s*$", re.DOTALL
)
PRESENCE = re.compile(
    rf"^\s*({QUOTED}|.+?)\s+is\s+(not\s+)?(null|nan|finite)\s*$", re.DOTALL | re.I
)
NAME = re.compile(rf"\s*({QUOTED}|[^,\"][^,]*|)\s*(,|$)")
# Files of tables, and of text, compressed or not.
TABLE_ENDINGS = (".parquet", ".pq", ".arrow", ".arrows", ".feather", ".ipc")
TEXT_ENDINGS = tuple(
    ending + compression
    for ending in (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
    for compression in ("", ".gz", ".bz2", ".zst", ".lz4", ".br")
)
# Files of arrays, whose columns have numbers instead of names.
ARRAY_ENDINGS = (".npy", ".npz", ".zarr", ".h5", ".hdf5")

Data = Annotated[
    list[str],
    typer.Argument(
        help="Files, directories or quoted patterns: Parquet, Arrow, CSV, npy, npz, Zarr, HDF5.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, numbers in full.")]
SketchFile = Annotated[
    Path, typer.Argument(help="A sketch's file, or a table of sketches.", show_default=False)
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        help="Features, by name and separated by commas; by number, from 0, in arrays. By default "
        "all columns. A name that holds a comma goes in double quotes.",
        show_default=False,
    ),
]
Conditions = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="Rows to read, e.g. 'price > 0', 'city in Oslo,Rome' or 'price is not null'; and "
        "again for more conditions, all of which must hold.",
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
        parser=parse_count,
        metavar="NUMBER",
        help="Size of the sketch; by default 10 k d or so.",
        show_default=False,
    ),
]
Clusters = Annotated[
    int | None,
    typer.Option(
        "--clusters",
        "-k",
        parser=parse_count,
        metavar="NUMBER",
        help="How many clusters are expected: a hint.",
        show_default=False,
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace OUTPUT even if it is a file of another kind.")
]


def read_scale(text: str) -> float | str:
    """Read a scale: a positive number, or a word; BadParameter if it is neither."""
    if text in ("auto", "columns", "mixed"):
        return text
    with suppress(ValueError):
        if 0 < (scale := float(text)) < float("inf"):
            return scale
    raise typer.BadParameter(f"expected a positive number, auto, columns or mixed, got {text!r}")


Scale = Annotated[
    Any,
    typer.Option(
        "--scale",
        parser=read_scale,
        metavar="[NUMBER|auto|columns|mixed]",
        help="Standard deviation of a cluster, if known; columns: tell columns of different units "
        "apart, for mixtures and count; mixed: be ready for a range of them.",
        show_default=False,
    ),
]


class FeaturesChoice(StrEnum):
    """What a frequency may make of a row."""

    waves = "waves"
    signs = "signs"


class TransformChoice(StrEnum):
    """How rows may become phases."""

    auto = "auto"
    dense = "dense"
    fast = "fast"


class MomentsChoice(StrEnum):
    """Moments that a sketch may keep."""

    full = "full"
    diagonal = "diagonal"
    none = "none"


MOMENTS: dict[MomentsChoice | None, Any] = {
    None: "auto",
    MomentsChoice.full: "full",
    MomentsChoice.diagonal: "diagonal",
    MomentsChoice.none: None,
}
Features = Annotated[
    FeaturesChoice | None,
    typer.Option(
        help="What a frequency makes of a row: waves, a cosine and a sine; or signs, a bit for "
        "each, where the bytes of many sketches decide and neither counts of clusters nor mixtures "
        "are asked of them. By default waves.",
        show_default=False,
    ),
]
Transform = Annotated[
    TransformChoice | None,
    typer.Option(
        help="How rows become phases: dense, by a matrix; or fast, by Walsh and Hadamard's "
        "transform, for wide rows and smaller files. By default fast from 128 columns on, and "
        "dense with --domain.",
        show_default=False,
    ),
]
MomentKind = Annotated[
    MomentsChoice | None,
    typer.Option(
        "--moments",
        help="What is kept of columns besides: full, their means and covariances; diagonal, "
        "means and variances; or none. By default full up to 64 columns, and diagonal of more.",
        show_default=False,
    ),
]
Weight = Annotated[
    str | None, typer.Option("--weight", help="Column to weigh rows by.", show_default=False)
]
Like = Annotated[
    Path | None,
    typer.Option(
        "--like",
        help="A sketch, or a table of sketches, whose operator to use, so that both can be merged "
        "and compared.",
        show_default=False,
    ),
]
Paired = Annotated[
    bool,
    typer.Option(
        "--paired",
        help="Draw frequencies in pairs, for compare and monitor to see small changes.",
    ),
]
OperatorFile = Annotated[
    Path | None,
    typer.Option(
        "--operator",
        help="The operator's file, for sketches that were written with --bare.",
        show_default=False,
    ),
]
IsBare = Annotated[
    bool,
    typer.Option(
        "--bare", help="Leave the operator out of OUTPUT; what reads it needs --operator."
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
Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", parser=parse_jobs, metavar="NUMBER", help="Threads; -1 for all."),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", parser=parse_seed, metavar="NUMBER", help="Determines all that is random."
    ),
]


def choose_columns(options: list[str] | None, data: list[str]) -> list[str | int] | None:
    """Return the columns that were asked for; numbers where the data is arrays."""
    if not options:
        return None
    names = split_names(options, "--columns")
    if not data[0].rstrip("/").lower().endswith(ARRAY_ENDINGS):
        return list(names)
    if not all(name.isdecimal() for name in names):
        raise UsageError(f"columns of arrays are numbers from 0, got {','.join(names)!r}")
    return [int(name) for name in names]


def parse_conditions(options: list[str] | None) -> Any:
    """Return conditions as pyarrow's filters: (column, operator, value), or as an expression.

    Raises
    ------
    UsageError
        If one cannot be read.
    ImportError
        If pyarrow is missing where an expression is needed.
    """
    if not options:
        return None
    presences = [_parse_presence(option) for option in options]
    comparisons = [
        _parse_condition(option)
        for option, presence in zip(options, presences, strict=True)
        if presence is None
    ]
    if len(comparisons) == len(options):
        return comparisons
    try:
        from pyarrow import compute
        from pyarrow.parquet import filters_to_expression
    except ImportError as error:
        raise ImportError("pyarrow is needed to filter rows: install sketchlearn[cli]") from error

    # What lists of pyarrow cannot say.
    said = [filters_to_expression(comparisons)] if comparisons else []
    for column, is_not, what in filter(None, presences):
        field = compute.field(column)
        is_so = {"null": compute.is_null, "nan": compute.is_nan, "finite": compute.is_finite}[what](
            field
        )
        said.append(~is_so if is_not else is_so)
    return functools.reduce(operator.and_, said)


def _parse_presence(text: str) -> tuple[str, bool, str] | None:
    """Read a condition on missing values: the column, whether negated, null, nan or finite."""
    match = PRESENCE.match(text)
    return match and (strip_quotes(match[1]), bool(match[2]), match[3].lower())


def _parse_condition(text: str) -> tuple[str, str, Any]:
    match = CONDITION.match(text)
    if match is None:
        raise UsageError(
            "--filter expects a column, one of == != < <= > >= in 'not in', and a value, or a "
            "column and one of 'is null' 'is not null' 'is nan' 'is not nan' 'is finite', got "
            f"{text!r}"
        )
    column, comparison, value = strip_quotes(match[1]), match[2].strip(), match[3]
    if comparison in ("in", "not in"):
        return column, comparison, [_parse_value(part.strip()) for part in value.split(",")]
    return column, "==" if comparison == "=" else comparison, _parse_value(value)


def split_names(options: list[str], option_name: str) -> list[str]:
    """Split options at commas, but for those in double quotes; UsageError for an empty name."""
    return [name for option in options for name in _split_option(option, option_name)]


def quote_names(names: list[str]) -> list[str]:
    """Return names as options that `split_names` reads, whatever they hold."""
    return ['"' + name.replace('"', '""') + '"' for name in names]


def _split_option(option: str, option_name: str) -> list[str]:
    names, at, separator = [], 0, ","
    while separator:
        match = NAME.match(option, at)
        if match is None or not strip_quotes(match[1]):
            raise UsageError(f"{option_name} expects names separated by commas, got {option!r}")
        names.append(strip_quotes(match[1]))
        at, separator = match.end(), match[2]
    return names


def strip_quotes(text: str) -> str:
    """Take a name out of its double quotes, if it is in any."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    return text.strip()


def _parse_value(text: str) -> Any:
    """Read a number, a flag, a quoted or bare text, or a date."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    for read in (json.loads, datetime.fromisoformat):
        try:
            value = read(text)
        except ValueError:
            continue
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise UsageError(f"--filter takes integers of up to 64 bits, with a sign, got {text}")
        if isinstance(value, int | float | datetime):
            return value
    return text
