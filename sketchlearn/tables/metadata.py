"""What a table's file says of itself: its layout's version, its keys, its operator."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NamedTuple

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.features.moments import MomentKind
from sketchlearn.files.container import library_version
from sketchlearn.files.strict_json import parse_strictly, write_canonically
from sketchlearn.frequencies import FrequencyOperator

# Names in the metadata: what the table is, and its operator's bytes.
HEADER, OPERATOR = b"sketchlearn.table", b"sketchlearn.operator"
# Version 1 had no columns `MARKS`.
VERSION, READ_VERSIONS = 2, (1, 2)


class Header(NamedTuple):
    """What a table's metadata say of it."""

    fingerprint: str
    by: tuple[str, ...]
    moments: MomentKind | None
    feature_names: tuple[str, ...] | None
    operator: FrequencyOperator | None


def write_metadata(
    operator: FrequencyOperator,
    by: Sequence[str],
    moments: MomentKind | None,
    feature_names: tuple[str, ...] | None,
) -> dict[bytes, bytes]:
    """Return what a table's metadata say, the operator among it: texts, as Parquet has them."""
    header = {
        "version": VERSION,
        "library": library_version(),
        "fingerprint": operator.fingerprint,
        "by": list(by),
        "moments": moments,
        "feature_names": None if feature_names is None else list(feature_names),
    }
    return {
        HEADER: write_canonically(header).encode(),
        OPERATOR: base64.b64encode(operator.to_bytes()),
    }


def read_metadata(metadata: dict[bytes, bytes] | None) -> Header | None:
    """Return what metadata say of a table; None where they say nothing.

    Raises
    ------
    SketchFormatError
        If they are damaged, or of a newer version.
    """
    if not metadata or HEADER not in metadata:
        return None
    try:
        header = parse_strictly(metadata[HEADER].decode())
        if header["version"] not in READ_VERSIONS:
            raise SketchFormatError(
                f"the table is of version {header['version']}, and this library reads up to "
                f"{VERSION}"
            )
        operator = None
        if OPERATOR in metadata:
            data = base64.b64decode(metadata[OPERATOR], validate=True)
            operator = FrequencyOperator.from_bytes(data)
        names = header["feature_names"]
        read = Header(
            str(header["fingerprint"]),
            tuple(map(str, header["by"])),
            header["moments"],
            None if names is None else tuple(map(str, names)),
            operator,
        )
    except SketchFormatError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise SketchFormatError(f"the table's metadata are damaged: {error}") from error
    if operator is not None and operator.fingerprint != read.fingerprint:
        raise SketchFormatError("the table's metadata name another operator than they hold")
    return read
