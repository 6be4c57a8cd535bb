"""Families of classes whose members are found by their kind, which files and parameters name."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any, ClassVar, Self, TypeVar

Member = TypeVar("Member")


def register(members: dict[str, type[Member]], kind: str | None, member: type[Member]) -> None:
    """Add a class to a family under its kind: its name, or a word of a-z, 0-9 and -.

    A class that is defined again, as in a notebook or by a reloaded module, takes its own place;
    an abstract one without a kind is left out. A TypeError refuses any other without one, which
    files would take for the class above it; a ValueError a kind that is no such word, and one that
    another class has.
    """
    if kind is None:
        if inspect.isabstract(member):
            return
        name = member.__name__
        raise TypeError(f'class {name} needs a kind of its own: class {name}(..., kind="...")')
    is_word = isinstance(kind, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", kind)
    if not is_word and kind != member.__name__:
        raise ValueError(
            f"a kind must be up to 40 of the characters a-z, 0-9 and -, got {kind!r} of "
            f"{member.__qualname__}"
        )
    other = members.get(kind, member)
    if _locate(other) != _locate(member):
        raise ValueError(
            f"the kind {kind!r} of {member.__module__}.{member.__qualname__} is already that of "
            f"{other.__module__}.{other.__qualname__}: choose another, since files name kinds"
        )
    members[kind] = member


def _locate(kind: type) -> tuple[str, str]:
    """Return where a class is defined; a module may have two names, such as ``__main__``."""
    module = sys.modules.get(kind.__module__)
    return getattr(module, "__file__", None) or kind.__module__, kind.__qualname__


def of_kind(members: dict[str, type[Member]], kind: str, name: str) -> type[Member]:
    """Return the member of a kind; ``name`` is what messages call the choice."""
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
        register(cls._known, cls.__name__, cls)

    @classmethod
    def kinds(cls) -> dict[str, type[Self]]:
        """Return the concrete subclasses by name, in the order of the names."""
        return {
            name: kind
            for name, kind in sorted(cls._known.items())
            if issubclass(kind, cls) and not inspect.isabstract(kind)
        }
