"""Concrete subclasses of a contract, found by name."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Self


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
