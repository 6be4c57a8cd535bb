"""Files that say what they are and that nobody altered: safetensors with a digest over everything.

Layout (version 1 of every kind): eight bytes with the header's length, little-endian; a JSON header
with sorted keys and no spaces, padded with spaces to a multiple of eight; the arrays,
little-endian, the widest type first and by name within a type, which keeps all of them aligned. The
header's ``__metadata__`` holds strings only, as safetensors has it.

The file is written by hand rather than by the safetensors library, whose order of metadata varies;
reading goes through the library. What was read is written again and compared, so that no altered
byte goes unnoticed, wherever it is. Nothing in a file is ever executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, final

import numpy as np
import safetensors
import safetensors.numpy

# Little-endian types that files hold, by safetensors' names.
TYPES = {"F64": "<f8", "I64": "<i8", "F32": "<f4", "I32": "<i4", "U8": "|u1"}
TYPE_NAMES = {np.dtype(code): name for name, code in TYPES.items()}
# How every header starts, its keys being sorted.
HEADER_START = b'{"__metadata__":{"digest":"'
# The longest header that safetensors reads.
LONGEST_HEADER = 100_000_000


@final
@dataclass(frozen=True)
class FileKind:
    """A kind of file: its name, the version that is written and read, and its error.

    Parameters
    ----------
    noun : str
        What messages call it; ``sketchlearn-`` and the noun is the file's ``format``.
    version : int
        The version of the format.
    error : type of ValueError
        What is raised for bytes that are foreign, truncated, altered or too new.
    """

    noun: str
    version: int
    error: type[ValueError]

    own_names: ClassVar[tuple[str, ...]] = ("format", "format_version", "library_version")

    @property
    def format(self) -> str:
        """What the header's ``format`` says."""
        return f"sketchlearn-{self.noun}"

    def laid_out(self, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
        """Give arrays and metadata as the bytes of a file of this kind; equal ones, equal bytes."""
        own = dict(
            zip(self.own_names, (self.format, str(self.version), library_version()), strict=True)
        )
        return laid_out(arrays, {**metadata, **own})

    def contents(self, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Give the arrays and metadata that `laid_out` turned into these bytes.

        Raises
        ------
        ValueError
            Of the kind's own class, if the bytes are foreign, truncated, altered or too new.
        """
        data = bytes(data)
        metadata = self._metadata_of(data)
        digest = metadata.pop("digest", None)
        try:
            arrays = dict(sorted(safetensors.numpy.load(data).items()))
        except Exception as error:  # The library raises whatever its parser met.
            raise self.error(
                f"the {self.noun}'s arrays cannot be read, it is truncated or altered: {error}"
            ) from error
        odd = [name for name, array in arrays.items() if array.dtype not in TYPE_NAMES]
        if odd:
            raise self.error(f"{odd[0]} is of a type that no {self.noun} has")
        if digest != _digest(arrays, metadata):
            raise self.error(
                f"the {self.noun}'s digest does not match its contents: the file was altered"
            )
        if laid_out(arrays, metadata) != data:
            raise self.error(f"the {self.noun} is not in canonical form: the file was altered")
        return arrays, metadata

    def read(self, path: str | os.PathLike[str]) -> bytes:
        """Read a file whose header says that it is of this kind; of any other, only its start.

        Raises
        ------
        ValueError
            Of the kind's own class, if it is not.
        OSError
            If the file cannot be read.
        """
        with open(path, "rb") as file:
            start = _start_of(file)
            self._metadata_of(start)
            return start + file.read()

    def _metadata_of(self, data: bytes) -> dict[str, str]:
        """Metadata of a file of this kind, checked for format and version."""
        if len(data) < 8:
            raise self.error(f"the {self.noun} is truncated: {len(data)} bytes")
        length = int.from_bytes(data[:8], "little")
        if data[8:].startswith(HEADER_START) and length > len(data) - 8:
            raise self.error(
                f"the {self.noun} is truncated: a header of {length} bytes in a file of {len(data)}"
            )
        try:
            header = json.loads(data[8 : 8 + length].decode("ascii"))
            metadata = {str(name): str(text) for name, text in header["__metadata__"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self.error(
                f"not a {self.noun} file: it has no readable safetensors header with metadata"
            ) from error
        if metadata.get("format") != self.format:
            raise self.error(
                f"not a {self.noun} file: its format is {metadata.get('format')!r}, expected "
                f"{self.format!r}"
            )
        if metadata.get("format_version") != str(self.version):
            raise self.error(
                f"the {self.noun} is of format version {metadata.get('format_version')} (written "
                f"by sketchlearn {metadata.get('library_version')}); this library reads version "
                f"{self.version}"
            )
        return metadata


def format_of(path: str | os.PathLike[str]) -> str | None:
    """Give the format that a file's header says, or None where it has no such header."""
    with open(path, "rb") as file:
        start = _start_of(file)
    try:
        return str(json.loads(start[8:])["__metadata__"]["format"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def laid_out(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """Lay out arrays and metadata, with the digest of both."""
    header: dict[str, Any] = {"__metadata__": {**metadata, "digest": _digest(arrays, metadata)}}
    contents: list[bytes] = []
    end = 0
    for name in _in_file_order(arrays):
        contents.append(_little(arrays[name]).tobytes())
        header[name] = {
            "dtype": TYPE_NAMES[arrays[name].dtype],
            "shape": list(arrays[name].shape),
            "data_offsets": [end, end + len(contents[-1])],
        }
        end += len(contents[-1])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *contents])


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file wholly or not at all; an OSError leaves what was there as it was.

    Links are followed. A device or a pipe is written to as it is: it cannot be replaced.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@cache
def library_version() -> str:
    """Give the library's version, for whoever reads the file's header."""
    try:
        return version("sketchlearn")
    except PackageNotFoundError:
        return "unknown"


def _start_of(file: BinaryIO) -> bytes:
    """Read the header and its length, or less of a file that has none."""
    start = file.read(9)
    if start.endswith(b"{"):
        length = int.from_bytes(start[:8], "little")
        start += file.read(min(length, LONGEST_HEADER) - 1)
    return start


def _digest(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> str:
    """BLAKE2b, in hexadecimal, of the metadata and all arrays."""
    digest = hashlib.blake2b(digest_size=32)
    digest.update(json.dumps(metadata, sort_keys=True, separators=(",", ":")).encode())
    for name in _in_file_order(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(_little(arrays[name]).tobytes())
    return digest.hexdigest()


def _in_file_order(arrays: dict[str, np.ndarray]) -> list[str]:
    """Names of the arrays, the widest type first, by name within a width."""
    return sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))


def _little(array: np.ndarray) -> np.ndarray:
    """The array with its bytes little-endian."""
    return array.astype(array.dtype.newbyteorder("<"))
