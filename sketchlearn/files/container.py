"""Files that say what they are and that nobody altered: safetensors with a digest over everything.

Layout: eight bytes with the header's length, little-endian; a JSON header with sorted keys and no
spaces, padded with spaces to a multiple of eight; the arrays, little-endian, the widest type first
and by name within a type, which keeps all of them aligned. The header's ``__metadata__`` holds
strings only, as safetensors has it.

What the arrays and strings mean is a matter of the kind of file and its version: a `FileKind` has a
reader for each version that it knows. Before anything is read beyond the header, the header is
checked: its length, what the file says it is, the types, shapes and places of its arrays, and that
together they are as long as the file. The digest tells accidents, not forgery: whoever writes a
file can compute its digest too, so readers still check every number. Nothing in a file is ever
executed.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, BinaryIO, ClassVar, Generic, TypeVar, final

import numpy as np

from sketchlearn.files.registry import (
    FORMAT_PREFIX,
    LONGEST_HEADER,
    NONSENSE,
    Start,
    describe_other_kind,
    read_start,
    register_kind,
    with_article,
)
from sketchlearn.files.strict_json import write_canonically

Content = TypeVar("Content")
# From a file's arrays and metadata to what it holds; a ValueError where that makes no sense.
Reader = Callable[[dict[str, np.ndarray], dict[str, str]], Content]

# Little-endian types that files hold, by safetensors' names.
TYPES = {"F64": "<f8", "I64": "<i8", "F32": "<f4", "I32": "<i4", "U8": "|u1"}
TYPE_NAMES = {np.dtype(code): name for name, code in TYPES.items()}
# How every header starts, its keys being sorted.
HEADER_START = b'{"__metadata__":{"digest":"'
# How Parquet files start.
PARQUET_START = b"PAR1"
# Files beyond this are compared with their digest, a piece at a time, before they are read.
LARGE_BYTES, PIECE_BYTES = 2**27, 2**20


@final
@dataclass(frozen=True)
class Entry:
    """An array as a header describes it; `begin` and `end` count from the end of the header."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


@final
@dataclass(frozen=True)
class Header:
    """A file's start: its bytes, digest and strings, and what it says of arrays, as JSON has it."""

    start: bytes
    digest: str
    metadata: dict[str, str]
    arrays: dict[str, Any]


