"""The commands about one sketch: sketch, operator, info."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sketchlearn import (
    Checkpoint,
    Sketch,
    Sketcher,
    SketchFormatError,
    SketchMismatchError,
    SourceError,
)
from sketchlearn.cli.descriptions import describe
from sketchlearn.cli.files import (
    is_of_kind,
    is_parquet,
    load_operator,
    load_sketch,
    name_errors,
    require_writable,
)
from sketchlearn.cli.groups import (
    MOST_BYTES,
    By,
    MaxMemory,
    describe_table,
    is_table,
    read_table,
)
from sketchlearn.cli.options import (
    MOMENTS,
    AsCsv,
    AsJson,
    Clusters,
    Columns,
    Conditions,
    Data,
    Features,
    FeaturesChoice,
    Force,
    Frequencies,
    IsBare,
    IsKept,
    Jobs,
    Like,
    MomentKind,
    OperatorFile,
    Output,
    Paired,
    Scale,
    Seed,
    SketchFile,
    SkipsErrors,
    Transform,
    TransformChoice,
    Weight,
    choose_columns,
    parse_conditions,
    quote_names,
    split_names,
)
from sketchlearn.cli.printing import print_csv, print_json, print_rows, print_values
from sketchlearn.cli.releases import Box, read_domain
from sketchlearn.cli.reporting import note, progress_bar, say
from sketchlearn.cli.signals import tell_if_stopped
from sketchlearn.cli.tables import NESTED, tabulate_columns, tabulate_places
from sketchlearn.cli.usage import UsageError, blame_usage
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.format import SKETCH_FILE
from sketchlearn.sketching.pairing import check_paired
from sketchlearn.sources.opening import open_source
from sketchlearn.sources.row_keys import KeyIndex
from sketchlearn.sources.source import RowSource


def sketch(
    data: Data,
    output: Output,
    n_frequencies: Frequencies = None,
    n_clusters: Clusters = None,
    scale: Scale = None,
    features: Features = None,
    transform: Transform = None,
    moments: MomentKind = None,
    columns: Columns = None,
    where: Conditions = None,
    weight: Weight = None,
    by: By = None,
    max_memory: MaxMemory = None,
    like: Like = None,
    operator: Annotated[
        Path | None,
        typer.Option(
            "--operator",
            help="The file of an operator to use; with --like, of that sketch's, if it was written "
            "with --bare.",
            show_default=False,
        ),
    ] = None,
    domain: Annotated[
        Path | None,
        typer.Option(
            "--domain",
            help="A file of the command domain: its columns, cut to its numbers; for a sketch that "
            "is to be released.",
            show_default=False,
        ),
    ] = None,
    is_paired: Paired = False,
    is_bare: IsBare = False,
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
      sketchlearn sketch day.parquet --operator shop.operator --bare -o day.sketch
      sketchlearn sketch people.parquet --domain domain.json -o people.sketch
      sketchlearn sketch sales.parquet --columns price,weight --by day,country -o cube.parquet
    """
    inputs = [path for path in (like, operator) if path]
    box = None if domain is None else read_domain(domain)
    if box and (inputs or columns or weight or scale is not None or moments is not None):
        raise UsageError(
            "--domain says which columns there are and makes an operator of them, and rows without "
            "weights can be released: leave out --like, --operator, --columns, --weight, "
            "--scale and --moments"
        )
    drawn = n_frequencies, n_clusters, scale, features, moments, transform
    if inputs and any(choice is not None for choice in drawn):
        taken = "--like takes the operator of another sketch", "--operator takes one as it is"
        what = taken[like is None]
        raise UsageError(
            f"{what}: leave out -m, --clusters, --scale, --features, --moments and --transform"
        )
    if inputs and is_paired:
        raise UsageError(
            "--paired is said when an operator is drawn, and --like and --operator take one that "
            "is there: leave it out"
        )
    with blame_usage():
        check_paired(
            is_paired,
            (transform or TransformChoice.auto).value,
            (features or FeaturesChoice.waves).value,
        )
    if is_bare and not inputs:
        raise UsageError(
            "--bare leaves out an operator that is kept elsewhere: give it with --operator or "
            "--like (the command operator writes a sketch's to a file of its own)"
        )
    if by and (is_bare or is_kept or skips_errors):
        raise UsageError(
            "--by writes a table that holds its operator once, of files all of which can be read: "
            "leave out --bare, --checkpoint and --skip-errors"
        )
    if max_memory is not None and not by:
        raise UsageError("--max-memory limits a table of sketches: give it with --by")
    chosen = choose_columns(columns if box is None else quote_names(box.names), data)
    conditions, names = parse_conditions(where), split_names(by, "--by") if by else None
    source = open_source(data, chosen, conditions, weight, KeyIndex(names) if names else None)
    read = [*inputs, domain] if domain else inputs
    if names:
        is_alike, noun = is_table, "a table of sketches"
        require_writable(output, read, is_alike, noun, is_forced, (source, data))
    else:
        _require_sketch(output, read, is_forced, (source, data))
    checkpoint = output.with_name(f"{output.name}.checkpoint") if is_kept else None
    kinds = (features or FeaturesChoice.waves).value, (transform or TransformChoice.auto).value
    on_error: Any = _Skipped() if skips_errors else "raise"
    sketcher = _find_operator(like, operator, checkpoint, n_frequencies, jobs)
    if sketcher is None and box is not None:
        sketcher = _draw_operator(
            box, source.layout.names, kinds, n_clusters, n_frequencies, is_paired, seed, jobs
        )
    if sketcher is None:
        note("choosing frequencies on a sample of the rows")
        sketcher = Sketcher(
            "auto" if n_frequencies is None else n_frequencies,
            n_clusters=n_clusters,
            scale="auto" if scale is None else scale,
            features=kinds[0],
            operator=kinds[1],
            paired=is_paired,
            moments=MOMENTS[moments],
            keep_pilot=False,
            random_state=seed,
            n_jobs=jobs,
        ).fit(source, on_error=on_error)
    if names:
        most = MOST_BYTES if max_memory is None else max_memory
        _write_table(output, sketcher, data, names, weight, chosen, conditions, most)
        return
    result = _run_pass(sketcher, source, checkpoint, on_error)
    if operator and not like and result.n_samples:
        # An operator knows no names; these tell columns that come in another order.
        result = replace(result, feature_names=source.layout.names)
    result.save(output, operator=not is_bare)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    note(f"{output}: {_describe_in_a_line(result)}")


