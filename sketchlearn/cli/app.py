"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

import sketchlearn
from sketchlearn.cli import (
    combining,
    drift,
    models,
    pages,
    planning,
    predictions,
    releases,
    sketches,
    synthetic,
)
from sketchlearn.cli.reporting import report

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
fit = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Learn a model from a sketch, without data."
)

for command in (
    sketches.sketch,
    sketches.operator,
    combining.merge,
    combining.subtract,
    sketches.info,
    drift.compare,
    drift.monitor,
    planning.plan,
    releases.domain,
    releases.release,
    models.count,
):
    app.command()(report(command))
app.add_typer(fit, name="fit")
fit.command()(report(models.kmeans))
fit.command()(report(models.gmm))
app.command()(report(models.centroids))
app.command()(report(predictions.predict))
app.command()(report(synthetic.synthesize))
app.command()(report(pages.report))


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"sketchlearn {sketchlearn.__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """Compressive learning: data becomes a small exact sketch, a sketch becomes a model.

    \b
      sketchlearn sketch 'sales/*.parquet' --columns price,weight --clusters 8 -o sales.sketch
      sketchlearn fit kmeans sales.sketch -k 8 -o sales.model
      sketchlearn centroids sales.model
      sketchlearn predict sales.model new.parquet --columns price,weight -o labels.parquet

    Exit codes: 0 done, 1 a run that failed (one line on standard error), 2 wrong usage: a command
    line that no files make right, 3 drift that was asked for, 130 interrupted, 143 terminated. A
    command never writes to a file that it reads.
    """
