"""The command about sketches to come: plan."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from sketchlearn.cli.bounds import parse_share
from sketchlearn.cli.options import AsJson
from sketchlearn.cli.printing import print_json
from sketchlearn.cli.usage import blame_usage, parse_count, parse_number
from sketchlearn.planning import Plan
from sketchlearn.planning import plan as planned


class GoalChoice(StrEnum):
    """What is to be least of a plan."""

    SECONDS = "seconds"
    BYTES = "bytes"
    ERROR = "error"


def plan(
    rows: Annotated[
        int,
        typer.Option(parser=parse_count, metavar="NUMBER", help="Rows, as 1e9."),
    ],
    columns: Annotated[int, typer.Option(parser=parse_count, metavar="NUMBER", help="Columns.")],
    n_clusters: Annotated[
        int,
        typer.Option(
            "--clusters", "-k", parser=parse_count, metavar="NUMBER", help="Clusters to look for."
        ),
    ] = 10,
    error: Annotated[
        float | None,
        typer.Option(
            parser=parse_share,
            metavar="SHARE",
            help="Error against k-means on all rows, of half of data sets at most, as 0.02 or 2%.",
            show_default=False,
        ),
    ] = None,
    n_bytes: Annotated[
        float | None,
        typer.Option(
            "--bytes",
            parser=parse_number,
            metavar="NUMBER",
            help="Most bytes of a sketch, its operator not counted, as 1e4.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            parser=parse_number, metavar="NUMBER", help="Most seconds, in all.", show_default=False
        ),
    ] = None,
    goal: Annotated[
        GoalChoice | None,
        typer.Option(
            help="What is least of the plan, among all within these limits: by default seconds "
            "where an error is given, else the error.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            parser=parse_count, metavar="NUMBER", help="Processes that sketch side by side."
        ),
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Say which sketch to take, what it will cost, and how good it is likely to be.

    Seconds are measured on this machine, for rows in memory. Errors are those of clusters that
    touch or are some widths apart: where many columns tell clusters ten and more widths apart,
    leave the size to `sketchlearn sketch`. The last lines are commands that take such sketches, of
    files in place of DATA.

    \b
      sketchlearn plan --rows 1e9 --columns 10 -k 10 --error 0.02
      sketchlearn plan --rows 1e7 --columns 64 -k 20 --bytes 1e5 --workers 8
      sketchlearn plan --rows 1e7 --columns 64 -k 20 --error 0.02 --goal bytes
    """
    with blame_usage():
        chosen = planned(
            rows,
            columns,
            n_clusters,
            error=error,
            max_bytes=n_bytes,
            max_seconds=seconds,
            goal=goal,
            n_workers=workers,
        )
    if as_json:
        print_json({**asdict(chosen), "notes": chosen.notes})
    else:
        typer.echo(str(chosen))
        for number, one in enumerate((chosen, *chosen.alternatives)):
            typer.echo(("To take it: ", "Or: ")[number > 0] + write_command(one))


def write_command(chosen: Plan) -> str:
    """Return the command that takes a sketch as it was planned, but for the names of files."""
    return (
        f"sketchlearn sketch DATA -k {chosen.n_clusters} -m {chosen.n_frequencies} "
        f"--features {chosen.features} --transform {chosen.operator} -o OUTPUT"
    )
