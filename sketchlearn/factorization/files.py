"""Files of factors: a kind of file of the library, see `files.container`."""

from __future__ import annotations

import os

import numpy as np

from sketchlearn.exceptions import ModelFormatError
from sketchlearn.factorization.chains import Chain, check_chain
from sketchlearn.factorization.packing import pack, unpack
from sketchlearn.files.atomic import write_atomically
from sketchlearn.files.container import FileKind
from sketchlearn.files.strict_json import parse_strictly, write_canonically

Contents = tuple[list[np.ndarray], Chain, np.ndarray | None, float | None, int | None]
BUTTERFLY_FILE: FileKind[Contents] = FileKind(
    "butterfly", 1, ModelFormatError, "factorization.Butterfly.load"
)


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
    metadata = {"butterfly": write_canonically(described)}
    write_atomically(path, BUTTERFLY_FILE.encode(arrays, metadata))


@BUTTERFLY_FILE.reads(1)
def _read_1(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> Contents:
    described = parse_strictly(metadata["butterfly"])
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
