"""The commands about models: fit kmeans, fit gmm, predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans
from sketchlearn.cli.files import model_in, replaced_when_done, require_writable, sketch_in
from sketchlearn.cli.options import (
    Columns,
    Conditions,
    Data,
    Output,
    Seed,
    chosen_columns,
    conditions,
)
from sketchlearn.cli.reporting import decode_status, note, progress_bar
from sketchlearn.sketching import RowSource, open_source

SketchFile = Annotated[Path, typer.Argument(help="A sketch's file.", show_default=False)]
LABEL_FILES = (".parquet", ".pq", ".csv")
NInit = Annotated[
    int | None,
    typer.Option(
        "--n-init",
        help="Decodes, of which the best is kept; by default one, up to six while one is missing.",
        show_default=False,
    ),
]


class CovarianceType(StrEnum):
    """Shapes of a mixture's covariances."""

    diag = "diag"
    spherical = "spherical"
    full = "full"


def kmeans(
    sketch: SketchFile,
    output: Output,
    n_clusters: Annotated[int, typer.Option("--clusters", "-k", help="Number of clusters.")],
    n_init: NInit = None,
    seed: Seed = 0,
) -> None:
    """Learn k centroids from a sketch.

    \b
      sketchlearn fit kmeans week.sketch -k 10 -o week.model
    """
    model = CompressiveKMeans(
        n_clusters, n_init="auto" if n_init is None else n_init, random_state=seed
    )
    _fit(model, sketch, output)


def gmm(
    sketch: SketchFile,
    output: Output,
    n_components: Annotated[int, typer.Option("--components", "-k", help="Number of Gaussians.")],
    covariance: Annotated[
        CovarianceType, typer.Option(help="Shape of the covariances.")
    ] = CovarianceType.diag,
    n_init: NInit = None,
    seed: Seed = 0,
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
    _fit(model, sketch, output)


def predict(
    model: Annotated[Path, typer.Argument(help="A model's file.", show_default=False)],
    data: Data,
    output: Output,
    columns: Columns = None,
    where: Conditions = None,
) -> None:
    """Write every row's cluster to a Parquet or CSV file.

    In bounded memory. The one column, label, is in the order of the rows.

    \b
      sketchlearn predict week.model 'day-*.parquet' --columns price,weight -o labels.parquet
    """
    require_writable(output)
    if output.suffix.lower() not in LABEL_FILES:
        raise ValueError(
            f"labels are written to files that end in {', '.join(LABEL_FILES)}, got {output.name}"
        )
    estimator: Any = model_in(model)
    source = open_source(data, chosen_columns(columns, data), conditions(where))
    source.expect(estimator.n_features_in_, getattr(estimator, "feature_names_in_", None))
    # The rows come without their names, which were compared.
    estimator.__dict__.pop("feature_names_in_", None)
    with (
        replaced_when_done(output) as temporary,
        _label_writer(temporary, output.suffix.lower()) as write,
        progress_bar("labelling") as progress,
    ):
        n_rows, total = 0, source.n_rows()
        for labels in _labels(estimator, source):
            write(labels)
            n_rows += len(labels)
            progress(n_rows, total)
    note(f"{output}: {n_rows:,} labels")


def _labels(estimator: Any, source: RowSource) -> Iterator[np.ndarray]:
    """Predict chunk by chunk, naming the file of rows that cannot be."""
    for part in source.parts:
        for chunk in source.read(part):
            try:
                labels = estimator.predict(chunk.rows)
            except ValueError as error:
                raise ValueError(f"{part.name}: {error}") from error
            yield labels


def _fit(model: Any, sketch: Path, output: Path) -> None:
    """Fit on a sketch and save."""
    require_writable(output)
    try:
        with decode_status():
            model.fit_sketch(sketch_in(sketch))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("nothing was written") from None
    model.save(output)
    note(f"{output}: a {type(model).__name__}, cost {model.cost_:.4g}")


@contextmanager
def _label_writer(path: Path, ending: str) -> Iterator[Callable[[np.ndarray], None]]:
    """Give what adds labels to a file of one column."""
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("labels are written by pyarrow: install sketchlearn[cli]") from error
    schema = pyarrow.schema([("label", pyarrow.int32())])
    opened = pyarrow.csv.CSVWriter if ending == ".csv" else pyarrow.parquet.ParquetWriter
    with opened(path, schema) as writer:

        def write(labels: np.ndarray) -> None:
            column = pyarrow.array(labels, type=pyarrow.int32())
            writer.write_batch(pyarrow.record_batch([column], schema=schema))

        yield write
