"""What a file holds, by name, for people and for JSON."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from sketchlearn import Sketch
from sketchlearn.estimators.model_files import MODEL_FILE, StoredModel
from sketchlearn.files.container import start_of
from sketchlearn.sketches.format import SKETCH_FILE
from sketchlearn.sketching.checkpoint import CHECKPOINT_FILE
from sketchlearn.sketching.pass_state import Progress


def described(path: Path) -> dict[str, object]:
    """Say what a sketch's, model's or checkpoint's file holds.

    Raises
    ------
    SketchFormatError, ModelFormatError
        If it is none of these, or altered.
    OSError
        If it cannot be read.
    """
    # Opened once, since it may be a pipe.
    with path.open("rb") as file:
        start = start_of(file)
        status = os.fstat(file.fileno())
        n_bytes = status.st_size if stat.S_ISREG(status.st_mode) else None
        if start.format == MODEL_FILE.format:
            kind, values = "model", _of_model(MODEL_FILE.read(file, start))
        elif start.format == CHECKPOINT_FILE.format:
            kind, values = "checkpoint", _of_checkpoint(CHECKPOINT_FILE.read(file, start).progress)
        else:
            kind, values = "sketch", _sketch(Sketch(*SKETCH_FILE.read(file, start)))
    return {"kind": kind, "bytes": n_bytes, **values}


def _of_model(model: StoredModel) -> dict[str, object]:
    """Describe a model's file."""
    return {
        "estimator": model.estimator,
        "parameters": model.parameters,
        "fitted": {name: number for name, number in model.numbers.items() if name[0] != "_"},
        "weights": model.arrays["weights_"].tolist(),
        **({"feature_names": model.feature_names} if model.feature_names else {}),
        **_sketch(model.sketch),
    }


def _of_checkpoint(progress: Progress) -> dict[str, object]:
    """Describe a checkpoint's file."""
    return {
        "rows_read": progress.n_rows,
        "files_finished": progress.partition,
        "left_out": [name for name, _ in progress.skipped],
        **_sketch(progress.sketch),
    }


def _sketch(sketch: Sketch) -> dict[str, object]:
    """Describe a sketch."""
    operator = sketch.operator
    return {
        "n_samples": sketch.n_samples,
        "weight_sum": sketch.weight_sum,
        "n_effective": sketch.n_effective,
        "n_features": operator.n_features,
        "n_frequencies": operator.n_frequencies,
        "standard_error": sketch.standard_error if sketch.n_samples else None,
        "scale": operator.scale,
        "center": operator.center.tolist(),
        "lower": operator.lower.tolist(),
        "upper": operator.upper.tolist(),
        "fingerprint": sketch.fingerprint,
    }
