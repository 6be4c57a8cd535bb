"""A sketch's bytes: which arrays and counts its file holds, and what makes them a sketch.

An operator that is a dense matrix whose waves are averaged has its matrix in the array `turns`. Of
others the header names the kinds of both maps, and their states' arrays come after ``map.`` and
``features.``. Version 2 has what version 1 has, and may have moments and the names of the features.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.features import FeatureMap, Waves
from sketchlearn.features.moments import MomentKind, MomentSums
from sketchlearn.files.container import FileKind
from sketchlearn.files.strict_json import parse_strictly, write_canonically
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.linear_maps import DenseMap, LinearMap
from sketchlearn.sketches.sums import Sums


class StoredSketch(NamedTuple):
    """What a sketch's file holds."""

    operator: FrequencyOperator
    sums: Sums
    feature_names: tuple[str, ...] | None = None


SKETCH_FILE: FileKind[StoredSketch] = FileKind("sketch", 2, SketchFormatError, "Sketch.load")
ARRAYS: dict[str, np.dtype[Any]] = {
    "center": np.dtype(np.float64),
    "covariance": np.dtype(np.float64),
    "feature_sum": np.dtype(np.int64),
    "lower": np.dtype(np.float64),
    "upper": np.dtype(np.float64),
}
DOMAIN = ("center", "lower", "upper", "covariance")
COUNTS = ("n_samples", "weight_units", "squared_weight_units")
# The kind of operator whose header names no features: waves.
DENSE = "dense"
# Names in files of version 2: of an array and of a text; of an array; of a text.
MOMENTS, EXPONENTS, NAMES = "moments", "moment_exponents", "feature_names"
# Digits of 2^120, beyond which no count goes.
LONGEST_COUNT = 37


def encode_sketch(stored: StoredSketch) -> bytes:
    """Return a sketch's operator, sums and names as the bytes of a safetensors file."""
    operator, sums, names = stored
    arrays, metadata = _list_arrays(operator, sums.feature_sum), _list_metadata(operator, sums)
    if (moments := sums.moments) is not None:
        arrays[MOMENTS], metadata[MOMENTS] = moments.state.astype(np.int64), moments.kind
        arrays[EXPONENTS] = operator.moment_grid.exponents
    if names is not None:
        metadata[NAMES] = write_canonically(names)
    return SKETCH_FILE.encode(arrays, metadata)


