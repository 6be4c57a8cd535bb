"""How rows reach an estimator: validated once, by name, in memory or from a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sketchlearn._validation import draw_seed
from sketchlearn.estimators.model_files import SavedAsFile
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching import Sketcher
from sketchlearn.sources.frames import rows_as_fitted
from sketchlearn.sources.opening import is_source, open_source, weight_column
from sketchlearn.sources.source import Chunk, RowSource, chunk_rows, name_weights
from sketchlearn.sources.weights import check_sample_weight, require_weights


class TakesRows(SavedAsFile):
    """What `fit`, `predict` and their like do with rows before they look at them.

    Features go by name wherever both sides have names: columns in another order are reordered,
    others left out, and one that is missing is an error.
    """

    random_state: Any

    def _validate(self, X: Any, reset: bool, names_of: BaseEstimator | None = None) -> np.ndarray:
        """Rows as a float32 or float64 array, its features checked against earlier ones.

        Of a frame, the columns are chosen by the names that were fitted, here or, for a first fit,
        in ``names_of``.
        """
        fitted = self if names_of is None and not reset else names_of
        names = getattr(fitted, "feature_names_in_", None)
        X = rows_as_fitted(X, names, is_new=fitted is None)
        rows = validate_data(self, X, dtype=[np.float64, np.float32], reset=reset)
        if names_of is not None:
            named = X if hasattr(X, "columns") else rows
            validate_data(names_of, named, reset=False, skip_check_array=True)
        return rows

    def _chunks_of(self, X: Any, sample_weight: Any = None) -> Iterator[Chunk]:
        """Yield the rows that a fitted model is asked about, some at once, and their weights."""
        self._require_fitted()
        require_rows(X, "this method")
        if is_source(X):
            source = open_source(X, weight=weight_column(sample_weight))
            self._expect_features(source)
            for chunk in source.chunks():
                if chunk.weights is not None:
                    require_weights(chunk.weights)
                yield chunk
            return
        rows = self._validate(X, reset=False)
        weights = check_sample_weight(sample_weight, len(rows))
        chunk, step = Chunk(rows, name_weights(weights)), chunk_rows(rows.shape[1])
        for start in range(0, len(rows), step):
            yield chunk[start : start + step]

    def _map_rows(self, X: Any, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """What a function of rows gives for those in memory or of a source, one after the other."""
        pieces = [function(chunk.rows) for chunk in self._chunks_of(X)]
        require_some(len(pieces))
        return np.concatenate(pieces)

    def _require_fitted(self) -> None:
        """Refuse to go on without a model."""
        check_is_fitted(
            self,
            msg="This %(name)s instance is not fitted yet: call fit, fit_sketch, or partial_fit() "
            "without rows to decode what partial_fit has accumulated.",
        )

    def _readable_twice(self, X: Any, sample_weight: Any, method: str) -> Any:
        """Rows to be fitted and then given to another method; refuse those that come once."""
        if not is_source(X):
            return X
        source = open_source(X, weight=weight_column(sample_weight))
        if not source.can_be_read_again:
            raise TypeError(
                f"fit_{method} reads the rows twice, and this stream can be read once: call fit, "
                f"and {method} on a new stream"
            )
        return source

    def _sklearn_state(self) -> Any:
        """`random_state` as scikit-learn takes it, which knows no Generator of numpy's."""
        state = self.random_state
        return draw_seed(state) if isinstance(state, np.random.Generator) else state

    def _take_features_of(self, source: RowSource, sketcher: Sketcher | None) -> None:
        """Learn the features of a source; those that a fitted sketcher expects of it."""
        if sketcher is not None:
            names = getattr(sketcher, "feature_names_in_", None)
            source.expect(sketcher.n_features_in_, names)
        layout = source.layout
        self.n_features_in_ = layout.n_features
        self.__dict__.pop("feature_names_in_", None)
        if layout.names is not None:
            self.feature_names_in_ = np.array(layout.names, dtype=object)

    def _expect_features(self, source: RowSource) -> None:
        """Insist on the features that were fitted."""
        source.expect(self.n_features_in_, getattr(self, "feature_names_in_", None))


def require_rows(X: Any, name: str) -> None:
    """Refuse a sketch where rows are expected.

    Raises
    ------
    TypeError
        If X is a sketch.
    """
    if isinstance(X, Sketch):
        raise TypeError(f"{name} takes rows, got a Sketch; to decode one, call fit_sketch")


def require_some(n: int) -> None:
    """Refuse a source without rows.

    Raises
    ------
    ValueError
        If ``n`` is zero.
    """
    if n == 0:
        raise ValueError("expected at least one row, got a source without rows")
