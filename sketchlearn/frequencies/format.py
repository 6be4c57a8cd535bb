"""What files hold of an operator: which arrays and texts, and what makes them one.

An operator that is a dense matrix whose waves are averaged has its matrix in the array `turns`. Of
others the texts name the kinds of both maps, and their states' arrays come after ``map.`` and
``features.``. A sketch's file has an operator's arrays and texts among its own; an operator's has
nothing else.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.features.feature_map import FeatureMap
from sketchlearn.features.fourier import Waves
from sketchlearn.files.container import FileKind
from sketchlearn.frequencies.covariance import CODES, CODES_IN_UNITS, FactoredCovariance
from sketchlearn.frequencies.domain import CORNERS, Domain
from sketchlearn.linear_maps import DenseMap, LinearMap

if TYPE_CHECKING:
    from sketchlearn.frequencies.operator import FrequencyOperator

OPERATOR_FILE: FileKind[FrequencyOperator] = FileKind(
    "operator", 1, SketchFormatError, "FrequencyOperator.load"
)
# The kind of operator whose texts name no features: waves.
DENSE = "dense"
# Of the domain's arrays those that are always there, as the corners of a box are not.
DOMAIN_ARRAYS = ("center", "covariance")


def read_parts(arrays: dict[str, np.ndarray], texts: dict[str, str]) -> dict[str, Any]:
    """Return what an operator is made of, by name, from its arrays and texts in a file."""
    linear_map: LinearMap
    if texts.get("operator") == DENSE and "features" not in texts:
        _check_arrays(arrays, {"turns": np.dtype(np.float32)})
        linear_map, features = DenseMap(arrays["turns"]), Waves()
    else:
        map_kind = _find_kind(LinearMap, texts, "operator is")
        features_kind = _find_kind(FeatureMap, texts, "features is")
        _check_arrays({name: array for name, array in arrays.items() if "." not in name}, {})
        linear_map = map_kind.from_state(_select_prefixed(arrays, "map."))
        features = features_kind.from_state(_select_prefixed(arrays, "features."))
    return {
        "linear_map": linear_map,
        "domain": _read_domain(arrays, texts, linear_map),
        "features": features,
        "double_phases": texts["double_phases"] == "1",
    }


def _read_domain(
    arrays: dict[str, np.ndarray], texts: dict[str, str], linear_map: LinearMap
) -> Domain:
    """Return the domain of an operator of this linear map: its arrays, and its numbers in hex."""
    d, m = linear_map.n_features, linear_map.n_frequencies
    names = [one.name for one in fields(Domain)]
    parts: dict[str, Any] = {name: arrays[name] for name in names if name in arrays}
    if "loadings" in arrays:
        factors = FactoredCovariance.of_codes(
            **{name: arrays[name] for name in CODES_IN_UNITS if name in arrays}
        )
        if len(factors.variances) != d:
            raise SketchFormatError(f"variances must be {d}, got {len(factors.variances)}")
        parts["covariance"] = factors
    for name, array in parts.items():
        if (
            isinstance(array, np.ndarray)
            and name != "shared"
            and array.shape != (expected := (d, d) if name == "covariance" else (d,))
        ):
            raise SketchFormatError(
                f"{name} must have shape {expected} beside frequencies of shape ({d}, {m}), "
                f"got {array.shape}"
            )
    clips = texts.get("clips") == "1"
    numbers = [name for name in names if name in texts and name != "clips"]
    parts |= {name: float.fromhex(texts[name]) for name in numbers}
    return Domain(**parts, clips=clips)


def _find_kind(contract: Any, texts: dict[str, str], what: str) -> Any:
    """Return the class of the kind that a text names."""
    kind = texts.get(what.split()[0], "")
    try:
        return contract.of_kind(kind)
    except ValueError:
        raise SketchFormatError(
            f"the {what} of kind {kind[:40]!r}, which this library does not know; it knows "
            f"{', '.join(map(repr, contract.kinds()))}. A kind of your own must be imported before "
            "a file of it is read"
        ) from None


def _select_prefixed(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names start with a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _check_arrays(arrays: dict[str, np.ndarray], expected: dict[str, np.dtype[Any]]) -> None:
    """Refuse arrays other than the expected ones and a domain's, by presence and type."""
    names = DOMAIN_ARRAYS if {*CORNERS}.isdisjoint(arrays) else (*DOMAIN_ARRAYS, *CORNERS)
    expected = {**expected, **dict.fromkeys(names, np.dtype(np.float64))}
    if "shared" in arrays:
        expected["shared"] = np.dtype(np.float64)
    if "loadings" in arrays:
        del expected["covariance"]
        types = CODES_IN_UNITS if "row_exponents" in arrays else CODES
        expected |= {name: np.dtype(one) for name, one in types.items()}
    if missing := [name for name in sorted(expected) if name not in arrays]:
        raise SketchFormatError(f"the operator lacks the arrays {', '.join(missing)}")
    if extra := [name for name in arrays if name not in expected]:
        raise SketchFormatError(f"no operator has the arrays {', '.join(extra)}")
    for name, dtype in expected.items():
        if arrays[name].dtype != dtype:
            raise SketchFormatError(f"{name} must be {dtype}, got {arrays[name].dtype}")


def require_same_arrays(arrays: dict[str, np.ndarray], written: dict[str, np.ndarray]) -> None:
    """Refuse arrays of a file other than those that would be written again."""
    for name in sorted({*arrays} | {*written}):
        came, own = arrays.get(name), written.get(name)
        if came is None or own is None or came.dtype != own.dtype or not np.array_equal(came, own):
            raise SketchFormatError(f"the operator's array {name} is not in canonical form")
