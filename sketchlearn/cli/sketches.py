"""The commands about sketches: sketch, merge, subtract, info, compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sketchlearn import Checkpoint, Sketch, Sketcher, SketchMismatchError, SourceError
from sketchlearn import compare as compared
from sketchlearn.cli.descriptions import describe
from sketchlearn.cli.files import is_of_kind, load_sketch, name_errors, require_writable
from sketchlearn.cli.options import (
    AsJson,
    Clusters,
    Columns,
    Conditions,
    Data,
    Force,
    Frequencies,
    IsKept,
    Jobs,
    Like,
    Output,
    Scale,
    Seed,
    SketchFile,
    SkipsErrors,
    Weight,
    choose_columns,
    parse_conditions,
)
from sketchlearn.cli.printing import print_values
from sketchlearn.cli.reporting import note, progress_bar, say
from sketchlearn.cli.signals import tell_if_stopped
from sketchlearn.sources.opening import open_source
from sketchlearn.sources.source import RowSource

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
    is_forced: Force = False,
) -> None:
    """Turn rows into a sketch, in one pass and bounded memory.

    \b
      sketchlearn sketch sales.parquet -o sales.sketch
      sketchlearn sketch 'day-*.parquet' --columns price,weight -k 8 --checkpoint -o may.sketch
      sketchlearn sketch june.csv --columns price,weight --like may.sketch -o june.sketch
      sketchlearn sketch day.parquet --filter 'price > 0' -m 1000 -o day.sketch
    """
    if like and (n_frequencies, n_clusters, scale) != (None, None, None):
        raise ValueError(
            "--like takes the operator of another sketch: leave out -m, --clusters and --scale"
        )
    source = open_source(data, choose_columns(columns, data), parse_conditions(where), weight)
    _require_sketch(output, [like] if like else [], is_forced, (source, data))
    checkpoint = output.with_name(f"{output.name}.checkpoint") if is_kept else None
    on_error: Any = _Skipped() if skips_errors else "raise"
    sketcher = _find_operator(like, checkpoint, n_frequencies, jobs)
    if sketcher is None:
        note("choosing frequencies on a sample of the rows")
        sketcher = Sketcher(
            "auto" if n_frequencies is None else n_frequencies,
            n_clusters=n_clusters,
            scale="auto" if scale is None else scale,
            keep_pilot=False,
            random_state=seed,
            n_jobs=jobs,
        ).fit(source, on_error=on_error)
    result = _run_pass(sketcher, source, checkpoint, on_error)
    result.save(output)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    note(f"{output}: {_describe_in_a_line(result)}")


def merge(sketches: SketchFiles, output: Output, is_forced: Force = False) -> None:
    """Add sketches: that of all their rows, exactly.

    \b
      sketchlearn merge monday.sketch tuesday.sketch -o week.sketch
    """
    _require_sketch(output, sketches, is_forced)
    _combine_sketches(sketches, Sketch.__add__).save(output)


def subtract(
    sketch: SketchFile,
    taken: Annotated[list[Path], typer.Argument(help="Sketches to take out.", show_default=False)],
    output: Output,
    is_forced: Force = False,
) -> None:
    """Take the rows of sketches out of another.

    \b
      sketchlearn subtract week.sketch monday.sketch -o rest.sketch
    """
    _require_sketch(output, [sketch, *taken], is_forced)
    _combine_sketches([sketch, *taken], Sketch.__sub__).save(output)


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
    print_values(name_errors(describe, file), as_json)


def compare(a: SketchFile, b: SketchFile, as_json: AsJson = False) -> None:
    """Tell how far apart the data of two sketches is.

    The distance of their means is compared with what chance alone would make it. The ratio is about
    1 where both were drawn from one population; the p-value is at most the
    bound that is printed. No row may be in both.

    \b
      sketchlearn sketch june.parquet --like may.sketch -o june.sketch
      sketchlearn compare may.sketch june.sketch
    """
    first = load_sketch(a)
    second = _load_like(b, first, a)
    comparison = compared(first, second)
    print_values(
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
        if name not in self._names:
            self._names.add(name)
            say(f"left out: {error}")


def _find_operator(
    like: Path | None, checkpoint: Path | None, n_frequencies: int | None, jobs: int
) -> Sketcher | None:
    """Return the sketcher of an earlier run's checkpoint, or of another sketch, if there is one."""
    if checkpoint and checkpoint.exists():
        so_far = name_errors(lambda path: Checkpoint(path).load(), checkpoint)
        operator = so_far.sketch.operator
        if n_frequencies not in (None, operator.n_frequencies):
            raise SketchMismatchError(
                f"the checkpoint {checkpoint} is of {operator.n_frequencies} frequencies, not "
                f"{n_frequencies}; delete it to start again"
            )
        if like and load_sketch(like).fingerprint != operator.fingerprint:
            raise SketchMismatchError(
                f"the checkpoint {checkpoint} was made with another operator than {like} has; "
                "delete it to start again"
            )
        say(f"going on from {checkpoint}, after {so_far.n_rows:,} rows")
        return Sketcher.from_sketch(so_far.sketch, n_jobs=jobs)
    return Sketcher.from_sketch(load_sketch(like), n_jobs=jobs) if like else None


def _require_sketch(
    output: Path,
    inputs: list[Path],
    is_forced: bool,
    data: tuple[RowSource, list[str]] | None = None,
) -> None:
    require_writable(
        output, inputs, lambda path: is_of_kind(path, "sketch"), "a sketch", is_forced, data
    )


def _run_pass(
    sketcher: Sketcher, source: RowSource, checkpoint: Path | None, on_error: Any
) -> Sketch:
    """Sketch with a bar; an interrupt says what remains."""
    remains = f"the checkpoint {checkpoint} remains; the same command goes on from it"
    with (
        tell_if_stopped(remains if checkpoint else "nothing was written"),
        progress_bar("sketching") as progress,
    ):
        return sketcher.sketch(
            source, checkpoint=checkpoint, progress=progress or False, on_error=on_error
        )


def _combine_sketches(paths: list[Path], combined: Callable[[Sketch, Sketch], Sketch]) -> Sketch:
    """Combine sketches one after the other, naming the file that does not fit."""
    total = load_sketch(paths[0])
    for path in paths[1:]:
        other = _load_like(path, total, paths[0])
        try:
            total = combined(total, other)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return total


def _load_like(path: Path, other: Sketch, other_path: Path) -> Sketch:
    """Load a sketch that must have another's operator; SketchMismatchError if it has not."""
    sketch = load_sketch(path)
    if sketch.fingerprint != other.fingerprint:
        raise SketchMismatchError(
            f"{path} and {other_path} were made with different operators "
            f"({sketch.fingerprint[:12]} and {other.fingerprint[:12]}); make one of them again "
            "with sketch --like the other"
        )
    return sketch


def _describe_in_a_line(sketch: Sketch) -> str:
    return (
        f"{sketch.n_samples:,} rows of {sketch.operator.n_features} features, "
        f"{sketch.operator.n_frequencies:,} frequencies"
    )