def operator(sketch: SketchFile, output: Output, is_forced: Force = False) -> None:
    """Write the operator of a sketch, or of a table of sketches, to a file of its own.

    Sketches may then be written without it, with --bare, and be read with --operator; and
    tomorrow's are made by the same one.

    \b
      sketchlearn operator monday.sketch -o shop.operator
      sketchlearn sketch tuesday.parquet --operator shop.operator --bare -o tuesday.sketch
    """
    require_writable(
        output, [sketch], lambda path: is_of_kind(path, "operator"), "an operator", is_forced
    )
    if is_table(sketch):
        read_table(sketch, None).operator.save(output)
        return
    stored = name_errors(SKETCH_FILE.load, sketch)
    if stored.operator is None:
        raise SketchFormatError(
            f"{sketch} was written without its operator, {stored.fingerprint}, which is in another "
            "file"
        )
    stored.operator.save(output)


def info(
    file: Annotated[
        Path,
        typer.Argument(
            help="A sketch, operator, model, checkpoint or table of sketches.", show_default=False
        ),
    ],
    operator: OperatorFile = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what a file holds; of a model, its centroids.

    With --csv a model's centroids, or a sketch's means and standard deviations of columns.

    \b
      sketchlearn info week.sketch
      sketchlearn info week.sketch --json | jq .n_samples
      sketchlearn info week.model --csv > centroids.csv
      sketchlearn info cube.parquet
    """
    given = load_operator(operator)
    if is_parquet(file):
        if as_csv:
            raise ValueError(
                "--csv shows a model's centroids, or a sketch's means and standard deviations, "
                f"and {file} is a table of sketches: leave it out, or take --json"
            )
        print_values(describe_table(file, given), as_json)
        return
    values = name_errors(lambda path: describe(path, given), file)
    has_places = any(name in values for name in NESTED)
    if as_csv:
        tabulate = tabulate_places if has_places else tabulate_columns
        print_csv(name_errors(lambda _: tabulate(values), file))
        return
    if as_json:
        print_json(values)
        return
    print_values({name: one for name, one in values.items() if name not in NESTED}, False)
    if has_places:
        print_rows(tabulate_places(values))


class _Skipped:
    """Says once of each file that it is left out."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def __call__(self, name: str, error: SourceError) -> None:
        if name not in self._names:
            self._names.add(name)
            say(f"left out: {error}")


def _find_operator(
    like: Path | None,
    operator: Path | None,
    checkpoint: Path | None,
    n_frequencies: int | None,
    jobs: int,
) -> Sketcher | None:
    """Return the sketcher of an earlier run's checkpoint, a sketch or an operator, if there is one.

    Those that there are must agree.
    """
    given = load_operator(operator)
    other = _load_example(like, given) if like else None
    if checkpoint and checkpoint.exists():
        so_far = name_errors(lambda path: Checkpoint(path).load(), checkpoint)
        theirs = so_far.sketch.operator
        if n_frequencies not in (None, theirs.n_frequencies):
            raise SketchMismatchError(
                f"the checkpoint {checkpoint} is of {theirs.n_frequencies} frequencies, not "
                f"{n_frequencies}; delete it to start again"
            )
        expected = other.operator if other else given
        if expected and expected.fingerprint != theirs.fingerprint:
            raise SketchMismatchError(
                f"the checkpoint {checkpoint} was made with another operator than "
                f"{like or operator} has; delete it to start again"
            )
        say(f"going on from {checkpoint}, after {so_far.n_rows:,} rows")
        return Sketcher.from_sketch(so_far.sketch, n_jobs=jobs)
    if other:
        return Sketcher.from_sketch(other, n_jobs=jobs)
    return Sketcher.from_operator(given, n_jobs=jobs) if given else None


def _load_example(path: Path, operator: FrequencyOperator | None) -> Sketch:
    """Load a sketch, or all groups of a table, for its operator and its columns."""
    if is_table(path):
        return read_table(path, operator).total()
    return load_sketch(path, operator)


def _draw_operator(
    box: Box,
    names: Sequence[str] | None,
    kinds: tuple[str, str],
    n_clusters: int | None,
    n_frequencies: int | None,
    is_paired: bool,
    seed: int,
    jobs: int,
) -> Sketcher:
    """Return a sketcher of a domain's box, its columns named if the data's are.

    Where nobody asks for another, its operator is a matrix, as of `Sketcher.from_domain`.
    """
    return Sketcher.from_domain(
        box.lower,
        box.upper,
        n_clusters=n_clusters,
        n_frequencies="auto" if n_frequencies is None else n_frequencies,
        feature_names=names and box.names,
        clip=True,
        features=kinds[0],
        operator=kinds[1].replace("auto", "dense"),
        paired=is_paired,
        radius=box.radius,
        random_state=seed,
        n_jobs=jobs,
    )


def _write_table(
    output: Path,
    sketcher: Sketcher,
    data: list[str],
    by: list[str],
    weight: str | None,
    columns: Any,
    conditions: Any,
    max_memory: int,
) -> None:
    """Sketch by key, with a bar, and write the table."""
    with tell_if_stopped("nothing was written"), progress_bar("sketching") as progress:
        table = sketcher.sketch_groups(
            *(data, by, weight),
            columns=columns,
            filter=conditions,
            max_memory=max_memory,
            progress=progress or False,
        )
    table.to_parquet(output)
    note(f"{output}: {len(table):,} groups, {int(table.n_samples.sum()):,} rows")


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


def _describe_in_a_line(sketch: Sketch) -> str:
    return (
        f"{sketch.n_samples:,} rows of {sketch.operator.n_features} features, "
        f"{sketch.operator.n_frequencies:,} frequencies"
    )
