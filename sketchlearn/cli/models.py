"""The commands about models: fit kmeans, fit gmm, centroids, count."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, count_clusters
from sketchlearn.cli.bounds import Bounds, read_bounds
from sketchlearn.cli.descriptions import describe
from sketchlearn.cli.files import (
    is_of_kind,
    load_operator,
    name_errors,
    require_writable,
)
from sketchlearn.cli.groups import Keys, load_slice
from sketchlearn.cli.options import AsCsv, AsJson, Force, OperatorFile, Output, Seed, SketchFile
from sketchlearn.cli.printing import print_csv, print_json, print_rows
from sketchlearn.cli.reporting import decode_status, note, reword_options, say
from sketchlearn.cli.signals import tell_if_stopped
from sketchlearn.cli.tables import NESTED, tabulate_places
from sketchlearn.cli.usage import parse_count, parse_count_or_none
from sketchlearn.estimators.report import describe_distances

NInit = Annotated[
    int | None,
    typer.Option(
        "--n-init",
        parser=parse_count,
        metavar="NUMBER",
        help="Decodes, of which the best is kept; by default one, up to three if one is missing.",
        show_default=False,
    ),
]


class CovarianceType(StrEnum):
    """Shapes of a mixture's covariances."""

    diag = "diag"
    spherical = "spherical"
    full = "full"


class CountedType(StrEnum):
    """Shapes of the components that clusters are counted by."""

    auto = "auto"
    diag = "diag"
    spherical = "spherical"
    full = "full"


def kmeans(
    sketch: SketchFile,
    output: Output,
    n_clusters: Annotated[
        int,
        typer.Option(
            "--clusters", "-k", parser=parse_count, metavar="NUMBER", help="Number of clusters."
        ),
    ],
    n_init: NInit = None,
    bounds: Bounds = None,
    operator: OperatorFile = None,
    keys: Keys = None,
    seed: Seed = 0,
    is_forced: Force = False,
) -> None:
    """Learn k centroids from a sketch.

    \b
      sketchlearn fit kmeans week.sketch -k 10 -o week.model
      sketchlearn fit kmeans cube.parquet --key country=FR -k 10 -o france.model
    """
    model = CompressiveKMeans(
        n_clusters, n_init="auto" if n_init is None else n_init, random_state=seed
    )
    _fit_and_save(model, (sketch, keys), bounds, operator, output, is_forced)


def gmm(
    sketch: SketchFile,
    output: Output,
    n_components: Annotated[
        int,
        typer.Option(
            *("--components", "--clusters", "-k"),
            parser=parse_count,
            metavar="NUMBER",
            help="Number of Gaussians.",
        ),
    ],
    covariance: Annotated[
        CovarianceType, typer.Option(help="Shape of the covariances.")
    ] = CovarianceType.diag,
    n_init: NInit = None,
    bounds: Bounds = None,
    operator: OperatorFile = None,
    keys: Keys = None,
    seed: Seed = 0,
    is_forced: Force = False,
) -> None:
    """Learn a Gaussian mixture from a sketch.

    \b
      sketchlearn fit gmm week.sketch -k 10 --covariance full -o week.model
    """
    model = CompressiveGaussianMixture(
        n_components,
        covariance_type=covariance.value,
        n_init="auto" if n_init is None else n_init,
        random_state=seed,
    )
    _fit_and_save(model, (sketch, keys), bounds, operator, output, is_forced)


