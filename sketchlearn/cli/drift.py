"""The commands about change: compare, monitor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sketchlearn import compare as compared
from sketchlearn._validation import list_some
from sketchlearn.cli.bounds import parse_share
from sketchlearn.cli.files import (
    load_operator,
    load_sketch_like,
    name_errors,
    require_same_operator,
)
from sketchlearn.cli.groups import SPELLING, load_two_slices
from sketchlearn.cli.options import AsJson, OperatorFile
from sketchlearn.cli.printing import print_json, print_rows, print_values
from sketchlearn.cli.reporting import escape, say
from sketchlearn.cli.tables import FileTable
from sketchlearn.cli.usage import UsageError, blame_usage, parse_count
from sketchlearn.drift import ColumnChange, Comparison, DriftReport
from sketchlearn.drift.monitor import check_in_order, count_windows_needed
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.tables import SketchTable

# Exit code where drift was found that was asked for.
DRIFTED = 3
# Columns that a table shows, those first that moved most surely.
MOST_COLUMNS = 20
# Widths of a column, in scales of the sketch, below which its waves hardly change with them.
NARROW = 0.1


def compare(
    a: Annotated[
        Path,
        typer.Argument(
            help="A sketch's file, or with --key a table of sketches.", show_default=False
        ),
    ],
    b: Annotated[
        Path | None, typer.Argument(help="Another sketch's file.", show_default=False)
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            help="Of a table that sketch --by wrote, the groups to compare, e.g. country=FR or "
            f"country=FR,day=3; and again for more values of a column. {SPELLING}",
            show_default=False,
        ),
    ] = None,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="The groups to compare them with; by default all others.",
            show_default=False,
        ),
    ] = None,
    operator: OperatorFile = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            "--alpha",
            help="Exit with code 3 where the p-value is at most this.",
            min=0.0,
            max=1.0,
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether two sketches, or groups of a table, are of one population, and what differs.

    A p-value, an effect size, and for each column its mean, spread and p-values, corrected for all
    columns. Sketches that were made with --paired see much smaller changes, and those of spread.
    No row may be in both.

    \b
      sketchlearn sketch june.parquet --like may.sketch -o june.sketch
      sketchlearn compare may.sketch june.sketch
      sketchlearn compare may.sketch june.sketch --alpha 0.01 --json
      sketchlearn compare cube.parquet --key country=FR --with country=DE
    """
    first, second = _load_two(a, b, keys, others, load_operator(operator))
    comparison = compared(first, second)
    values = comparison.to_dict()
    if as_json:
        print_json(values)
    else:
        print_values({name: one for name, one in values.items() if name != "columns"}, False)
        typer.echo()
        _print_columns(comparison.columns, *_name_two(a, b, keys, others))
        _tell_narrow(comparison, first.operator)
    if alpha is not None and comparison.p_value <= alpha:
        raise typer.Exit(DRIFTED)


def _load_two(
    a: Path,
    b: Path | None,
    keys: list[str] | None,
    others: list[str] | None,
    operator: FrequencyOperator | None,
) -> tuple[SketchLike, SketchLike]:
    """Return two sketches from two files, or from two choices of a table's groups."""
    if b is None:
        if not keys:
            raise UsageError(
                f"one file was given, {a}: give another sketch to compare it with, or, of a table "
                "of sketches, --key with the groups to compare"
            )
        return load_two_slices(a, keys, others, operator)
    if keys or others:
        raise UsageError("--key and --with choose groups of one table: give no second file")
    first, second = load_sketch_like(a, operator), load_sketch_like(b, operator)
    require_same_operator(second, b, first, a)
    return first, second


