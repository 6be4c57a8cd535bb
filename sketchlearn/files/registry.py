"""What a file says it is, by its first bytes; and the kinds of files there are.

A kind of file is registered by whoever writes it, as a `FileKind` in the module of its readers. No
kind knows another: that a file is of another kind, and what loads it, is told from here.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, final

from sketchlearn.sources.shallow_json import parse_shallow

# What the formats of this library's files start with; the kind's noun follows.
FORMAT_PREFIX = "sketchlearn-"
# The longest header that is read or written: names of 100,000 features fit many times.
LONGEST_HEADER = 2**24
# What a reader may raise where a file that fits its digest makes no sense.
NONSENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

_loaders: dict[str, str] = {}


@final
@dataclass(frozen=True)
class FileIdentity:
    """What a file says it is: its kind's noun, the format's version, and who wrote it."""

    noun: str
    version: str
    library_version: str


@final
@dataclass(frozen=True)
class Start:
    """A file's first bytes, as far as they may be a header with its length, and that length."""

    data: bytes
    length: int

    @cached_property
    def header(self) -> dict[str, Any] | None:
        """The header as JSON has it, parsed once; None where there is no readable one."""
        try:
            header = parse_shallow(self.data[8:].decode("ascii"))
            return header if isinstance(header["__metadata__"], dict) else None
        except NONSENSE:
            return None

    @property
    def identity(self) -> FileIdentity | None:
        """What the header says the file is; None where it is no file of this library."""
        metadata = self.header["__metadata__"] if self.header else {}
        format_, *versions = (
            str(metadata.get(name, "")) for name in ("format", "format_version", "library_version")
        )
        noun = format_.removeprefix(FORMAT_PREFIX)
        return FileIdentity(noun, *versions) if noun != format_ else None


def register_kind(noun: str, loaded_by: str) -> None:
    """Make a kind of file known.

    Parameters
    ----------
    noun : str
        What messages call it.
    loaded_by : str
        What a user calls to load one, for messages.

    Raises
    ------
    ValueError
        If there is a kind of this name.
    """
    if noun in _loaders:
        raise ValueError(f"there is a kind of file called {noun!r} already")
    _loaders[noun] = loaded_by


def read_start(file: BinaryIO) -> Start:
    """Read the header with its length, or less of a file that has none."""
    start = file.read(9)
    if not start.endswith(b"{"):
        return Start(start, 0)
    length = int.from_bytes(start[:8], "little")
    if 0 < length <= LONGEST_HEADER:
        start += file.read(length - 1)
    return Start(start, length)


def identify_file(file: str | os.PathLike[str] | bytes) -> FileIdentity | None:
    """Return the kind and version that a file says it is of, from its header alone.

    Parameters
    ----------
    file : path or bytes
        The file, or what is in it.

    Returns
    -------
    FileIdentity or None
        None where it is no file of this library. Nothing beyond the header is read or checked, and
        the kind need not be registered.

    Raises
    ------
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.files.registry import identify_file
    >>> sketch = Sketcher(50, random_state=0).fit(np.eye(9)).sketch(np.eye(9))
    >>> identify_file(sketch.to_bytes()).noun
    'sketch'
    """
    with io.BytesIO(file) if isinstance(file, bytes) else open(file, "rb") as opened:
        return read_start(opened).identity


def with_article(noun: str) -> str:
    """Return a noun with a, or an, before it."""
    return f"an {noun}" if noun[:1] in tuple("aeiou") else f"a {noun}"


def describe_other_kind(identity: FileIdentity) -> str:
    """Say what a file is that was taken for another, and what loads it as far as that is known."""
    loader = _loaders.get(identity.noun)
    return f"it is {with_article(identity.noun[:40])}" + (f"; use {loader}" if loader else "")
