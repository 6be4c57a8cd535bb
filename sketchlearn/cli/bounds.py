"""Numbers in options: shares, and between which numbers columns are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from sketchlearn.cli.options import split_names
from sketchlearn.cli.usage import UsageError

EXPECTED = "a name, =, the least value, : and the greatest, as age=0:100"

Bounds = Annotated[
    list[str] | None,
    typer.Option(
        "--bounds",
        help="Between which numbers columns are known to be, as age=0:100,income=0: where there is "
        "no greatest; by number, from 0, where they have no names. No cluster is looked for "
        "outside.",
        show_default=False,
    ),
]


def parse_share(text: str | float) -> float:
    """Return a share, which may be written as 0.02 or 2%; BadParameter if it is none."""
    text = str(text).strip()
    number = text.removesuffix("%")
    with suppress(ValueError):
        return float(number) / (100.0 if number != text else 1.0)
    raise typer.BadParameter(f"expected a share, as 0.02 or 2%, got {text!r}")


def parse_interval(text: str, option: str, is_open: bool = False) -> tuple[str, float, float]:
    """Read a column's name, least and greatest value, as age=0:100; an end may be open if allowed.

    Raises
    ------
    UsageError
        If the text is nothing of that kind.
    """
    name, _, bounds = text.rpartition("=")
    lower, _, upper = bounds.partition(":")
    open_ends = (-math.inf, math.inf) if is_open and ":" in bounds else (None, None)
    ends = []
    for end, without in zip((lower, upper), open_ends, strict=True):
        try:
            ends.append(without if without is not None and not end.strip() else float(end))
        except ValueError:
            raise UsageError(f"{option} expects {EXPECTED}, got {text!r}") from None
    return name.strip(), ends[0], ends[1]


def read_bounds(
    options: list[str] | None, names: Sequence[str] | None, n_features: int
) -> tuple[list[float], list[float]] | None:
    """Return corners of a box, infinite along columns that are not named; None without options.

    Raises
    ------
    UsageError
        If an option cannot be read, names a column twice, or leaves nothing between its numbers.
    ValueError
        If an option names no column.
    """
    if not options:
        return None
    known = list(map(str, range(n_features))) if names is None else list(names)
    lower, upper = [-math.inf] * n_features, [math.inf] * n_features
    seen = set()
    for text in split_names(options, "--bounds"):
        name, least, greatest = parse_interval(text, "--bounds", is_open=True)
        if name in seen:
            raise UsageError(f"--bounds: the column {name!r} was named twice")
        if not least <= greatest:
            raise UsageError(
                f"--bounds must have lower below upper, got {name}={least:g}:{greatest:g}"
            )
        if name not in known:
            raise ValueError(f"--bounds: the column {name!r} is none of {', '.join(known)}")
        if least == greatest:
            raise UsageError(
                f"--bounds: {name}={least:g}:{greatest:g} leaves no room: a constant column needs "
                "none, leave it out"
            )
        seen.add(name)
        lower[known.index(name)], upper[known.index(name)] = least, greatest
    return lower, upper
