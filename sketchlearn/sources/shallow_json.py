"""JSON of modest depth: what other programs wrote must not crash Python's parser."""

from __future__ import annotations

import json
import re
from typing import Any

# How deep lists and objects may lie in one another; nothing that we write is half as deep.
DEEPEST = 32
# A string, or what opens or closes a list or an object. Possessive: it never goes back.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{\]}]', re.DOTALL)


def parse_shallow(data: str | bytes) -> Any:
    """Parse JSON of modest depth, which Python's parser needs: deeper, it may crash the process.

    It counts on a limit of recursion that other libraries raise.

    Raises
    ------
    ValueError
        If it is no JSON, or lists and objects lie more than 32 deep in one another.
    """
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    require_shallow(text)
    return json.loads(text)


def require_shallow(text: str) -> None:
    """Refuse, by a ValueError, JSON of many brackets in one another."""
    depth = 0
    for token in TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > DEEPEST:
                raise ValueError(f"lists and objects lie more than {DEEPEST} deep in one another")
        elif token[0] in "]}":
            depth -= 1
