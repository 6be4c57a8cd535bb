"""Files of factors: safetensors with a digest over everything in them, nothing pickled."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from sketchlearn.exceptions import ModelFormatError
from sketchlearn.factorization.chains import Chain, check_chain
from sketchlearn.factorization.packing import pack, unpack
from sketchlearn.files.atomic import write_atomically
from sketchlearn.sources.shallow_json import parse_shallow

FORMAT, VERSION = "sketchlearn-butterfly", 1
Contents = tuple[list[np.ndarray], Chain, np.ndarray | None, float | None, int | None]


def write_factors(
    path: str | os.PathLike[str],
    values: tuple[np.ndarray, ...],
    chain: Chain,
    permutation: np.ndarray | None,
    relative_error: float | None,
    bits: int | None,
) -> None:
    """Write a butterfly to a file, as `write_atomically` does."""
    arrays: dict[str, np.ndarray] = {}
    exponents = []
    for place, array in enumerate(values):
        name = f"factor_{place:04d}"
        if bits is None:
            arrays[name] = array.ravel().view(array.real.dtype)
        else:
            arrays[name], *exponent = pack(array, bits)
            exponents.append(exponent)
    if permutation is not None:
        arrays["permutation"] = permutation
    described = {
        "chain": chain,
        "dtype": values[0].dtype.name,
        "relative_error": relative_error,
        "bits": bits,
        "exponents": exponents,
    }
    text = json.dumps(described, sort_keys=True, allow_nan=False)
    header = {"format": FORMAT, "version": str(VERSION), "butterfly": text}
    data = safetensors.numpy.save(arrays, {**header, "digest": _digest(arrays, text)})
    write_atomically(path, data)


def read_factors(path: str | os.PathLike[str]) -> Contents:
    """Read what `write_factors` wrote.

    Raises
    ------
    ModelFormatError
        If the file is foreign, truncated, altered or too new.
    """
    data = Path(path).read_bytes()
    header = _header(data)
    if header.get("format") != FORMAT:
        raise ModelFormatError(f"not a butterfly's file: its format is {header.get('format')!r}")
    if header.get("version") != str(VERSION):
        raise ModelFormatError(
            f"the butterfly's file is of version {header.get('version')}; this library reads "
            f"version {VERSION}"
        )
    try:
        arrays = safetensors.numpy.load(data)
        if _digest(arrays, header["butterfly"]) != header["digest"]:
            raise ModelFormatError("the butterfly's digest does not match: the file was altered")
        return _contents(arrays, parse_shallow(header["butterfly"]))
    except ModelFormatError:
        raise
    except Exception as error:  # The library raises whatever its parser met.
        raise ModelFormatError(f"the butterfly's file is truncated or altered: {error}") from error


def _contents(arrays: dict[str, np.ndarray], described: dict[str, Any]) -> Contents:
    """Factors from a file's arrays and description."""
    chain = check_chain(described["chain"])
    kind, bits = np.dtype(described["dtype"]), described["bits"]
    values = []
    for place, p in enumerate(chain):
        flat = arrays[f"factor_{place:04d}"]
        if bits is not None:
            n_parts = p.n_parameters * (2 if kind.kind == "c" else 1)
            least, width = described["exponents"][place]
            flat = unpack(flat, bits, least, width, n_parts)
        flat = flat.astype(np.zeros(0, dtype=kind).real.dtype)
        values.append(flat.view(kind).reshape(p.a, p.d, p.b, p.c))
    return values, chain, arrays.get("permutation"), described["relative_error"], bits


def _header(data: bytes) -> dict[str, str]:
    """Metadata of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    try:
        header = parse_shallow(data[8 : 8 + length])["__metadata__"]
        return {str(name): str(text) for name, text in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFormatError(
            "not a butterfly's file: it has no readable safetensors header with metadata"
        ) from error


def _digest(arrays: dict[str, np.ndarray], text: str) -> str:
    """BLAKE2b, in hexadecimal, of the description and all arrays."""
    digest = hashlib.blake2b(text.encode(), digest_size=32)
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
