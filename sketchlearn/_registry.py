"""Families of classes whose members are found by their kind, which files and parameters name."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

NOWHERE: Mapping[str, str] = MappingProxyType({})


class Registered:
    """What a contract derives from, directly, to know its subclasses, whoever defines them.

    A subclass enters when it is defined, under its name; or, where the contract says which
    parameter chooses among them, under a ``kind`` of its own, a word of a-z, 0-9 and -, or its
    name. A class that is defined again, as in a notebook or by a reloaded module, takes its own
    place; an abstract one without a kind is left out. A TypeError refuses any other without one,
    which files would take for the class above it; a ValueError a kind that is no such word, and one
    that another class has.

    Parameters
    ----------
    kind : str, optional
        Of a subclass.
    choice : str, optional
        Of a contract: the parameter by which users choose a kind.
    elsewhere : mapping of str to str, optional
        Of a contract: kinds whose modules are imported when they are first asked for.
    """

    _members: ClassVar[dict[str, type]]
    _choice: ClassVar[str | None]
    _elsewhere: ClassVar[Mapping[str, str]]

    def __init_subclass__(
        cls,
        *,
        kind: str | None = None,
        choice: str | None = None,
        elsewhere: Mapping[str, str] = NOWHERE,
        **others: Any,
    ) -> None:
        super().__init_subclass__(**others)
        if Registered in cls.__bases__:
            cls._members, cls._choice, cls._elsewhere = {}, choice, elsewhere
            return
        if cls._choice is None:
            kind = cls.__name__
        elif kind is None:
            if inspect.isabstract(cls):
                return
            name = cls.__name__
            raise TypeError(f'class {name} needs a kind of its own: class {name}(..., kind="...")')
        else:
            is_word = isinstance(kind, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", kind)
            if not is_word and kind != cls.__name__:
                raise ValueError(
                    f"a kind must be up to 40 of the characters a-z, 0-9 and -, got {kind!r} of "
                    f"{cls.__qualname__}"
                )
            cls.kind = kind  # type: ignore[attr-defined]
        if cls.__module__ != cls._elsewhere.get(kind, cls.__module__):
            importlib.import_module(cls._elsewhere[kind])
        other = cls._members.get(kind, cls)
        if _locate(other) != _locate(cls):
            raise ValueError(
                f"the kind {kind!r} of {cls.__module__}.{cls.__qualname__} is already that of "
                f"{other.__module__}.{other.__qualname__}: choose another, since files name kinds"
            )
        cls._members[kind] = cls

    @classmethod
    def kinds(cls) -> dict[str, type[Self]]:
        """Return the concrete subclasses by kind, in the order of the kinds."""
        for module in cls._elsewhere.values():
            importlib.import_module(module)
        return {
            name: member
            for name, member in sorted(cls._members.items())
            if issubclass(member, cls) and not inspect.isabstract(member)
        }

    @classmethod
    def of_kind(cls, kind: str) -> type[Self]:
        """Return the class of a kind; a ValueError names those that there are."""
        if not isinstance(kind, str):
            raise TypeError(f"{cls._choice} must be a string, got {type(kind).__name__}")
        if kind not in cls._members:
            if kind not in cls._elsewhere:
                known = ", ".join(map(repr, cls.kinds()))
                raise ValueError(f"{cls._choice} must be one of {known}, got {kind!r}")
            importlib.import_module(cls._elsewhere[kind])
        return cls._members[kind]


class Stateful(ABC):
    """An immutable value that files, fingerprints and pickles know by its state."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Return all that it consists of: arrays of float64, float32, int64, int32 or uint8.

        Equal values have equal states.
        """

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        """Return the value of a state; the arrays are the constructor's arguments by default.

        Raises
        ------
        ValueError, TypeError
            If there is none.
        """
        return cls(**state)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_state, (self.state(),)


def _locate(kind: type) -> tuple[str, str]:
    """Return where a class is defined; a module may have two names, such as ``__main__``."""
    module = sys.modules.get(kind.__module__)
    return getattr(module, "__file__", None) or kind.__module__, kind.__qualname__
