"""The commands that combine sketches: merge, subtract."""

from __future__ import annotations

from collections.abc import Callable
from operator import add, sub
from pathlib import Path
from typing import Annotated, Any

import typer

from sketchlearn import Sketch
from sketchlearn.cli.files import (
    is_of_kind,
    is_parquet,
    load_operator,
    load_sketch,
    name_errors,
    require_same_operator,
    require_writable,
)
from sketchlearn.cli.groups import combine_tables, is_table
from sketchlearn.cli.options import Force, IsBare, OperatorFile, Output, SketchFile
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.privacy import PrivateSketch
from sketchlearn.privacy.format import PRIVATE_FILE

SketchFiles = Annotated[
    list[Path], typer.Argument(help="Sketch files, or tables of sketches.", show_default=False)
]


def merge(
    sketches: SketchFiles,
    output: Output,
    operator: OperatorFile = None,
    is_bare: IsBare = False,
    is_forced: Force = False,
) -> None:
    """Add sketches: that of all their rows, exactly.

    Tables of sketches, as sketch --by writes them, are added key by key.

    \b
      sketchlearn merge monday.sketch tuesday.sketch -o week.sketch
      sketchlearn merge monday.parquet tuesday.parquet -o week.parquet
      sketchlearn merge here.private there.private -o both.private
    """
    released, others = _split_releases(sketches)
    if released and others:
        raise ValueError(
            f"{released[0]} is a release and {others[0]} is none: releases are added to releases, "
            "and sketches to sketches before they are released"
        )
    if released:
        _merge_private(sketches, output, is_forced)
        return
    _combine_and_save(sketches, operator, add, output, is_bare, is_forced)


def subtract(
    sketch: SketchFile,
    taken: Annotated[
        list[Path], typer.Argument(help="Sketches, or tables, to take out.", show_default=False)
    ],
    output: Output,
    operator: OperatorFile = None,
    is_bare: IsBare = False,
    is_forced: Force = False,
) -> None:
    """Take the rows of sketches out of another.

    Of tables of sketches, as sketch --by writes them, key by key; a group without rows goes.

    \b
      sketchlearn subtract week.sketch monday.sketch -o rest.sketch
    """
    if released := _split_releases([sketch, *taken])[0]:
        raise ValueError(
            f"{released[0]} is a release, whose rows cannot be taken out: subtract exact sketches, "
            "and release what is left"
        )
    _combine_and_save([sketch, *taken], operator, sub, output, is_bare, is_forced)


def _split_releases(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files that are releases, and the others."""
    # A pipe is read once, and says by itself what it is.
    files = [path for path in paths if path.is_file()]
    released = [path for path in files if is_of_kind(path, PRIVATE_FILE.noun)]
    return released, [path for path in paths if path not in released]


def _combine_and_save(
    paths: list[Path],
    operator: Path | None,
    combined: Callable[[Any, Any], Any],
    output: Path,
    is_bare: bool,
    is_forced: bool,
) -> None:
    """Combine sketches, or tables, one after the other and save what comes out.

    Errors name the file.
    """
    inputs = [*paths, operator] if operator else paths
    if any(map(is_parquet, paths)):
        if is_bare:
            raise ValueError("--bare is for sketches, and a table holds its operator: leave it out")
        require_writable(output, inputs, is_table, "a table of sketches", is_forced)
        combine_tables(paths, load_operator(operator), combined).to_parquet(output)
        return
    require_writable(output, inputs, lambda path: is_of_kind(path, "sketch"), "a sketch", is_forced)
    given = load_operator(operator)
    total = load_sketch(paths[0], given)
    for path in paths[1:]:
        other = _load_like(path, given, total, paths[0])
        try:
            total = combined(total, other)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    total.save(output, operator=not is_bare)


def _merge_private(paths: list[Path], output: Path, is_forced: bool) -> None:
    """Add private sketches, of other people's rows each, and save their sum."""
    noun = PRIVATE_FILE.noun
    require_writable(output, paths, lambda path: is_of_kind(path, noun), "a release", is_forced)
    total, *others = (name_errors(PrivateSketch.load, path) for path in paths)
    for other in others:
        total = total + other
    total.save(output)


def _load_like(
    path: Path, operator: FrequencyOperator | None, other: Sketch, other_path: Path
) -> Sketch:
    """Load a sketch that must have another's operator; SketchMismatchError if it has not."""
    sketch = load_sketch(path, operator)
    require_same_operator(sketch, path, other, other_path)
    return sketch
