"""What the numbers that algorithms hang on have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Settings:
    """Numbers that an algorithm's result or time hangs on, in one place beside it; all positive.

    A subclass says of each field its unit, and why it is what it is. One instance in capitals is
    what the algorithm reads; `docs/benchmarks/ablations.py` puts others in its place, each with one
    field halved or doubled, and the page of that name says what they move.

    Raises
    ------
    ValueError
        If a field is not a positive, finite number.
    """

    def __post_init__(self) -> None:
        """Check every field."""
        for each in fields(self):
            value = getattr(self, each.name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise ValueError(
                    f"{type(self).__name__}.{each.name} must be a positive number, got {value!r}"
                )
