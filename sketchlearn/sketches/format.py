"""A sketch's bytes: which arrays and counts its file holds, and what makes them a sketch."""

from __future__ import annotations

from typing import Any

import numpy as np

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.files.container import FileKind
from sketchlearn.frequencies import DenseFrequencies, FrequencyOperator

# An operator, sums, and counts.
StoredSketch = tuple[FrequencyOperator, np.ndarray, tuple[int, ...]]
SKETCH_FILE: FileKind[StoredSketch] = FileKind("sketch", 1, SketchFormatError, "Sketch.load")
ARRAYS: dict[str, np.dtype[Any]] = {
    "center": np.dtype(np.float64),
    "covariance": np.dtype(np.float64),
    "feature_sum": np.dtype(np.int64),
    "lower": np.dtype(np.float64),
    "turns": np.dtype(np.float32),
    "upper": np.dtype(np.float64),
}
COUNTS = ("n_samples", "weight_units", "squared_weight_units")
# The one kind of operator that there is.
OPERATOR = "dense"
# Digits of 2^120, beyond which no count goes.
LONGEST_COUNT = 37


def encoded(operator: FrequencyOperator, feature_sum: np.ndarray, counts: tuple[int, ...]) -> bytes:
    """Return a sketch's operator, sums and counts as the bytes of a safetensors file."""
    components = operator.components()
    arrays = {
        name: np.asarray(feature_sum if name == "feature_sum" else components[name])
        for name in ARRAYS
    }
    return SKETCH_FILE.lay_out(arrays, _metadata(operator, counts))


@SKETCH_FILE.reads(1)
def _read_1(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredSketch:
    """Return what a file of version 1 holds."""
    _check_arrays(arrays)
    if metadata.get("operator") != OPERATOR:
        raise SketchFormatError(
            f"the sketch's operator is of kind {metadata.get('operator', '')[:40]!r}, which this "
            f"library does not know; it knows {OPERATOR!r}"
        )
    operator = DenseFrequencies(
        scale=float.fromhex(metadata["scale"]),
        double_phases=metadata["double_phases"] == "1",
        **{name: arrays[name] for name in ARRAYS if name != "feature_sum"},
    )
    counts = tuple(_count(metadata[name], name) for name in COUNTS)
    if operator.fingerprint != metadata.get("fingerprint"):
        raise SketchFormatError(
            f"the operator's fingerprint is {operator.fingerprint} where the file says "
            f"{metadata.get('fingerprint', '')[:40]}"
        )
    expected = _metadata(operator, counts)
    said = {name: metadata[name] for name in metadata if name not in SKETCH_FILE.own_names}
    if said != expected:
        raise SketchFormatError("the sketch's metadata is not in canonical form")
    return operator, arrays["feature_sum"].astype(np.int64), counts


def _count(text: str, name: str) -> int:
    """Read a count; none has more digits than a square of 2^60."""
    if len(text) > LONGEST_COUNT:
        raise ValueError(f"{name} has {len(text)} digits")
    return int(text)


def _metadata(operator: FrequencyOperator, counts: tuple[int, ...]) -> dict[str, str]:
    """What a sketch's header says beside what every file's does."""
    return {
        "operator": OPERATOR,
        "scale": operator.scale.hex(),
        "double_phases": str(int(operator.components()["double_phases"])),
        "fingerprint": operator.fingerprint,
        **dict(zip(COUNTS, map(str, counts), strict=True)),
    }


def _check_arrays(arrays: dict[str, np.ndarray]) -> None:
    """Refuse arrays other than a sketch's, by presence, type and shape."""
    if missing := [name for name in ARRAYS if name not in arrays]:
        raise SketchFormatError(f"the sketch lacks the arrays {', '.join(missing)}")
    if extra := [name for name in arrays if name not in ARRAYS]:
        raise SketchFormatError(f"no sketch has the arrays {', '.join(extra)}")
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
