"""A sketch's bytes: a safetensors file with a digest over everything in it.

Layout (format 1): eight bytes with the header's length, little-endian; a JSON header with sorted
keys and no spaces, padded with spaces to a multiple of eight; the arrays, little-endian, in the
order of `ARRAYS`. The header's ``__metadata__`` holds strings only, as safetensors has it.

The file is written by hand rather than by the safetensors library, whose order of metadata
varies; reading goes through the library. What was read is written again and compared, so that no
altered byte goes unnoticed, wherever it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.frequencies import DenseFrequencies, FrequencyOperator

FORMAT = "sketchlearn-sketch"
FORMAT_VERSION = 1

# Names, in file order, and little-endian types; the widest first keeps all of them aligned.
ARRAYS: dict[str, np.dtype[Any]] = {
    "center": np.dtype("<f8"),
    "covariance": np.dtype("<f8"),
    "feature_sum": np.dtype("<i8"),
    "lower": np.dtype("<f8"),
    "upper": np.dtype("<f8"),
    "turns": np.dtype("<f4"),
}
SAFETENSORS_TYPES = {"<f8": "F64", "<i8": "I64", "<f4": "F32"}
# How the header of every sketch starts, its keys being sorted.
HEADER_START = b'{"__metadata__":{"digest":"'
COUNTS = ("n_samples", "weight_units", "squared_weight_units")


def encoded(operator: FrequencyOperator, feature_sum: np.ndarray, counts: tuple[int, ...]) -> bytes:
    """Give a sketch's operator, sums and counts as the bytes of a safetensors file."""
    components = operator.components()
    arrays = {
        name: np.asarray(feature_sum if name == "feature_sum" else components[name])
        for name in ARRAYS
    }
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "library_version": _library_version(),
        "operator": "dense",
        "scale": operator.scale.hex(),
        "double_phases": str(int(components["double_phases"])),
        "fingerprint": operator.fingerprint,
        **dict(zip(COUNTS, map(str, counts), strict=True)),
    }
    return _laid_out(arrays, metadata)


def decoded(data: bytes) -> tuple[FrequencyOperator, np.ndarray, tuple[int, ...]]:
    """Give the operator, sums and counts that these bytes hold, or say what is wrong with them."""
    data = bytes(data)
    metadata = _metadata_of(data)
    digest = metadata.pop("digest", None)
    arrays = _arrays_of(data)
    if digest != _digest(arrays, metadata):
        raise SketchFormatError(
            "the sketch's digest does not match its contents: the file was altered"
        )
    if _laid_out(arrays, metadata) != data:
        raise SketchFormatError("the sketch is not in canonical form: the file was altered")
    try:
        operator = DenseFrequencies(
            scale=float.fromhex(metadata["scale"]),
            double_phases=metadata["double_phases"] == "1",
            **{name: arrays[name] for name in ARRAYS if name != "feature_sum"},
        )
        counts = tuple(int(metadata[name]) for name in COUNTS)
    except (KeyError, ValueError) as error:
        raise SketchFormatError(f"the file does not describe a sketch: {error!r}") from error
    if operator.fingerprint != metadata.get("fingerprint"):
        raise SketchFormatError(
            f"the operator's fingerprint is {operator.fingerprint} where the file says "
            f"{metadata.get('fingerprint')}"
        )
    return operator, arrays["feature_sum"].astype(np.int64), counts


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


def _laid_out(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """Lay out arrays and metadata, with the digest of both, as format 1 has it."""
    header: dict[str, Any] = {"__metadata__": {**metadata, "digest": _digest(arrays, metadata)}}
    payload = b""
    for name, dtype in ARRAYS.items():
        content = arrays[name].astype(dtype).tobytes()
        header[name] = {
            "dtype": SAFETENSORS_TYPES[dtype.str],
            "shape": list(arrays[name].shape),
            "data_offsets": [len(payload), len(payload) + len(content)],
        }
        payload += content
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + payload


def _digest(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> str:
    """BLAKE2b, in hexadecimal, of the metadata and all arrays."""
    digest = hashlib.blake2b(digest_size=32)
    digest.update(json.dumps(metadata, sort_keys=True, separators=(",", ":")).encode())
    for name, dtype in ARRAYS.items():
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(arrays[name].astype(dtype).tobytes())
    return digest.hexdigest()


def _metadata_of(data: bytes) -> dict[str, str]:
    """Metadata of a file of this format, checked for format and version."""
    if len(data) < 8:
        raise SketchFormatError(f"the sketch is truncated: {len(data)} bytes")
    length = int.from_bytes(data[:8], "little")
    if data[8:].startswith(HEADER_START) and length > len(data) - 8:
        raise SketchFormatError(
            f"the sketch is truncated: a header of {length} bytes in a file of {len(data)}"
        )
    try:
        header = json.loads(data[8 : 8 + length].decode("ascii"))
        metadata = dict(header["__metadata__"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SketchFormatError(
            "not a sketch file: it has no readable safetensors header with metadata"
        ) from error
    if metadata.get("format") != FORMAT:
        raise SketchFormatError(
            f"not a sketch file: its format is {metadata.get('format')!r}, expected {FORMAT!r}"
        )
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise SketchFormatError(
            f"the sketch is of format version {metadata.get('format_version')} (written by "
            f"sketchlearn {metadata.get('library_version')}); this library reads version "
            f"{FORMAT_VERSION}"
        )
    return metadata


def _arrays_of(data: bytes) -> dict[str, np.ndarray]:
    """Arrays of a safetensors file, checked for presence, type and shape."""
    try:
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise SketchFormatError(
            f"the sketch's arrays cannot be read, it is truncated or altered: {error}"
        ) from error
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise SketchFormatError(f"the sketch lacks the arrays {', '.join(missing)}")
    for name, dtype in ARRAYS.items():
        if arrays[name].dtype != dtype:
            raise SketchFormatError(f"{name} must be {dtype}, got {arrays[name].dtype}")
    d, m = arrays["turns"].shape if arrays["turns"].ndim == 2 else (-1, -1)
    expected = {"center": (d,), "lower": (d,), "upper": (d,), "covariance": (d, d)}
    expected["feature_sum"] = (2, m)
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise SketchFormatError(
                f"{name} must have shape {shape} beside turns of shape {arrays['turns'].shape}, "
                f"got {arrays[name].shape}"
            )
    return arrays


@cache
def _library_version() -> str:
    """Give the library's version, for whoever reads the file's header."""
    try:
        return version("sketchlearn")
    except PackageNotFoundError:
        return "unknown"
