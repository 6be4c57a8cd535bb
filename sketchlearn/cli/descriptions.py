"""What a file holds, by name, for people and for JSON."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sketchlearn import Sketch
from sketchlearn.cli.tables import list_places
from sketchlearn.estimators.persistence import MODEL_FILE, StoredModel
from sketchlearn.files.container import FileKind
from sketchlearn.files.registry import read_start
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.frequencies.format import OPERATOR_FILE
from sketchlearn.privacy import PrivateSketch
from sketchlearn.privacy.format import PRIVATE_FILE, StoredRelease
from sketchlearn.sketches.format import SKETCH_FILE, StoredSketch
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching.checkpoint import CHECKPOINT_FILE, StoredPass


def describe(path: Path, operator: FrequencyOperator | None = None) -> dict[str, object]:
    """Say what a sketch's, operator's, model's or checkpoint's file holds.

    An operator completes a sketch that was written without.

    Raises
    ------
    SketchFormatError, ModelFormatError
        If it is none of these, or altered.
    SketchMismatchError
        If the file's operator is another.
    OSError
        If it cannot be read.
    """
    # Opened once, since it may be a pipe.
    with path.open("rb") as file:
        start = read_start(file)
        status = os.fstat(file.fileno())
        n_bytes = status.st_size if stat.S_ISREG(status.st_mode) else None
        noun = start.identity.noun if start.identity else ""
        kind, describe_content = KINDS.get(noun, KINDS[SKETCH_FILE.noun])
        content = kind.read(file, start)
    if operator is None:
        values = describe_content(content)
    elif kind is SKETCH_FILE:
        values = _describe_stored_sketch(content, operator)
    else:
        raise ValueError(f"--operator goes with a sketch, and this is {kind.one}")
    return {"kind": kind.noun, "bytes": n_bytes, **values}


def _describe_model(model: StoredModel) -> dict[str, object]:
    return {
        "estimator": model.estimator,
        "parameters": model.parameters,
        "fitted": {name: number for name, number in model.numbers.items() if name[0] != "_"},
        **list_places(model.arrays),
        **_describe_classes(model),
        **({"feature_names": model.feature_names} if model.feature_names else {}),
        **_describe_sketch(model.sketch),
    }


def _describe_classes(model: StoredModel) -> dict[str, object]:
    """Labels of a classifier's classes, and the one that each component is of."""
    if model.classes is None:
        return {}
    labels = [label for label, _ in model.classes]
    components = model.arrays["component_classes_"].astype(int).tolist()
    return {"classes": labels, "component_classes": [labels[i] for i in components]}


def _describe_checkpoint(stored: StoredPass) -> dict[str, object]:
    progress = stored.progress
    return {
        "rows_read": progress.n_rows,
        "files_finished": progress.partition,
        "left_out": [name for name, _ in progress.skipped],
        **_describe_sketch(progress.sketch),
    }


def _describe_sketch(sketch: SketchLike) -> dict[str, object]:
    operator = sketch.operator
    kinds = {"linear_map": operator.linear_map.kind, "features": operator.features.kind}
    return {
        "n_samples": sketch.n_samples,
        "weight_sum": sketch.weight_sum,
        "n_effective": sketch.n_effective,
        "n_features": operator.n_features,
        "n_frequencies": operator.n_frequencies,
        **({} if operator.is_plain else kinds),
        "standard_error": sketch.standard_error if sketch.n_samples else None,
        **_describe_scale(operator),
        "center": operator.center.tolist(),
        **_describe_box(operator),
        **({"feature_names": list(sketch.feature_names)} if sketch.feature_names else {}),
        **_describe_moments(sketch),
        "fingerprint": sketch.fingerprint,
    }


def _describe_scale(operator: FrequencyOperator) -> dict[str, object]:
    """Scale of clusters that frequencies are for, and the finest where they are for several."""
    finest = operator.domain.finest_scale
    return {"scale": operator.scale, **({} if finest is None else {"finest_scale": finest})}


def _describe_box(operator: FrequencyOperator) -> dict[str, object]:
    """Corners of the box that was declared, if one was, and the radius within it."""
    if (box := operator.domain.box) is None:
        return {}
    clips = {"clips": True} if operator.domain.clips else {}
    radius = operator.domain.radius
    within = {} if radius is None else {"radius": radius}
    return {"lower": box[0].tolist(), "upper": box[1].tolist(), **clips, **within}


def _describe_operator(operator: FrequencyOperator) -> dict[str, object]:
    return {
        "n_features": operator.n_features,
        "n_frequencies": operator.n_frequencies,
        **_describe_scale(operator),
        "center": operator.center.tolist(),
        **_describe_box(operator),
        "fingerprint": operator.fingerprint,
    }


def _describe_moments(sketch: SketchLike) -> dict[str, object]:
    """Mean and standard deviation of each column, where the sketch has moments of rows."""
    if sketch.moment_kind is None or sketch.n_samples == 0:
        return {}
    moments = sketch.moments
    return {
        "mean": moments.mean.tolist(),
        "standard_deviation": moments.standard_deviation.tolist(),
    }


def _describe_private_sketch(stored: StoredRelease) -> dict[str, object]:
    """Describe a private sketch's file: what was released, and how."""
    sketch = PrivateSketch.restore(stored)
    loss = sketch.loss
    releases = [
        {
            "noise": each.noise,
            "neighbors": each.neighbors,
            "rows_per_person": each.rows_per_person,
            "sensitivities": dict(each.sensitivities),
            "scales": dict(each.scales),
        }
        for each in sketch.mechanisms
    ]
    return {
        "epsilon": sketch.epsilon,
        "delta": sketch.delta,
        "rho": loss.rho,
        **_describe_sketch(sketch),
        "mechanism_error": sketch.mechanism_error,
        "releases": releases,
    }


def _describe_stored_sketch(
    stored: StoredSketch, operator: FrequencyOperator | None = None
) -> dict[str, object]:
    """Describe a sketch's file; of one without its operator, what can be said."""
    if stored.operator or operator:
        return _describe_sketch(Sketch.restore(stored, operator))
    names = stored.feature_names
    return {
        "n_samples": stored.sums.n_samples,
        "weight_sum": stored.sums.weight_sum,
        "n_frequencies": stored.sums.feature_sum.shape[1],
        **({"feature_names": list(names)} if names else {}),
        "operator": "in a file of its own",
        "fingerprint": stored.fingerprint,
    }


# By noun; what is none of them is read as a sketch, whose error says so.
KINDS: dict[str, tuple[FileKind[Any], Callable[[Any], dict[str, object]]]] = {
    SKETCH_FILE.noun: (SKETCH_FILE, _describe_stored_sketch),
    PRIVATE_FILE.noun: (PRIVATE_FILE, _describe_private_sketch),
    OPERATOR_FILE.noun: (OPERATOR_FILE, _describe_operator),
    MODEL_FILE.noun: (MODEL_FILE, _describe_model),
    CHECKPOINT_FILE.noun: (CHECKPOINT_FILE, _describe_checkpoint),
}
