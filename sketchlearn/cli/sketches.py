"""The commands about sketches: sketch, merge, subtract, info, compare."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sketchlearn import Checkpoint, Sketch, Sketcher, SketchMismatchError, SourceError
from sketchlearn import compare as compared
from sketchlearn.cli.descriptions import described
from sketchlearn.cli.files import named, require_writable, sketch_in
from sketchlearn.cli.options import (
    Clusters,
    Columns,
    Conditions,
    Data,
    Frequencies,
    IsKept,
    Jobs,
    Like,
    Output,
    Scale,
    Seed,
    SkipsErrors,
    Weight,
    chosen_columns,
    conditions,
)
from sketchlearn.cli.reporting import note, progress_bar, say

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SketchFile = Annotated[Path, typer.Argument(help="A sketch's file.", show_default=False)]
SketchFiles = Annotated[list[Path], typer.Argument(help="Sketch files.", show_default=False)]


def sketch(
    data: Data,
    output: Output,
    n_frequencies: Frequencies = None,
    n_clusters: Clusters = None,
    scale: Scale = None,
    columns: Columns = None,
    where: Conditions = None,
    weight: Weight = None,
    like: Like = None,
    is_kept: IsKept = False,
    skips_errors: SkipsErrors = False,
    seed: Seed = 0,
    jobs: Jobs = -1,
) -> None:
    """Turn rows into a sketch, in one pass and bounded memory.

    \b
      sketchlearn sketch sales.parquet -o sales.sketch
      sketchlearn sketch 'day-*.parquet' --columns price,weight -k 8 --checkpoint -o may.sketch
      sketchlearn sketch june.csv --columns price,weight --like may.sketch -o june.sketch
      sketchlearn sketch rows.npy --filter 'price > 0' -m 1000 -o rows.sketch
    """
    if like and (n_frequencies, n_clusters, scale) != (None, None, None):
        raise ValueError(
            "--like takes the operator of another sketch: leave out -m, --clusters and --scale"
        )
    require_writable(output)
    checkpoint = output.with_name(f"{output.name}.checkpoint") if is_kept else None
    query: dict[str, Any] = {
        "sample_weight": weight,
        "columns": chosen_columns(columns, data),
        "filter": conditions(where),
        "on_error": _Skipped() if skips_errors else "raise",
    }
    sketcher = _operator_at_hand(like, checkpoint, n_frequencies, jobs)
    if sketcher is None:
        note("choosing frequencies on a sample of the rows")
        sketcher = Sketcher(
            "auto" if n_frequencies is None else n_frequencies,
            n_clusters=n_clusters,
            scale="auto" if scale is None else scale,
            keep_pilot=False,
            random_state=seed,
            n_jobs=jobs,
        ).fit(data, **query)
    result = _sketched(sketcher, data, checkpoint, query)
    result.save(output)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    note(f"{output}: {_in_words(result)}")


def merge(sketches: SketchFiles, output: Output) -> None:
    """Add sketches: that of all their rows, exactly.

    \b
      sketchlearn merge monday.sketch tuesday.sketch -o week.sketch
    """
    require_writable(output)
    _combine(sketches, Sketch.__add__).save(output)


def subtract(
    sketch: SketchFile,
    taken: Annotated[list[Path], typer.Argument(help="Sketches to take out.", show_default=False)],
    output: Output,
) -> None:
    """Take the rows of sketches out of another.

    \b
      sketchlearn subtract week.sketch monday.sketch -o rest.sketch
    """
    require_writable(output)
    _combine([sketch, *taken], Sketch.__sub__).save(output)


def info(
    file: Annotated[
        Path, typer.Argument(help="A sketch, model or checkpoint.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Say what a file holds.

    \b
      sketchlearn info week.sketch
      sketchlearn info week.sketch --json | jq .n_samples
    """
    _print(named(described, file), as_json)


