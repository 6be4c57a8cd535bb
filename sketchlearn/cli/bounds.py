"""Numbers in options: whole ones, and between which ones columns are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from sketchlearn.cli.options import split_names

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


def parse_whole_number(text: str) -> int:
    """Return a whole number, which may be written as 1e9; BadParameter if it is none."""
    with suppress(ValueError):
        if (number := float(text)).is_integer():
            return int(number)
    raise typer.BadParameter(f"expected a whole number, as 1000000 or 1e6, got {text!r}")


def parse_share(text: str) -> float:
    """Return a share, which may be written as 0.02 or 2%; BadParameter if it is none."""
    number = text.strip().removesuffix("%")
    with suppress(ValueError):
        return float(number) / (100.0 if number != text.strip() else 1.0)
    raise typer.BadParameter(f"expected a share, as 0.02 or 2%, got {text!r}")


def parse_interval(text: str, option: str, is_open: bool = False) -> tuple[str, float, float]:
    """Read a column's name, least and greatest value, as age=0:100; an end may be open if allowed.

    Raises
    ------
    ValueError
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
            raise ValueError(f"{option} expects {EXPECTED}, got {text!r}") from None
    return name.strip(), ends[0], ends[1]


def read_bounds(
    options: list[str] | None, names: Sequence[str] | None, n_features: int
) -> tuple[list[float], list[float]] | None:
    """Return corners of a box, infinite along columns that are not named; None without options.

    Raises
    ------
    ValueError
        If an option cannot be read, or names no column, or one twice.
    """
    if not options:
        return None
    known = list(map(str, range(n_features))) if names is None else list(names)
    lower, upper = [-math.inf] * n_features, [math.inf] * n_features
    seen = set()
    for text in split_names(options, "--bounds"):
        name, least, greatest = parse_interval(text, "--bounds", is_open=True)
        if name not in known or name in seen:
            why = "was named twice" if name in seen else f"is none of {', '.join(known)}"
            raise ValueError(f"--bounds: the column {name!r} {why}")
        if least == greatest:
            raise ValueError(
                f"--bounds: {name}={least:g}:{greatest:g} leaves no room: a constant column needs "
                "none, leave it out"
            )
        seen.add(name)
        lower[known.index(name)], upper[known.index(name)] = least, greatest
    return lower, upper
