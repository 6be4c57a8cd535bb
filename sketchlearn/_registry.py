"""Families of classes whose members are found by their kind, which files and parameters name."""

from __future__ import annotations

import inspect
import re
from typing import Any, ClassVar, Self, TypeVar

Member = TypeVar("Member")


def register(members: dict[str, type[Member]], kind: str | None, member: type[Member]) -> None:
    """Add a class to a family under its kind; one without a kind is abstract, and left out.

    A class that is defined again, as by a reloaded module, takes its own place.

    Raises
    ------
    TypeError
        If a class that can be used has no kind: files would take it for the class above it.
    ValueError
        If the kind is no word of small letters, digits and hyphens, or another class has it.
    """
    if kind is None:
        if inspect.isabstract(member):
            return
        name = member.__name__
        raise TypeError(f'class {name} needs a kind of its own: class {name}(..., kind="...")')
    if not (isinstance(kind, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", kind)):
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


class Registered:
    """What a contract derives from, directly, to know its concrete subclasses by name.

    Subclasses enter when they are defined, whoever defines them.
    """

    _known: ClassVar[dict[str, type]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if Registered in cls.__bases__:
            cls._known = {}
        other = cls._known.get(cls.__name__, cls)
        # A class may be defined anew, in a notebook for instance.
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(
                f"{other.__module__} has a kind named {cls.__name__} already, and kinds are known "
                "by name: choose another"
            )
        cls._known[cls.__name__] = cls

    @classmethod
    def kinds(cls) -> dict[str, type[Self]]:
        """Return the concrete subclasses by name, in the order of the names."""
        return {
            name: kind
            for name, kind in sorted(cls._known.items())
            if issubclass(kind, cls) and not inspect.isabstract(kind)
        }
