"""A sketch's bytes: which arrays and counts its file holds, and what makes them a sketch.

Version 2 has the arrays and texts of the operator (`frequencies.format`), or of these nothing but
its fingerprint, and then needs the operator to be read; sums and counts; and perhaps moments, and
the names of the features. Version 1 is the same with the operator, and without these two.
"""

from __future__ import annotations

import re
from os import PathLike
from typing import NamedTuple, cast

import numpy as np

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.features.moments import MomentKind, MomentSums
from sketchlearn.files.container import FileKind
from sketchlearn.files.strict_json import parse_strictly, write_canonically
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.packing import pack_counts, unpack_counts
from sketchlearn.sketches.sums import Sums


class StoredSketch(NamedTuple):
    """What a sketch's file holds: its operator, or what tells another from it."""

    operator: FrequencyOperator | None
    sums: Sums
    feature_names: tuple[str, ...] | None
    fingerprint: str
    moment_exponents: np.ndarray | None
    is_binary: bool = False


SKETCH_FILE: FileKind[StoredSketch] = FileKind("sketch", 2, SketchFormatError, "Sketch.load")
COUNTS = ("n_samples", "weight_units", "squared_weight_units")
# Names of an array and of a text; of an array; of a text.
MOMENTS, EXPONENTS, NAMES = "moments", "moment_exponents", "feature_names"
SUMS, SIGN_COUNTS = "feature_sum", "feature_count"
OWN_ARRAYS = (SUMS, SIGN_COUNTS, MOMENTS, EXPONENTS)
FINGERPRINT = re.compile("[0-9a-f]{32}")
# Digits of 2^120, beyond which no count goes.
LONGEST_COUNT = 37


def encode_sketch(stored: StoredSketch) -> bytes:
    """Return a sketch's sums and names, and its operator if there is one, as a file's bytes."""
    return SKETCH_FILE.encode(*_list_contents(stored))


def find_operator(
    operator: FrequencyOperator | str | PathLike[str] | None,
) -> FrequencyOperator | None:
    """Return an operator that is given as such or by its file; None if none is."""
    if operator is None or isinstance(operator, FrequencyOperator):
        return operator
    if isinstance(operator, str | PathLike):
        return FrequencyOperator.load(operator)
    raise TypeError(
        f"operator must be a FrequencyOperator or the path of its file, got "
        f"{type(operator).__name__}"
    )


@SKETCH_FILE.reads(2)
def _read_2(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredSketch:
    """Return what a file of version 2 holds."""
    operator = None
    if "operator" in metadata:
        operator = FrequencyOperator.from_state(
            {name: array for name, array in arrays.items() if name not in OWN_ARRAYS}, metadata
        )
    elif not FINGERPRINT.fullmatch(metadata["fingerprint"]):
        raise SketchFormatError(f"no operator has the fingerprint {metadata['fingerprint'][:40]!r}")
    names = read_names(metadata[NAMES]) if NAMES in metadata else None
    stored = StoredSketch(
        operator,
        _read_sums(arrays, metadata, operator),
        names,
        metadata["fingerprint"],
        arrays.get(EXPONENTS),
        operator.features.is_binary if operator else SIGN_COUNTS in arrays,
    )
    expected, texts = _list_contents(stored)
    said = {name: metadata[name] for name in metadata if name not in SKETCH_FILE.own_names}
    if said != texts or {*arrays} != {*expected}:
        raise SketchFormatError("the sketch's metadata is not in canonical form")
    return stored


@SKETCH_FILE.reads(1)
def _read_1(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredSketch:
    """Return what a file of version 1 holds."""
    if newer := {MOMENTS, EXPONENTS, NAMES} & {*arrays, *metadata}:
        raise SketchFormatError(f"no sketch of version 1 has {', '.join(sorted(newer))}")
    if lacking := {"operator", "lower", "upper"} - {*arrays, *metadata}:
        raise SketchFormatError(f"the sketch of version 1 lacks {', '.join(sorted(lacking))}")
    return _read_2(arrays, metadata)


def _list_contents(stored: StoredSketch) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays of a sketch's file, and what its header says beside what every one does."""
    sums = stored.sums
    arrays, texts = stored.operator.state() if stored.operator else ({}, {})
    counts = pack_counts(sums.feature_sum, sums.weight_units) if stored.is_binary else None
    arrays |= {SUMS: sums.feature_sum} if counts is None else {SIGN_COUNTS: counts}
    texts = {**texts, "fingerprint": stored.fingerprint}
    texts |= dict(zip(COUNTS, map(str, sums.counts), strict=True))
    if sums.moments is not None:
        arrays[MOMENTS], texts[MOMENTS] = sums.moments.state.astype(np.int64), sums.moments.kind
        arrays[EXPONENTS] = cast(np.ndarray, stored.moment_exponents)
    if stored.feature_names is not None:
        texts[NAMES] = write_canonically(stored.feature_names)
    return arrays, texts


def _read_sums(
    arrays: dict[str, np.ndarray], metadata: dict[str, str], operator: FrequencyOperator | None
) -> Sums:
    """Return the sums and counts of a file, and its moments, if it has them."""
    counts = [_read_count(metadata[name], name) for name in COUNTS]
    if SIGN_COUNTS in arrays:
        feature_sum = unpack_counts(arrays[SIGN_COUNTS], counts[1])
    elif SUMS in arrays:
        feature_sum = arrays[SUMS]
    else:
        raise SketchFormatError("the sketch lacks the array feature_sum")
    shape = (2, operator.n_frequencies if operator else feature_sum.size // 2)
    if feature_sum.dtype != np.int64 or feature_sum.shape != shape or not shape[1]:
        raise SketchFormatError(
            f"feature_sum must have shape {shape} and be int64, got {feature_sum.shape} of "
            f"{feature_sum.dtype}"
        )
    kind, has = metadata.get(MOMENTS), {*arrays} & {MOMENTS, EXPONENTS}
    if has != ({MOMENTS, EXPONENTS} if kind is not None else set()):
        raise SketchFormatError(
            f"moments of kind {kind!r} do not go with the arrays {', '.join(sorted(arrays))}"
        )
    if kind is None:
        return Sums(feature_sum, *counts)
    if kind not in ("full", "diagonal"):
        raise SketchFormatError(f"no moments are of kind {kind[:40]!r}")
    exponents = arrays[EXPONENTS]
    if exponents.dtype != np.int32 or exponents.ndim != 1 or not exponents.size:
        raise SketchFormatError(
            f"moment_exponents must be int32 of shape (n_features,), got {exponents.dtype} of "
            f"{exponents.shape}"
        )
    n_features = operator.n_features if operator else exponents.size
    moments = MomentSums.from_state(n_features, cast(MomentKind, kind), arrays[MOMENTS])
    return Sums(feature_sum, *counts, moments=moments)


def read_names(text: str) -> tuple[str, ...]:
    """Return the names of a file's features; a SketchFormatError refuses what is none."""
    names = parse_strictly(text)
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_list or write_canonically(names) != text:
        raise SketchFormatError(f"no features have the names {text[:40]}")
    return tuple(names)


def _read_count(text: str, name: str) -> int:
    """Read a count; none has more digits than a square of 2^60."""
    if len(text) > LONGEST_COUNT:
        raise ValueError(f"{name} has {len(text)} digits")
    return int(text)