@final
class FileKind(Generic[Content]):
    """A kind of file: its name, the version that is written, readers of all versions, its error.

    Parameters
    ----------
    noun : str
        What messages call it; ``sketchlearn-`` and the noun is the file's ``format``.
    version : int
        The version of the format that is written.
    error : type of ValueError
        What is raised for bytes that are foreign, truncated, altered, too new, or nonsense.
    loaded_by : str
        What a user calls to load such a file, for messages about files of another kind.

    Attributes
    ----------
    readers : dict of int to callable
        From arrays and metadata to content, by version; `reads` adds one.
    """

    own_names: ClassVar[tuple[str, ...]] = ("format", "format_version", "library_version")

    def __init__(self, noun: str, version: int, error: type[ValueError], loaded_by: str) -> None:
        register_kind(noun, loaded_by)
        self.noun, self.one = noun, with_article(noun)
        self.version, self.error = version, error
        self.readers: dict[int, Reader[Content]] = {}

    @property
    def format(self) -> str:
        """What the header's ``format`` says."""
        return f"{FORMAT_PREFIX}{self.noun}"

    def reads(self, version: int) -> Callable[[Reader[Content]], Reader[Content]]:
        """Register the decorated function as the reader of a version of the format.

        It is called with the arrays, by name, and the metadata without the digest, both of a file
        that is whole. What it raises, if it is a ValueError or the like, becomes the kind's error.
        """

        def register(reader: Reader[Content]) -> Reader[Content]:
            self.readers[version] = reader
            return reader

        return register

    def encode(
        self, arrays: dict[str, np.ndarray], metadata: dict[str, str], version: int | None = None
    ) -> bytes:
        """Return arrays and metadata as bytes, equal ones as equal bytes; see `encode_file`."""
        said = str(self.version if version is None else version)
        own = dict(zip(self.own_names, (self.format, said, library_version()), strict=True))
        return encode_file(arrays, {**metadata, **own})

    def decode(self, data: bytes, start: Start | None = None) -> Content:
        """Return what a file of these bytes holds, whose `read_start` may have been read before.

        The kind's own error refuses bytes that are foreign, altered, nonsense or of newer version.
        """
        file = io.BytesIO(data)
        start = start or read_start(file)
        file.seek(len(start.data))
        return self._read(file, start, len(data))

    def load(self, path: str | os.PathLike[str]) -> Content:
        """Return what a file holds; of a file that cannot be one, no more than its start is read.

        Errors as `decode`, and an OSError if it cannot be read.
        """
        with open(path, "rb") as file:
            return self.read(file, read_start(file))

    def read(self, file: BinaryIO, start: Start) -> Content:
        """Return what an open file holds, a pipe for instance, of which `read_start` was read."""
        status = os.fstat(file.fileno())
        size = status.st_size if stat.S_ISREG(status.st_mode) else None
        return self._read(file, start, size)

    def _read(self, file: BinaryIO, start: Start, size: int | None) -> Content:
        """Read what follows the start of a file, of a size if that is known."""
        header = self._parse_header(start)
        entries = self._parse_entries(header, size)
        if is_large := size is not None and size > LARGE_BYTES:
            # A digest that does not match is found before there is an array.
            self._require_digest(header, entries, file)
            file.seek(len(header.start))
        # One byte more than there should be: a file may have grown, a pipe may go on.
        body = file.read((entries[-1].end if entries else 0) + 1)
        self._require_size(header, entries, len(header.start) + len(body))
        if not is_large:
            self._require_digest(header, entries, io.BytesIO(body))
        metadata = {**header.metadata, "digest": header.digest}
        if _encode_header(entries, metadata) != header.start[8:]:
            raise self.error(f"the {self.noun} is not in canonical form: the file was altered")
        view = memoryview(body)
        arrays = {
            entry.name: np.array(
                np.frombuffer(view[entry.begin : entry.end], entry.dtype).reshape(entry.shape)
            )
            for entry in sorted(entries, key=lambda entry: entry.name)
        }
        reader = self.readers[int(metadata["format_version"])]
        try:
            return reader(arrays, header.metadata)
        except self.error:
            raise
        except NONSENSE as error:
            raise self.error(f"the file does not describe {self.one}: {error!r}") from error

    def _parse_header(self, begin: Start) -> Header:
        """Read the header, checked for format and version."""
        start, length = begin.data, begin.length
        if start.startswith(PARQUET_START):
            raise self.error(
                f"not {self.one} file: it is a Parquet file, of rows or of a table of sketches"
            )
        if len(start) < 8:
            raise self.error(f"the {self.noun} is truncated: {len(start)} bytes")
        if length > LONGEST_HEADER:
            raise self.error(
                f"not {self.one} file: it starts with a header of {length} bytes, the longest "
                f"has {LONGEST_HEADER}"
            )
        if start[8:].startswith(HEADER_START) and length > len(start) - 8:
            raise self.error(
                f"the {self.noun} is truncated: a header of {length} bytes in a file of "
                f"{len(start)}"
            )
        if begin.header is None:
            raise self.error(
                f"not {self.one} file: it has no readable safetensors header with metadata"
            )
        arrays = dict(begin.header)
        metadata = {str(name): str(text) for name, text in arrays.pop("__metadata__").items()}
        if (found := metadata.get("format", "")) != self.format:
            what = f"its format is {found[:40]!r}, expected {self.format!r}"
            what = describe_other_kind(begin.identity) if begin.identity else what
            raise self.error(f"not {self.one} file: {what}")
        if metadata.get("format_version") not in [str(known) for known in self.readers]:
            known = ", ".join(map(str, sorted(self.readers)))
            raise self.error(
                f"the {self.noun} is of format version {metadata.get('format_version', '')[:20]} "
                f"(written by sketchlearn {metadata.get('library_version', '')[:20]}); this "
                f"library reads version {known}"
            )
        return Header(start, metadata.pop("digest", ""), metadata, arrays)

    def _parse_entries(self, header: Header, size: int | None) -> list[Entry]:
        """Check what the header says of arrays, in the order of the file, against its size."""
        entries: list[Entry] = []
        try:
            for name, said in header.arrays.items():
                if said["dtype"] not in TYPES:
                    raise self.error(f"{name} is of a type that no {self.noun} has")
                begin, end = said["data_offsets"]
                shape = tuple(said["shape"])
                if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
                    raise ValueError(f"{name} has shape {shape} at {begin} to {end}")
                entries.append(Entry(name, np.dtype(TYPES[said["dtype"]]), shape, begin, end))
        except self.error:
            raise
        except NONSENSE as error:
            raise self.error(f"the {self.noun}'s header cannot be read: {error!r}") from error
        entries.sort(key=lambda entry: (entry.begin, entry.end, -entry.dtype.itemsize, entry.name))
        at = 0
        for entry in entries:
            n_bytes = entry.dtype.itemsize * math.prod(entry.shape)
            if entry.begin != at or entry.end - at != n_bytes:
                raise self.error(
                    f"the {self.noun}'s {entry.name} of shape {entry.shape} cannot lie at bytes "
                    f"{entry.begin} to {entry.end}: the file was altered"
                )
            at = entry.end
        if size is not None:
            self._require_size(header, entries, size)
        return entries

    def _require_size(self, header: Header, entries: list[Entry], size: int) -> None:
        """Refuse a file that is shorter or longer than its header says."""
        expected = len(header.start) + (entries[-1].end if entries else 0)
        if size != expected:
            raise self.error(
                f"the {self.noun}'s arrays cannot be read, it is truncated or altered: the header "
                f"is that of a file of {expected} bytes, not {size}"
            )

    def _require_digest(self, header: Header, entries: list[Entry], body: BinaryIO) -> None:
        """Refuse contents of another digest than the header's."""
        pieces = ((entry, _read_pieces(body, entry.end - entry.begin)) for entry in entries)
        if _compute_digest(header.metadata, pieces) != header.digest:
            raise self.error(
                f"the {self.noun}'s digest does not match its contents: the file was altered"
            )


