"""Estimators of rows: validated once, by name, in memory or from a source; or left as they were."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sketchlearn._validation import count_distinct, draw_seed
from sketchlearn.estimators.callbacks import CallbackTeller
from sketchlearn.estimators.doubts import raise_doubt, record_doubts
from sketchlearn.estimators.persistence import PersistentEstimator
from sketchlearn.exceptions import EmptySketchError
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching import Sketcher
from sketchlearn.sources.frames import align_rows, require_finite_rows
from sketchlearn.sources.opening import is_source, open_source, require_weight_column
from sketchlearn.sources.source import Chunk, RowSource, count_chunk_rows, name_weights
from sketchlearn.sources.weights import check_sample_weight, require_weights

Params = ParamSpec("Params")
Self = TypeVar("Self")
Result = TypeVar("Result")
# What describes the rows, not the model.
ABOUT_ROWS = {"n_features_in_", "feature_names_in_"}


class RowEstimator(CallbackTeller, PersistentEstimator):
    """What `fit`, `predict` and their like do with rows before they look at them.

    Features go by name wherever both sides have names: columns in another order are reordered,
    others left out, and one that is missing is an error.

    Attributes
    ----------
    _fits_sketches : str
        The method that takes sketches, as messages name it.
    """

    _fits_sketches: ClassVar[str] = "fit_sketch"
    sketcher: Sketcher | None
    sketcher_: Sketcher

    def _validate(self, X: Any, reset: bool, names_of: BaseEstimator | None = None) -> np.ndarray:
        """Rows as a float32 or float64 array, its features checked against earlier ones.

        Of a frame, the columns are chosen by the names that were fitted, here or, for a first fit,
        in ``names_of``.
        """
        fitted = self if names_of is None and not reset else names_of
        names = getattr(fitted, "feature_names_in_", None)
        X = align_rows(X, names, is_new=fitted is None)
        kinds = [np.float64, np.float32]
        rows = validate_data(self, X, dtype=kinds, reset=reset, ensure_all_finite=False)
        require_finite_rows(rows, getattr(self, "feature_names_in_", None))
        if names_of is not None:
            named = X if hasattr(X, "columns") else rows
            validate_data(names_of, named, reset=False, skip_check_array=True)
        return rows

    def _read_chunks(self, X: Any, sample_weight: Any = None) -> Iterator[Chunk]:
        """Yield the rows that a fitted model is asked about, some at once, and their weights."""
        self._require_fitted()
        self._require_rows(X, "this method")
        if is_source(X):
            source = open_source(X, weight=require_weight_column(sample_weight))
            self._expect_features(source)
            for chunk in source.chunks():
                if chunk.weights is not None:
                    require_weights(chunk.weights)
                yield chunk
            return
        rows = self._validate(X, reset=False)
        weights = check_sample_weight(sample_weight, len(rows))
        chunk, step = Chunk(rows, name_weights(weights)), count_chunk_rows(rows.shape[1])
        for start in range(0, len(rows), step):
            yield chunk[start : start + step]

    def _map_rows(self, X: Any, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """What a function of rows gives for those in memory or of a source, one after the other."""
        pieces = [function(chunk.rows) for chunk in self._read_chunks(X)]
        require_some(len(pieces))
        return np.concatenate(pieces)

    def _require_fitted(self) -> None:
        """Refuse to go on without a model."""
        check_is_fitted(
            self,
            msg="This %(name)s instance is not fitted yet: call fit, fit_sketch, or partial_fit() "
            "without rows to decode what partial_fit has accumulated.",
        )

    def _require_rereadable(self, X: Any, sample_weight: Any, method: str) -> Any:
        """Rows to be fitted and then given to another method; refuse those that come once."""
        if not is_source(X):
            return X
        source = open_source(X, weight=require_weight_column(sample_weight))
        if not source.can_be_read_again:
            raise TypeError(
                f"fit_{method} reads the rows twice, and this stream can be read once: call fit, "
                f"and {method} on a new stream"
            )
        return source

    def _require_rows(self, X: Any, name: str) -> None:
        """Refuse, by a TypeError, a sketch where a method of that name expects rows."""
        if isinstance(X, SketchLike):
            raise TypeError(
                f"{name} takes rows, got a {type(X).__name__}; to learn from sketches, call "
                f"{self._fits_sketches}"
            )

    def _find_given_sketcher(self) -> Sketcher | None:
        """Return the user's sketcher if it is fitted."""
        return self.sketcher if hasattr(self.sketcher, "operator_") else None

    def _forget_fit(self) -> None:
        """Forget what an earlier fit learned."""
        for name in [*vars(self)]:
            if name.endswith("_") and name not in ABOUT_ROWS:
                del self.__dict__[name]

    def _take_sketch(self, sketch: SketchLike) -> None:
        """Forget an earlier fit; take a sketch's features, and a sketcher of its operator."""
        self._forget_fit()
        self.n_features_in_ = sketch.n_features
        self.__dict__.pop("feature_names_in_", None)
        self.sketcher_ = Sketcher.from_sketch(sketch, n_jobs=self.n_jobs)
        if sketch.feature_names is not None:
            self.feature_names_in_ = self.sketcher_.feature_names_in_

    def _take_features(self, source: RowSource, sketcher: Sketcher | None) -> None:
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
        source.expect(self.n_features_in_, getattr(self, "feature_names_in_", None))