def compare(a: SketchFile, b: SketchFile, as_json: AsJson = False) -> None:
    """Tell how far apart the data of two sketches is.

    The distance of their means is compared with what chance alone would make it. The ratio is about
    1 where both were drawn from one population; the p-value is at most the
    bound that is printed. No row may be in both.

    \b
      sketchlearn sketch june.parquet --like may.sketch -o june.sketch
      sketchlearn compare may.sketch june.sketch
    """
    first, second = sketch_in(a), _loaded_like(b, sketch_in(a), a)
    comparison = compared(first, second)
    _print(
        {
            "distance": comparison.distance,
            "standard_error": comparison.standard_error,
            "ratio": comparison.ratio,
            "p_value_bound": comparison.p_value_bound,
            "n_samples": [first.n_samples, second.n_samples],
        },
        as_json,
    )


class _Skipped:
    """Says once of each file that it is left out."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def __call__(self, name: str, error: SourceError) -> None:
        """Say that a file is left out, and why."""
        if name not in self._names:
            self._names.add(name)
            say(f"left out: {error}")


def _operator_at_hand(
    like: Path | None, checkpoint: Path | None, n_frequencies: int | None, jobs: int
) -> Sketcher | None:
    """Give the sketcher of an earlier run's checkpoint, or of another sketch, if there is one."""
    if checkpoint and checkpoint.exists():
        so_far = named(lambda path: Checkpoint(path).load(), checkpoint)
        operator = so_far.sketch.operator
        if n_frequencies not in (None, operator.n_frequencies):
            raise SketchMismatchError(
                f"the checkpoint {checkpoint} is of {operator.n_frequencies} frequencies, not "
                f"{n_frequencies}; delete it to start again"
            )
        if like and sketch_in(like).fingerprint != operator.fingerprint:
            raise SketchMismatchError(
                f"the checkpoint {checkpoint} was made with another operator than {like} has; "
                "delete it to start again"
            )
        say(f"going on from {checkpoint}, after {so_far.n_rows:,} rows")
        return Sketcher.from_operator(operator, n_jobs=jobs)
    return Sketcher.from_operator(sketch_in(like).operator, n_jobs=jobs) if like else None


def _sketched(
    sketcher: Sketcher, data: list[str], checkpoint: Path | None, query: dict[str, Any]
) -> Sketch:
    """Sketch with a bar; an interrupt says what remains."""
    try:
        with progress_bar("sketching") as progress:
            return sketcher.sketch(data, checkpoint=checkpoint, progress=progress, **query)
    except KeyboardInterrupt:
        remains = f"the checkpoint {checkpoint} remains; the same command goes on from it"
        raise KeyboardInterrupt(remains if checkpoint else "nothing was written") from None


def _combine(paths: list[Path], combined: Callable[[Sketch, Sketch], Sketch]) -> Sketch:
    """Combine sketches one after the other, naming the file that does not fit."""
    total = sketch_in(paths[0])
    for path in paths[1:]:
        other = _loaded_like(path, total, paths[0])
        try:
            total = combined(total, other)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return total


def _loaded_like(path: Path, other: Sketch, other_path: Path) -> Sketch:
    """Load a sketch that must have another's operator.

    Raises
    ------
    SketchMismatchError
        If it has not.
    """
    sketch = sketch_in(path)
    if sketch.fingerprint != other.fingerprint:
        raise SketchMismatchError(
            f"{path} and {other_path} were made with different operators "
            f"({sketch.fingerprint[:12]} and {other.fingerprint[:12]}); make one of them again "
            "with sketch --like the other"
        )
    return sketch


def _in_words(sketch: Sketch) -> str:
    """A line about a sketch."""
    return (
        f"{sketch.n_samples:,} rows of {sketch.operator.n_features} features, "
        f"{sketch.operator.n_frequencies:,} frequencies"
    )


def _print(values: dict[str, object], as_json: bool) -> None:
    """Print values by name, as JSON or as a table."""
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in values.items():
        table.add_row(name.replace("_", " "), _text(value))
    Console(soft_wrap=True, highlight=False).print(table)


def _text(value: object) -> str:
    """Give a value for people."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(one)}" for name, one in value.items())
    if isinstance(value, list):
        shown = [_text(one) for one in value[:8]]
        return ", ".join(shown) + (f", ... ({len(value)})" if len(value) > 8 else "")
    return str(value)