def monitor(
    windows: Annotated[
        list[Path],
        typer.Argument(
            help="Sketches of windows, in order, or with --by a table of sketches.",
            show_default=False,
        ),
    ],
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            help="The column of a table's keys that tells windows, in its order.",
            show_default=False,
        ),
    ] = None,
    n_reference: Annotated[
        int | None,
        typer.Option(
            "--reference",
            help="How many of the first windows are known to be without drift; by default as many "
            "as --alpha needs.",
            parser=parse_count,
            metavar="NUMBER",
            show_default=False,
        ),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(
            "--alpha",
            parser=parse_share,
            metavar="SHARE",
            help="Share of windows without drift that are alarms.",
        ),
    ] = 0.05,
    operator: OperatorFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell which windows differ from those before by more than these differ among themselves.

    Each window after the first ones is compared with all before it that were no alarms. The exit
    code is 3 if the last window is an alarm. Windows of the reference that stand far apart from
    the rest of it are told: leave out those known to have drifted, which would hide later drift.

    \b
      sketchlearn monitor cube.parquet --by day
      sketchlearn monitor day-*.sketch --reference 60 --alpha 0.02 --json
    """
    with blame_usage():
        n_needed = count_windows_needed(alpha)
    given = load_operator(operator)
    loaded = _load_windows(windows, given) if by is None else _load_table(windows, by, given)
    n_first = n_needed if n_reference is None else n_reference
    names, sketches = [name for name, _ in loaded], [one for _, one in loaded]
    reports = check_in_order(names, sketches, n_first, alpha)
    rows = [
        {
            "window": name,
            "n_samples": one.n_samples,
            "p_value": report.p_value,
            "score": report.score,
            "threshold": report.threshold,
            "effect_size": report.comparison.effect_size,
            "is_drift": report.is_drift,
            "moved_columns": _name_moved(report) if report.is_drift else [],
        }
        for (name, one), report in zip(loaded[n_first:], reports, strict=True)
    ]
    if as_json:
        outliers = list(reports[0].reference_outliers)
        print_json(
            {
                "alpha": alpha,
                "n_reference": n_first,
                "reference_outliers": outliers,
                "windows": rows,
            }
        )
    else:
        print_rows(FileTable([*rows[0]], [list(row.values()) for row in rows]))
    if reports[-1].is_drift:
        raise typer.Exit(DRIFTED)


def _load_windows(
    paths: Sequence[Path], operator: FrequencyOperator | None
) -> list[tuple[str, SketchLike]]:
    """Return the sketches of files by name, all of one operator."""
    loaded = [(str(path), load_sketch_like(path, operator)) for path in paths]
    for path, (_, one) in zip(paths, loaded, strict=True):
        require_same_operator(one, path, loaded[0][1], paths[0])
    return loaded


def _load_table(
    paths: Sequence[Path], by: str, operator: FrequencyOperator | None
) -> list[tuple[str, SketchLike]]:
    """Return the sketches of a table, by one column of its keys and in its order."""
    table = name_errors(lambda _: SketchTable.from_parquet(paths, operator=operator), paths[0])
    windows = table.rollup([by])
    keys: list[Any] = [key for (key,) in windows if key is not None]
    if len(keys) < len(windows):
        say(f"left out: rows without {by}, which have no place among windows")
    return [(str(key), windows[key]) for key in sorted(keys)]


def _name_moved(report: DriftReport) -> list[str]:
    return [column.name for column in report.comparison.moved_columns()]


def _format_p_value(p_value: float) -> str:
    return "-" if math.isnan(p_value) else f"{p_value:.2g}"


def _name_two(
    a: Path, b: Path | None, keys: list[str] | None, others: list[str] | None
) -> tuple[str, str]:
    """Return what a table of columns calls the two that are compared."""
    if b is None:
        return " ".join(keys or []), " ".join(others) if others else "others"
    return (str(a), str(b)) if a.name == b.name else (a.name, b.name)


def _tell_narrow(comparison: Comparison, operator: FrequencyOperator) -> None:
    """Print which columns are so narrow beside the sketch's scale that it hardly sees their width.

    Pairs of frequencies see the more, and know where they see nothing.
    """
    scales = operator.scale * operator.units
    narrow = [
        one.name
        for one, scale in zip(comparison.columns, scales, strict=True)
        if 0.0 < max(one.standard_deviation) < NARROW * scale
        and (math.isnan(one.spread_p_value) or not comparison.is_paired)
    ]
    if narrow:
        typer.echo(
            f"narrow: {escape(list_some(narrow, MOST_COLUMNS))}, beside the scale of the "
            "sketches, which hardly show changes of their width: sketch with --scale columns"
        )


def _print_columns(columns: Sequence[ColumnChange], first: str, second: str) -> None:
    """Print how columns differ from the first sketch to the second, the surest first."""
    shown = sorted(columns, key=lambda one: one.p_value)[:MOST_COLUMNS]
    rows: list[list[object]] = [
        [
            one.name,
            *(f"{value:.4g}" for value in (*one.mean, *one.standard_deviation)),
            f"{one.shift:.3f}",
            f"{one.spread_ratio:.3f}",
            *(_format_p_value(p) for p in (one.mean_p_value, one.spread_p_value)),
        ]
        for one in shown
    ]
    means, deviations = (
        [f"{what} of {name}" for name in (first, second)] for what in ("mean", "deviation")
    )
    names = ["column", *means, *deviations, "shift", "ratio", "p of mean", "p of spread"]
    print_rows(FileTable(names, rows))
    first, second = escape(first), escape(second)
    typer.echo(f"shift: mean of {second} less that of {first}, in standard deviations")
    typer.echo(f"ratio: deviation of {second} over that of {first}")
    if len(shown) < len(columns):
        typer.echo(f"... and {len(columns) - len(shown)} columns less sure (all with --json)")
