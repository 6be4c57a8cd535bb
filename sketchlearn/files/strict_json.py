"""JSON inside files: one way to write a value, and no numbers but finite ones of usual size."""

from __future__ import annotations

import json
import math
import re
from typing import Any

# How deep lists and objects may lie in one another; nothing that we write is half as deep.
DEEPEST = 32
# A string, or what opens or closes a list or an object. Possessive: it never goes back.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{\]}]', re.DOTALL)


def parse_shallow_json(data: str | bytes) -> Any:
    """Parse JSON of modest depth, which Python's parser needs: deeper, it may crash the process.

    It counts on a limit of recursion that other libraries raise.

    Raises
    ------
    ValueError
        If it is no JSON, or lists and objects lie more than 32 deep in one another.
    """
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    _require_shallow(text)
    return json.loads(text)


def parse_json(text: str) -> Any:
    """Parse JSON whose numbers are finite and of at most 64 bits.

    Raises
    ------
    ValueError
        If it is no JSON, has NaN, infinity, larger integers, or a name twice in an object, or lists
        and objects lie more than 32 deep in one another.
    """
    _require_shallow(text)

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


def _require_shallow(text: str) -> None:
    """Refuse JSON of many brackets in one another."""
    depth = 0
    for token in TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > DEEPEST:
                raise ValueError(f"lists and objects lie more than {DEEPEST} deep in one another")
        elif token[0] in "]}":
            depth -= 1


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces; a ValueError for NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