def _read_pieces(file: BinaryIO, n_bytes: int) -> Iterable[bytes]:
    while n_bytes > 0 and (piece := file.read(min(n_bytes, PIECE_BYTES))):
        n_bytes -= len(piece)
        yield piece


def encode_file(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """Lay out arrays and metadata, with the digest of both; ValueError for too long a header."""
    contents = {name: _to_little_endian(arrays[name]).tobytes() for name in _order_arrays(arrays)}
    entries: list[Entry] = []
    for name, content in contents.items():
        begin = entries[-1].end if entries else 0
        array = arrays[name]
        entries.append(Entry(name, array.dtype, array.shape, begin, begin + len(content)))
    digest = _compute_digest(metadata, ((entry, (contents[entry.name],)) for entry in entries))
    text = _encode_header(entries, {**metadata, "digest": digest})
    if len(text) > LONGEST_HEADER:
        raise ValueError(
            f"the names and texts of a file may have {LONGEST_HEADER:,} bytes, got {len(text):,}"
        )
    return b"".join([len(text).to_bytes(8, "little"), text, *contents.values()])


@cache
def library_version() -> str:
    """Return the library's version, for whoever reads the file's header."""
    try:
        return version("sketchlearn")
    except PackageNotFoundError:
        return "unknown"


def _encode_header(entries: Iterable[Entry], metadata: dict[str, str]) -> bytes:
    """Return the header in its one form, padded."""
    header: dict[str, Any] = {
        entry.name: {
            "dtype": TYPE_NAMES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [entry.begin, entry.end],
        }
        for entry in sorted(entries, key=lambda entry: (-entry.dtype.itemsize, entry.name))
    }
    text = write_canonically({**header, "__metadata__": metadata}).encode("ascii")
    return text + b" " * (-len(text) % 8)


def _compute_digest(metadata: dict[str, str], arrays: Iterable[tuple[Entry, Iterable[Any]]]) -> str:
    """Return BLAKE2b, in hexadecimal, of the metadata and all arrays, in the order of the file."""
    digest = hashlib.blake2b(digest_size=32)
    digest.update(write_canonically(metadata).encode())
    for entry, pieces in arrays:
        digest.update(f"{entry.name}{entry.shape}".encode())
        for piece in pieces:
            digest.update(piece)
    return digest.hexdigest()


def _order_arrays(arrays: dict[str, np.ndarray]) -> list[str]:
    """Names of the arrays, the widest type first, by name within a width."""
    return sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))


def _to_little_endian(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("<"))
