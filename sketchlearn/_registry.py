"""Families of classes whose members are found by their kind, which files and parameters name."""

from __future__ import annotations

import re
from typing import TypeVar

Member = TypeVar("Member")


def register(members: dict[str, type[Member]], kind: str, member: type[Member]) -> None:
    """Add a class to a family under its kind.

    A class that is defined again, as by a reloaded module, takes its own place.

    Raises
    ------
    ValueError
        If the kind is no word of small letters, digits and hyphens, or another class has it.
    """
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", kind) is None:
        raise ValueError(
            f"a kind must be up to 40 of the characters a-z, 0-9 and -, got {kind!r} of "
            f"{member.__qualname__}"
        )
    other = members.get(kind, member)
    if (other.__module__, other.__qualname__) != (member.__module__, member.__qualname__):
        raise ValueError(
            f"the kind {kind!r} of {member.__qualname__} is already that of {other.__module__}."
            f"{other.__qualname__}"
        )
    members[kind] = member


def of_kind(members: dict[str, type[Member]], kind: str, name: str) -> type[Member]:
    """Return the member of a kind; ``name`` is what messages call the choice.

    Raises
    ------
    TypeError
        If the kind is no string.
    ValueError
        If there is no such member.
    """
    if not isinstance(kind, str):
        raise TypeError(f"{name} must be a string, got {type(kind).__name__}")
    if kind not in members:
        known = ", ".join(map(repr, sorted(members)))
        raise ValueError(f"{name} must be one of {known}, got {kind!r}")
    return members[kind]
