"""What a file holds, by name, for people and for JSON."""

from __future__ import annotations

from pathlib import Path

from sketchlearn import Checkpoint, Sketch
from sketchlearn.estimators.model_files import MODEL_FILE, StoredModel
from sketchlearn.sketching.checkpoint import CHECKPOINT_FILE
from sketchlearn.sketching.container import format_of


def described(path: Path) -> dict[str, object]:
    """Say what a sketch's, model's or checkpoint's file holds.

    Raises
    ------
    SketchFormatError, ModelFormatError
        If it is none of these, or altered.
    OSError
        If it cannot be read.
    """
    kinds = {MODEL_FILE.format: _of_model, CHECKPOINT_FILE.format: _of_checkpoint}
    return kinds.get(format_of(path) or "", _of_sketch)(path)


def _of_sketch(path: Path) -> dict[str, object]:
    """Describe a sketch's file."""
    return {"kind": "sketch", "bytes": path.stat().st_size, **_sketch(Sketch.load(path))}


def _of_model(path: Path) -> dict[str, object]:
    """Describe a model's file."""
    model = StoredModel.read(path)
    return {
        "kind": "model",
        "bytes": path.stat().st_size,
        "estimator": model.estimator,
        "parameters": model.parameters,
        "fitted": {name: number for name, number in model.numbers.items() if name[0] != "_"},
        "weights": model.arrays["weights_"].tolist(),
        **({"feature_names": model.feature_names} if model.feature_names else {}),
        **_sketch(model.sketch),
    }


def _of_checkpoint(path: Path) -> dict[str, object]:
    """Describe a checkpoint's file."""
    progress = Checkpoint(path).load()
    return {
        "kind": "checkpoint",
        "bytes": path.stat().st_size,
        "rows_read": progress.n_rows,
        "files_finished": progress.part,
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