class RowPredictor(RowEstimator):
    """An estimator that says one thing of each row: its cluster, its component or its label."""

    random_state: Any

    @abstractmethod
    def _predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return what the model says of validated rows (n, n_features), one value a row."""

    def predict(self, X: Any) -> np.ndarray:
        """Return what the model says of each row: its label, or its cluster's or component's index.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            Whatever `fit` takes; a source is read in bounded memory. Where features have names,
            columns go by name: in any order, others left out.

        Returns
        -------
        ndarray of shape (n_samples,)
            In the order of the rows.
        """
        return self._map_rows(X, self._predict_rows)

    def _draw_sklearn_state(self) -> Any:
        """`random_state` as scikit-learn takes it, which knows no Generator of numpy's."""
        state = self.random_state
        return draw_seed(state) if isinstance(state, np.random.Generator) else state


def check_sketch(sketch: Any) -> None:
    """Refuse what `fit_sketch` cannot learn from.

    Raises
    ------
    TypeError
        If it is neither a `Sketch` nor a `PrivateSketch`.
    EmptySketchError
        If it counts no row.
    """
    if not isinstance(sketch, SketchLike):
        raise TypeError(
            f"fit_sketch expected a Sketch, got {type(sketch).__name__}; rows go to fit, "
            "a table's total() or one of its groups is a sketch, and Sketch.load reads a file"
        )
    if sketch.n_samples == 0:
        raise EmptySketchError("expected a sketch of at least one row, got one without rows")


def require_some(n: int) -> None:
    """Refuse, by a ValueError, a source without rows."""
    if n == 0:
        raise ValueError("expected at least one row, got a source without rows")


def warn_of_few_distinct(rows: np.ndarray, weights: np.ndarray | None, n_atoms: int) -> bool:
    """Warn of fewer distinct rows than atoms, as scikit-learn's `KMeans` does; say if so."""
    n_distinct = count_distinct(rows, weights, n_atoms)
    if is_few := n_distinct < n_atoms:
        rows_are = "is 1 distinct row" if n_distinct == 1 else f"are {n_distinct} distinct rows"
        raise_doubt(
            f"there {rows_are} of positive weight for {n_atoms} clusters or components: some are "
            "empty or doubled.",
            "Ask for no more than there are distinct rows.",
            "doubtful",
        )
    return is_few


def restore_on_error(
    method: Callable[Concatenate[Self, Params], Result],
) -> Callable[Concatenate[Self, Params], Result]:
    """Undo what a method set if it raises, so that an earlier fit outlives a failed one.

    Doubts are recorded from its beginning. The attributes are put back, not copies of them: a
    method must replace what it changes.
    """

    @wraps(method)
    def restoring(self: Self, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        before = dict(self.__dict__)
        try:
            with record_doubts():
                return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return restoring