@SKETCH_FILE.reads(2)
def _read_2(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredSketch:
    """Return what a file of version 2 holds."""
    new = (MOMENTS, EXPONENTS, NAMES)
    operator, sums, _ = _read_1(
        {name: array for name, array in arrays.items() if name not in new},
        {name: text for name, text in metadata.items() if name not in new},
    )
    stored = StoredSketch(operator, _with_moments(operator, sums, arrays, metadata.get(MOMENTS)))
    if NAMES in metadata:
        names = parse_strictly(metadata[NAMES])
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not is_list or write_canonically(names) != metadata[NAMES]:
            raise SketchFormatError(f"no features have the names {metadata[NAMES][:40]}")
        stored = stored._replace(feature_names=tuple(names))
    return stored


def _with_moments(
    operator: FrequencyOperator, sums: Sums, arrays: dict[str, np.ndarray], kind: str | None
) -> Sums:
    """Add the moments of a file to its sums, if it has them."""
    expected = {name for name in (MOMENTS, EXPONENTS) if kind is not None}
    if expected != {*arrays} & {MOMENTS, EXPONENTS}:
        raise SketchFormatError(
            f"moments of kind {kind!r} do not go with the arrays {', '.join(sorted(arrays))}"
        )
    if kind is None:
        return sums
    if kind not in ("full", "diagonal"):
        raise SketchFormatError(f"no moments are of kind {kind[:40]!r}")
    exponents = operator.moment_grid.exponents
    if arrays[EXPONENTS].dtype != np.int32 or not np.array_equal(arrays[EXPONENTS], exponents):
        raise SketchFormatError("the moments are on another grid than the operator's")
    moments = MomentSums.from_state(operator.n_features, cast(MomentKind, kind), arrays[MOMENTS])
    return Sums(sums.feature_sum, *sums.counts, moments=moments)


@SKETCH_FILE.reads(1)
def _read_1(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredSketch:
    """Return what a file of version 1 holds."""
    is_plain = metadata.get("operator") == DENSE and "features" not in metadata
    linear_map: LinearMap
    if is_plain:
        _check_arrays(arrays, {**ARRAYS, "turns": np.dtype(np.float32)})
        linear_map, features = DenseMap(arrays["turns"]), Waves()
    else:
        map_kind = _find_kind(LinearMap.kinds, metadata, "operator")
        features_kind = _find_kind(FeatureMap.kinds, metadata, "features")
        own = {name: array for name, array in arrays.items() if "." not in name}
        _check_arrays(own, ARRAYS)
        linear_map = map_kind.from_state(_select_prefixed(arrays, "map."))
        features = features_kind.from_state(_select_prefixed(arrays, "features."))
    _check_shapes(arrays, linear_map)
    operator = FrequencyOperator(
        linear_map,
        Domain(scale=float.fromhex(metadata["scale"]), **{name: arrays[name] for name in DOMAIN}),
        features,
        double_phases=metadata["double_phases"] == "1",
    )
    counts = (_read_count(metadata[name], name) for name in COUNTS)
    sums = Sums(arrays["feature_sum"].astype(np.int64), *counts)
    if operator.fingerprint != metadata.get("fingerprint"):
        raise SketchFormatError(
            f"the operator's fingerprint is {operator.fingerprint} where the file says "
            f"{metadata.get('fingerprint', '')[:40]}"
        )
    expected = _list_metadata(operator, sums)
    said = {name: metadata[name] for name in metadata if name not in SKETCH_FILE.own_names}
    if said != expected:
        raise SketchFormatError("the sketch's metadata is not in canonical form")
    _require_canonical(arrays, _list_arrays(operator, arrays["feature_sum"]))
    return StoredSketch(operator, sums)


def _find_kind(kinds: dict[str, Any], metadata: dict[str, str], name: str) -> Any:
    """Return the class of the kind that the header has under a name."""
    kind = metadata.get(name, "")
    if kind not in kinds:
        raise SketchFormatError(
            f"the sketch's {name} is of kind {kind[:40]!r}, which this library does not know; it "
            f"knows {', '.join(map(repr, sorted(kinds)))}. A kind of your own must be imported "
            "before a file of it is read"
        )
    return kinds[kind]


def _select_prefixed(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names start with a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _read_count(text: str, name: str) -> int:
    """Read a count; none has more digits than a square of 2^60."""
    if len(text) > LONGEST_COUNT:
        raise ValueError(f"{name} has {len(text)} digits")
    return int(text)


def _list_arrays(operator: FrequencyOperator, feature_sum: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of a sketch's file."""
    components = operator.components().items()
    arrays = {name: value for name, value in components if isinstance(value, np.ndarray)}
    return {**arrays, "feature_sum": feature_sum}


def _list_metadata(operator: FrequencyOperator, sums: Sums) -> dict[str, str]:
    """Return what a sketch's header says beside what every file's does."""
    return {
        "operator": operator.linear_map.kind,
        **({} if operator.is_plain else {"features": operator.features.kind}),
        "scale": operator.scale.hex(),
        "double_phases": str(int(operator.double_phases)),
        "fingerprint": operator.fingerprint,
        **dict(zip(COUNTS, map(str, sums.counts), strict=True)),
    }


def _check_arrays(arrays: dict[str, np.ndarray], expected: dict[str, np.dtype[Any]]) -> None:
    """Refuse arrays other than a sketch's, by presence and type."""
    if missing := [name for name in sorted(expected) if name not in arrays]:
        raise SketchFormatError(f"the sketch lacks the arrays {', '.join(missing)}")
    if extra := [name for name in arrays if name not in expected]:
        raise SketchFormatError(f"no sketch has the arrays {', '.join(extra)}")
    for name, dtype in expected.items():
        if arrays[name].dtype != dtype:
            raise SketchFormatError(f"{name} must be {dtype}, got {arrays[name].dtype}")


def _require_canonical(arrays: dict[str, np.ndarray], written: dict[str, np.ndarray]) -> None:
    """Refuse arrays other than those that are written: a map may take what it does not keep."""
    for name in sorted({*arrays} | {*written}):
        came, own = arrays.get(name), written.get(name)
        if came is None or own is None or came.dtype != own.dtype or not np.array_equal(came, own):
            raise SketchFormatError(f"the sketch's array {name} is not in canonical form")


def _check_shapes(arrays: dict[str, np.ndarray], linear_map: LinearMap) -> None:
    """Refuse arrays that do not fit the frequencies."""
    d, m = linear_map.n_features, linear_map.n_frequencies
    expected = {"center": (d,), "lower": (d,), "upper": (d,), "covariance": (d, d)}
    expected["feature_sum"] = (2, m)
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise SketchFormatError(
                f"{name} must have shape {shape} beside frequencies of shape ({d}, {m}), "
                f"got {arrays[name].shape}"
            )
