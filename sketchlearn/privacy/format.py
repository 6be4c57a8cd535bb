"""A private sketch's bytes: the operator's arrays and texts, the released integers, the mechanisms.

Nothing else: neither an exact sum nor a seed. Each mechanism is an entry of a JSON list, numbers in
hexadecimal; a reader computes the sensitivities again and refuses others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.features.moments import MomentKind
from sketchlearn.files.container import FileKind
from sketchlearn.files.strict_json import parse_strictly, write_canonically
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.privacy.mechanism import Mechanism
from sketchlearn.privacy.queries import PARTS, sensitivities
from sketchlearn.sketches.format import NAMES, read_names


class StoredRelease(NamedTuple):
    """What a private sketch's file holds."""

    operator: FrequencyOperator
    parts: Mapping[str, np.ndarray]
    mechanisms: tuple[Mechanism, ...]
    moment_kind: MomentKind | None
    feature_names: tuple[str, ...] | None


PRIVATE_FILE: FileKind[StoredRelease] = FileKind(
    "private sketch", 1, SketchFormatError, "PrivateSketch.load"
)
PREFIX, MECHANISMS, MOMENTS = "released_", "mechanisms", "moments"
WORDS, NUMBERS = ("noise", "neighbors", "token"), ("sensitivities", "scales")
TOKEN = re.compile("[0-9a-f]{32}")


def list_contents(stored: StoredRelease) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays of a file, and what its header says beside what every one does."""
    arrays, texts = stored.operator.state()
    arrays |= {f"{PREFIX}{name}": part for name, part in stored.parts.items()}
    texts[MECHANISMS] = write_canonically([_describe(each) for each in stored.mechanisms])
    if stored.moment_kind is not None:
        texts[MOMENTS] = stored.moment_kind
    if stored.feature_names is not None:
        texts[NAMES] = write_canonically(list(stored.feature_names))
    return arrays, texts


@PRIVATE_FILE.reads(1)
def _read_1(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredRelease:
    """Return what a file of version 1 holds."""
    names = {name: f"{PREFIX}{name}" for name in PARTS if f"{PREFIX}{name}" in arrays}
    rest = {name: array for name, array in arrays.items() if name not in names.values()}
    operator = FrequencyOperator.from_state(rest, metadata)
    kind = metadata.get(MOMENTS)
    if kind not in ("full", "diagonal", None):
        raise SketchFormatError(f"no moments are of kind {kind[:40]!r}")
    feature_names = read_names(metadata[NAMES]) if NAMES in metadata else None
    stored = StoredRelease(
        operator,
        {name: arrays[own] for name, own in names.items()},
        tuple(map(_read_mechanism, parse_strictly(metadata[MECHANISMS]))),
        cast(MomentKind | None, kind),
        feature_names,
    )
    expected, texts = list_contents(stored)
    said = {name: metadata[name] for name in metadata if name not in PRIVATE_FILE.own_names}
    if said != texts or {*arrays} != {*expected}:
        raise SketchFormatError("the private sketch's metadata is not in canonical form")
    for each in stored.mechanisms:
        _check_mechanism(each, stored)
    return stored


def _describe(mechanism: Mechanism) -> dict[str, Any]:
    """Return a mechanism as JSON has it."""
    numbers = {
        name: {part: value.hex() for part, value in getattr(mechanism, name).items()}
        for name in NUMBERS
    }
    words = {name: getattr(mechanism, name) for name in WORDS}
    return {
        **words,
        **numbers,
        "delta": mechanism.delta.hex(),
        "rows_per_person": mechanism.rows_per_person,
    }


def _read_mechanism(said: dict[str, Any]) -> Mechanism:
    """Return the mechanism that `_describe` described."""
    values: dict[str, Any] = {
        name: {part: float.fromhex(said[name][part]) for part in PARTS if part in said[name]}
        for name in NUMBERS
    }
    values |= {name: said[name] for name in (*WORDS, "rows_per_person")}
    return Mechanism(**values, delta=float.fromhex(said["delta"]))


def _check_mechanism(mechanism: Mechanism, stored: StoredRelease) -> None:
    """Refuse, by a ValueError, a mechanism that promises what it does not keep."""
    neighbors, n_rows = mechanism.neighbors, mechanism.rows_per_person
    if neighbors not in ("add-remove", "replace") or type(n_rows) is not int or n_rows < 1:
        raise ValueError(f"no release has neighbors={neighbors!r} and rows_per_person={n_rows!r}")
    if mechanism.noise not in ("discrete gaussian", "discrete laplace"):
        raise ValueError(f"no release has the noise {mechanism.noise!r}")
    if not isinstance(mechanism.token, str) or not TOKEN.fullmatch(mechanism.token):
        raise ValueError(f"no release has the token {mechanism.token!r}")
    is_pure = mechanism.noise == "discrete laplace"
    moved = sensitivities(
        stored.operator, stored.moment_kind, neighbors, n_rows, 1 if is_pure else 2
    )
    if dict(mechanism.sensitivities) != moved or {*mechanism.scales} != {*moved}:
        raise ValueError("the sensitivities are not those of the operator")
    if not all(0.0 < scale < float("inf") for scale in mechanism.scales.values()):
        raise ValueError("a scale of noise must be positive and finite")
    if not 0.0 <= mechanism.delta < 1.0 or (mechanism.delta == 0.0) != is_pure:
        raise ValueError(f"no release by {mechanism.noise} noise has delta={mechanism.delta!r}")