def centroids(
    model: Annotated[Path, typer.Argument(help="A model's file.", show_default=False)],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the centroids of a model, or a mixture's means and standard deviations.

    A line a cluster, the heaviest first: its share of the rows, and its place in each feature.

    \b
      sketchlearn centroids week.model
      sketchlearn centroids week.model --json | jq .centroids
      sketchlearn centroids week.model --csv > centroids.csv
    """
    values = name_errors(describe, model)
    table = name_errors(lambda _: tabulate_places(values), model)
    if as_json:
        shown = ("feature_names", "weights", *NESTED)
        print_json({name: values[name] for name in shown if name in values})
    elif as_csv:
        print_csv(table)
    else:
        print_rows(table)


def count(
    sketch: SketchFile,
    most: Annotated[
        int,
        typer.Option(parser=parse_count, metavar="NUMBER", help="The largest number to try."),
    ] = 20,
    covariance: Annotated[
        CountedType, typer.Option(help="Shape of the clusters.")
    ] = CountedType.auto,
    draws: Annotated[
        int,
        typer.Option(
            parser=parse_count_or_none,
            metavar="NUMBER",
            help="Draws of other noise, for the stability; 0 for none.",
        ),
    ] = 2,
    bounds: Bounds = None,
    operator: OperatorFile = None,
    keys: Keys = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Tell how many clusters a sketch shows, and how far to trust the number.

    It is the number of Gaussians that explain the sketch, fewer not doing so. Where none do, or
    some have no valley between them, it is that of separate heaps of rows, and not resolved. The
    table shows for each number what is left of the sketch, how stable the clusters are when the
    sketch has other noise (1: they stay the same), and how far they stand apart on synthetic rows
    (silhouette, at most 1).

    The sketch should have been made for about as many clusters (--clusters of sketch) as are tried
    here, which should be more than there are.

    \b
      sketchlearn count week.sketch --most 12
      sketchlearn count cube.parquet --key country=FR
    """
    counted = load_slice(sketch, keys, load_operator(operator))
    if most > (m := counted.n_frequencies):
        raise ValueError(
            f"--most must be at most {m}, since a sketch of {m} frequencies cannot tell more "
            f"clusters apart, got {most}; try fewer, or make the sketch for as many (--clusters)"
        )
    with tell_if_stopped("nothing was counted"), decode_status():
        found = count_clusters(
            counted,
            range(1, most + 1),
            covariance_type=covariance.value,
            bounds=read_bounds(bounds, counted.feature_names, counted.n_features),
            n_draws=draws,
            random_state=seed,
        )
    if not as_json:
        typer.echo(reword_options(str(found)))
        return
    print_json(
        {
            "n_clusters": found.n_clusters,
            "explains_the_sketch": found.is_resolved,
            "summary": reword_options(found.summary),
            "cost": [mixture.cost for _, mixture in sorted(found.mixtures.items())],
            "candidates": found.table,
        }
    )


def _fit_and_save(
    model: Any,
    chosen: tuple[Path, list[str] | None],
    bounds: list[str] | None,
    operator: Path | None,
    output: Path,
    is_forced: bool,
) -> None:
    sketch, keys = chosen
    inputs = [sketch, operator] if operator else [sketch]
    require_writable(output, inputs, lambda path: is_of_kind(path, "model"), "a model", is_forced)
    source = load_slice(sketch, keys, load_operator(operator))
    model.set_params(bounds=read_bounds(bounds, source.feature_names, source.n_features))
    with tell_if_stopped("nothing was written"), decode_status():
        model.fit_sketch(source)
    model.save(output)
    hints = describe_distances(source) if isinstance(model, CompressiveKMeans) else []
    _tell_verdict(model, output, hints)


def _tell_verdict(model: Any, output: Path, hints: Sequence[str]) -> None:
    """Write the verdict in one line: on a terminal always, elsewhere unless it is good.

    A doubt that was warned of has had its line. Hints, which no verdict depends on, come after it.
    """
    found = model.report()
    tell = say if hints else note
    if found.verdict == "good":
        tell(f"{output}: good, cost {model.cost_:.4g}; report shows more")
    elif model.doubts_:
        say(f"{output}: {found.verdict}; report shows more")
    else:
        said = reword_options(f"{found.reasons[0]} To change: {found.remedy}")
        say(f"{output}: {found.verdict}; {said} report shows more")
    for hint in hints:
        say(f"{output}: note: {hint}")
