"""What is wrong with a command line, whatever the files hold; and whole numbers in options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer


class UsageError(ValueError):
    """A command line that is wrong whatever the files hold: its exit code is 2."""


@contextmanager
def blame_usage() -> Iterator[None]:
    """Raise what is refused within as a `UsageError`: nothing but options goes into it."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error


def parse_whole_number(text: str | int, least: int | None = None) -> int:
    """Return a whole number, which may be written as 1e9; BadParameter if it is none, or less."""
    number = None
    with suppress(ValueError):
        number = int(text)
    if number is None:
        with suppress(ValueError):
            number = int(value) if (value := float(text)).is_integer() else None
    if number is None:
        raise typer.BadParameter(f"expected a whole number, as 1000000 or 1e6, got {text!r}")
    if number >= 2**63:
        raise typer.BadParameter(f"must be less than 2**63, got {float(text):.3g}")
    if least is not None and number < least:
        raise typer.BadParameter(f"must be at least {least}, got {number}")
    return number


def parse_number(text: str | float) -> float:
    """Return a number, which may be written as 1e4; BadParameter if it is none."""
    with suppress(ValueError):
        return float(text)
    raise typer.BadParameter(f"expected a number, as 0.5 or 1e4, got {text!r}")


def parse_count(text: str | int) -> int:
    """Return a whole number of at least 1, which may be written as 1e9; BadParameter if none."""
    return parse_whole_number(text, 1)


def parse_count_or_none(text: str | int) -> int:
    """Return a whole number of at least 0, which may be written as 1e9; BadParameter if none."""
    return parse_whole_number(text, 0)


def parse_seed(text: str | int) -> int:
    """Return a whole number that generators take; BadParameter if it is none."""
    if (number := parse_whole_number(text, 0)) >= 2**32:
        raise typer.BadParameter(f"must be less than 2**32, got {number}")
    return number


def parse_jobs(text: str | int) -> int:
    """Return a number of threads, of which negative ones count from all; BadParameter if zero."""
    if (number := parse_whole_number(text)) == 0:
        raise typer.BadParameter("must not be 0: -1 is all threads")
    return number
