"""The commands about private sketches: domain, release; and the files of domains."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from sketchlearn._validation import check_positive
from sketchlearn.cli.bounds import parse_interval, parse_share
from sketchlearn.cli.files import (
    is_of_kind,
    load_operator,
    load_sketch,
    name_errors,
    require_writable,
)
from sketchlearn.cli.options import Force, OperatorFile, Output, split_names
from sketchlearn.cli.reporting import note
from sketchlearn.cli.usage import UsageError, blame_usage, parse_count, parse_number
from sketchlearn.files.atomic import write_atomically
from sketchlearn.files.registry import NONSENSE
from sketchlearn.files.strict_json import parse_strictly, write_canonically
from sketchlearn.privacy import Budget
from sketchlearn.privacy import release as released
from sketchlearn.privacy.format import PRIVATE_FILE
from sketchlearn.sketching.portable import check_box, check_names

FORMAT = {"format": "sketchlearn-domain", "format_version": 1}
RADIUS = "radius"


class NeighborChoice(StrEnum):
    """What neighbouring data sets are."""

    ADD_REMOVE = "add-remove"
    REPLACE = "replace"


class Box(NamedTuple):
    """Columns that are to be sketched, between which numbers each is said to be, and a radius."""

    names: list[str]
    lower: list[float]
    upper: list[float]
    radius: float | None = None


def domain(
    output: Output,
    columns: Annotated[
        list[str],
        typer.Option(
            "--columns",
            help="Columns with the least and the greatest value that each may have, as "
            "age=0:100,income=0:200000. Take what is known without the data.",
            show_default=False,
        ),
    ],
    radius: Annotated[
        float | None,
        typer.Option(
            parser=parse_number,
            metavar="NUMBER",
            help="How far from the middle rows are at most, in halves of these widths; for many "
            "columns, of which no row is extreme in all.",
            show_default=False,
        ),
    ] = None,
    is_forced: Force = False,
) -> None:
    """Write a file that says between which numbers columns are, whatever the data holds.

    Rows that are sketched with it count as if cut to these numbers, and the sketch can be released.

    \b
      sketchlearn domain --columns age=0:100,income=0:200000 -o domain.json
      sketchlearn sketch people.parquet --domain domain.json -o people.sketch
    """
    require_writable(output, [], _is_domain, "a domain", is_forced)
    named = split_names(columns, "--columns")
    with blame_usage():
        box = _make_box([parse_interval(one, "--columns") for one in named], radius)
    rows = [
        {"name": name, "lower": lower, "upper": upper}
        for name, lower, upper in zip(box.names, box.lower, box.upper, strict=True)
    ]
    said = {**FORMAT, "columns": rows, **({} if radius is None else {RADIUS: box.radius})}
    write_atomically(output, f"{write_canonically(said)}\n".encode())


def release(
    sketch: Annotated[Path, typer.Argument(help="A sketch's file.", show_default=False)],
    output: Output,
    epsilon: Annotated[
        float,
        typer.Option(
            parser=parse_number,
            metavar="NUMBER",
            help="How much may become known of a row.",
            show_default=False,
        ),
    ],
    delta: Annotated[
        float,
        typer.Option(
            parser=parse_number,
            metavar="NUMBER",
            help="With which probability more may: far below one over the number of rows.",
            show_default=False,
        ),
    ],
    neighbors: Annotated[
        NeighborChoice,
        typer.Option(help="Whether a person's rows are there or not, or others in their place."),
    ] = NeighborChoice.ADD_REMOVE,
    rows_per_person: Annotated[
        int,
        typer.Option(parser=parse_count, metavar="NUMBER", help="The most rows that a person has."),
    ] = 1,
    moments_share: Annotated[
        float,
        typer.Option(
            parser=parse_share,
            metavar="SHARE",
            help="Share of the loss for number of rows, means and covariances.",
        ),
    ] = 0.1,
    operator: OperatorFile = None,
    is_forced: Force = False,
) -> None:
    """Release a sketch with noise that protects every row: a private sketch, for anybody.

    The sketch must have been made with --domain. Each release of the same rows costs as much again:
    release once, and learn everything from what was released.

    \b
      sketchlearn release people.sketch -o people.private --epsilon 1 --delta 1e-6
      sketchlearn fit kmeans people.private -k 8 -o people.model
    """
    with blame_usage():
        budget = Budget(epsilon, delta)
    if not 0.0 < moments_share < 1.0:
        raise UsageError(f"--moments-share must be between 0 and 1, got {moments_share:g}")
    if output.is_file() and is_of_kind(output, PRIVATE_FILE.noun) and not is_forced:
        raise ValueError(
            f"{output} is a release already, and a second one of the same rows adds to what the "
            "first cost: choose another name, or replace it with --force"
        )
    inputs = [sketch, operator] if operator else [sketch]
    require_writable(
        output,
        inputs,
        lambda path: is_of_kind(path, PRIVATE_FILE.noun),
        "a private sketch",
        is_forced,
    )
    private = released(
        load_sketch(sketch, load_operator(operator)),
        epsilon=epsilon,
        delta=delta,
        neighbors=neighbors.value,
        rows_per_person=rows_per_person,
        moments_share=moments_share,
        budget=budget,
    )
    private.save(output)
    note(
        f"{output}: epsilon {private.epsilon:.4g} at delta {private.delta:.3g}, "
        f"about {private.n_samples:,} rows"
    )


def read_domain(path: Path) -> Box:
    """Read what `domain` wrote; a ValueError that names the file where it is none."""
    return name_errors(_read, path)


def _read(path: Path) -> Box:
    try:
        said = parse_strictly(path.read_text(encoding="utf-8"))
        is_own = {name: said[name] for name in FORMAT} == FORMAT
        is_own &= {*said} - {RADIUS} == {*FORMAT, "columns"}
        rows = [(row["name"], row["lower"], row["upper"]) for row in said["columns"]]
    except NONSENSE as error:
        raise ValueError(f"this is no domain that the command domain wrote ({error!r})") from error
    if not is_own or not rows:
        raise ValueError("this is no domain that the command domain wrote")
    return _make_box(rows, said.get(RADIUS))


def _make_box(rows: Sequence[tuple[str, float, float]], radius: float | None) -> Box:
    """Return the box of columns and a radius; a TypeError or ValueError where that is none."""
    names, lower, upper = (list(part) for part in zip(*rows, strict=True))
    box = Box(names, lower, upper, radius)
    check_names(box.names, len(box.names))
    check_box(box.lower, box.upper)
    if box.radius is not None:
        check_positive(box.radius, RADIUS)
    return box


def _is_domain(path: Path) -> bool:
    try:
        _read(path)
    except ValueError:
        return False
    return True
