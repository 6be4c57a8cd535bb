"""Labels of rows: which may be learned, and the sketches of a table's labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.tables import SketchTable
from sketchlearn.tables.missing import describe_no_table


def check_labels(y: Any, rows: np.ndarray) -> np.ndarray:
    """Return the labels (n,) of rows; a ValueError says what is none, or unlike the others."""
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None")
    try:
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_consistent_length(rows, labels)
        check_classification_targets(labels)
    except TypeError as error:
        raise ValueError(
            f"y must be labels of one type, texts or numbers, and none missing: {error}"
        ) from error
    return np.asarray(labels)


def sort_labels(labels: list[Any]) -> np.ndarray:
    """Return distinct labels in order; a ValueError refuses what is none, or unlike the others."""
    try:
        distinct = unique_labels(labels)
        if any(np.ndim(label) for label in labels):
            # Their entries were taken for labels.
            raise TypeError("tuples and the like are no labels")
        return np.asarray(distinct)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"labels must be texts or numbers, all of one type, got {labels[:5]}; keys of a table "
            "are tuples, and its sketches go to fit_table"
        ) from error


def require_same_classes(classes: Any, known: np.ndarray) -> None:
    """Refuse, by a ValueError, other classes than were known from the first call on."""
    if classes is not None and not np.array_equal(unique_labels(classes), known):
        raise ValueError(
            f"classes are those of the first call, {known.tolist()[:20]}, got "
            f"{np.asarray(classes).tolist()[:20]}"
        )


def add_by_label(table: Any, label: str) -> dict[Any, SketchLike]:
    """Return the sketch of each label of a table, that key of it, whatever the others are.

    Raises
    ------
    TypeError
        If it is no table.
    ValueError
        If there is no such key, or it is null somewhere.
    """
    if not isinstance(table, SketchTable):
        raise TypeError(describe_no_table(table))
    by_label = {key[0]: sketch for key, sketch in table.rollup([label]).items()}
    if None in by_label:
        raise ValueError(
            f"the table has rows without a label, {label!r} being null: leave them out by "
            f"table.select({label}=lambda label: label is not None)"
        )
    return dict(by_label)
