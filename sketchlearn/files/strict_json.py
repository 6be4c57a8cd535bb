"""JSON inside files: one way to write a value, and no numbers but finite ones of usual size."""

from __future__ import annotations

import json
import math
from typing import Any

from sketchlearn.sources.shallow_json import require_shallow


def parse_strictly(text: str) -> Any:
    """Parse JSON whose numbers are finite and of at most 64 bits.

    A ValueError refuses NaN, infinity, larger integers, a name twice in an object, and lists and
    objects more than 32 deep in one another.
    """
    require_shallow(text)

    def refused(constant: str) -> Any:
        raise ValueError(f"{constant} is no number that a file has")

    def integer(digits: str) -> int:
        if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
            refused(digits)
        return int(digits)

    def number(digits: str) -> float:
        return value if math.isfinite(value := float(digits)) else refused(digits)

    def named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(values := dict(pairs)) < len(pairs):
            refused("an object with a name twice")
        return values

    return json.loads(
        text,
        parse_constant=refused,
        parse_int=integer,
        parse_float=number,
        object_pairs_hook=named,
    )


def write_canonically(value: Any) -> str:
    """Return JSON with sorted keys and no spaces; a ValueError for NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
