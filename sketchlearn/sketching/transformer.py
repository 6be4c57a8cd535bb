"""Turning rows into sketches with an operator that has been chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sketchlearn._validation import check_count, thread_count
from sketchlearn.features.moments import MomentChoice, MomentKind, resolve_moments
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.fixed_point import require_fixed_point
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching.checkpoint import Checkpoint
from sketchlearn.sketching.grouping import sketch_by_group
from sketchlearn.sketching.passes import OnProgress, sketch_source, source_of_rows
from sketchlearn.sketching.waves import compute_source_waves, compute_waves
from sketchlearn.sources.error_handling import OnError, make_error_handler
from sketchlearn.sources.frames import align_rows, require_finite_rows
from sketchlearn.sources.opening import is_source, open_source, require_weight_column
from sketchlearn.sources.row_keys import KeyIndex
from sketchlearn.sources.source import RowSource
from sketchlearn.sources.weights import check_sample_weight
from sketchlearn.tables import SketchTable
from sketchlearn.tables.columns import check_key_names


class SketchingTransformer(TransformerMixin, BaseEstimator):
    """Turn rows into sketches, once there is an operator: what `Sketcher` does after its `fit`.

    Subclasses have the parameters `moments` and `n_jobs`, and a `fit` that calls `_set_operator`.

    Attributes
    ----------
    operator_ : FrequencyOperator
        The operator, which identifies sketches that can be added.
    scale_ : float
        Standard deviation of a cluster, data units.
    center_ : ndarray of shape (n_features,)
        What rows are centred by.
    """

    n_clusters: int | None
    moments: MomentChoice
    n_jobs: int | None
    n_features_in_: int
    operator_: FrequencyOperator

    @property
    def frequencies_(self) -> np.ndarray:
        """Omega, as a matrix, in radians per unit of the data."""
        check_is_fitted(self, "operator_")
        return self.operator_.frequencies

    @property
    def moment_kind(self) -> MomentKind | None:
        """Which moments sketches hold: `moments`, and what "auto" is for so many features."""
        return resolve_moments(self.moments, self.n_features_in_)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names that sketches get, those of `feature_names_in_`."""
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else tuple(map(str, names))

    def sketch(
        self,
        X: Any,
        sample_weight: Any = None,
        *,
        columns: Sequence[str | int] | None = None,
        filter: Any = None,  # noqa: A002
        checkpoint: str | PathLike[str] | Checkpoint | None = None,
        progress: bool | OnProgress = False,
        on_error: OnError = "raise",
    ) -> Sketch:
        """Sketch rows: one pass, bounded memory, nothing kept.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            Rows, finite, in any number; none at all give the empty sketch. An array of float32 or
            float64 is read where it lies, whatever its layout; read-only maps of files too. For
            what else holds rows, see `open_source`.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights, at most 2^20, rounded to multiples of 2^-20. A row of weight two
            counts exactly as two rows; one of weight zero not at all. Of a source, the name of the
            column that holds them.
        columns : sequence of str or int, optional
            Columns of a source, by name or, where they have none, by index. By default those of
            `feature_names_in_`, else all.
        filter : pyarrow.compute.Expression or list of tuples, optional
            Which rows of a source to read, see `open_source`.
        checkpoint : path or Checkpoint, optional
            A file to keep the sums in, and to go on from if it is there; see `Checkpoint`.
        progress : bool or callable, default=False
            Whether to show rows, rows a second and time left on a terminal; or what to call with
            the number of rows read and that of all rows, None if that is not known.
        on_error : {"raise", "skip"} or callable, default="raise"
            What to do about a file that cannot be read or holds bad rows: raise, or leave it out
            whole with a warning; or what to call with its name and the error, which leaves it out
            unless it raises. Bad rows of an array are an error whatever it is. Of an operator that
            clips rows it must be "raise": a row that holds NaN would take its whole file's away.

        Returns
        -------
        Sketch
            The same, bit for bit, for any order, split or layout of the rows and any `n_jobs`,
            and wherever they lie.

        Raises
        ------
        ValueError
            If X is not finite or has another number of features, or a weight is negative, not
            finite, too large, too small on average, or all are zero. Nothing is counted then.
        SourceError
            If a file cannot be read, or lacks a column, or holds text or missing values.
        SketchMismatchError, SketchFormatError
            If the checkpoint is of other data or another operator, or no checkpoint.
        """
        check_is_fitted(self, "operator_")
        handler = make_error_handler(on_error)
        _require_all_rows(self.operator_, on_error)
        n_threads = thread_count(self.n_jobs)
        if columns is not None or filter is not None or is_source(X):
            source = open_source(X, columns, filter, require_weight_column(sample_weight))
        else:
            X = self._validate_rows(X)
            weights = check_sample_weight(sample_weight, len(X))
            if weights is not None:
                require_fixed_point(weights)
            source, handler = source_of_rows(X, weights), make_error_handler("raise")
        source.expect(self.operator_.n_features, getattr(self, "feature_names_in_", None))
        operator, moments, names = self.operator_, self.moment_kind, self.feature_names
        return sketch_source(
            operator, source, n_threads, moments, names, checkpoint, progress, handler
        )

    def sketch_groups(
        self,
        X: Any,
        by: str | Sequence[str] | Mapping[str, Any],
        sample_weight: Any = None,
        *,
        columns: Sequence[str | int] | None = None,
        filter: Any = None,  # noqa: A002
        max_memory: int = 2**31,
        progress: bool | OnProgress = False,
    ) -> SketchTable:
        """Sketch rows by key, in one pass: a sketch for each group of rows with the same key.

        Where each group has clusters of its own, fit the sketcher on the rows of one typical group:
        the scale of all of them together is too coarse.

        Unlike `sketch` it takes neither a checkpoint nor `on_error`: a file that cannot be read is
        an error, and a pass that was interrupted starts again. Sketch file by file, and add the
        tables, where that would cost too much.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            As of `sketch`.
        by : str, sequence of str, or mapping of str to array-like of shape (n_samples,)
            What makes a key: the names of columns, which are no features then unless `columns` has
            them, or of an array the values themselves, by name. Keys are strings, integers, dates
            or truth values, as Arrow holds them; where there is none, null, is a group of its own,
            None. Fractions and times are refused.
        sample_weight, columns, filter, progress
            As of `sketch`.
        max_memory : int, default=2**31
            Bytes that all sums may take: 16 for each frequency and group, and 32 for each moment
            and group. The pass takes 80 MB or so besides.

        Returns
        -------
        SketchTable
            The same, bit for bit, for any order, split or layout of the rows and any `n_jobs`. Of
            each group it has what `sketch` gives of its rows.

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        ValueError
            As `sketch`; if a column is named twice, or its name begins with ``sk_``; or if the sums
            would take more than `max_memory`.
        SourceError
            As `sketch`; if a column of keys is missing, or of another type.
        TypeError
            If a mapping comes with a source, whose columns have names, or the other way round.

        Warns
        -----
        UserWarning
            If nearly all groups have fewer rows than `n_clusters`, or a single one.

        Examples
        --------
        >>> import numpy as np
        >>> from sketchlearn import Sketcher
        >>> X = np.random.default_rng(0).normal(size=(1000, 2))
        >>> sketcher = Sketcher(50, random_state=0).fit(X)
        >>> table = sketcher.sketch_groups(X, {"day": np.arange(1000) // 100})
        >>> len(table), table[3,] == sketcher.sketch(X[300:400])
        (10, True)
        """
        check_is_fitted(self, "operator_")
        check_count(max_memory, "max_memory")
        index = KeyIndex([by] if isinstance(by, str) else list(by))
        check_key_names(index.names)
        if isinstance(by, Mapping):
            source = self._open_with_keys(X, by, index, sample_weight, columns, filter)
        else:
            weight = require_weight_column(sample_weight)
            source = open_source(X, columns, filter, weight, index)
        source.expect(self.operator_.n_features, getattr(self, "feature_names_in_", None))
        return sketch_by_group(
            self.operator_,
            source,
            index,
            thread_count(self.n_jobs),
            self.moment_kind,
            self.feature_names,
            max_memory,
            progress,
            self.n_clusters,
        )

    def transform(self, X: Any) -> np.ndarray:
        """Return each row's waves, whose mean over rows is the mean of their sketch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            Finite rows.

        Returns
        -------
        ndarray of shape (n_samples, n_frequencies) complex128
            ``exp(i X @ frequencies_)``, computed in float64; of other `features` than waves what
            these estimate it by.

        Raises
        ------
        ValueError
            If X holds no row, is not finite, or has other features; or if a row is so far from the
            centre that float64 cannot tell its waves, as in `sketch`.
        """
        check_is_fitted(self, "operator_")
        names = getattr(self, "feature_names_in_", None)
        if is_source(X):
            source = open_source(X)
            source.expect(self.operator_.n_features, names)
            return compute_source_waves(self.operator_, source)
        X = align_rows(X, names)
        X = validate_data(self, X, dtype="numeric", ensure_all_finite=False, reset=False)
        require_finite_rows(X, names)
        return compute_waves(self.operator_, X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of `transform`."""
        check_is_fitted(self, "operator_")
        return np.array([f"sketcher{j}" for j in range(self.operator_.n_frequencies)], dtype=object)

    def _set_operator(self, operator: FrequencyOperator) -> None:
        """Set what follows from the operator."""
        self.operator_ = operator
        self.scale_ = operator.scale
        self.center_ = operator.center

    def _open_with_keys(
        self,
        X: Any,
        by: Mapping[str, Any],
        index: KeyIndex,
        sample_weight: Any,
        columns: Sequence[str | int] | None,
        filter: Any,  # noqa: A002
    ) -> RowSource:
        """Return rows in memory as a source, with keys that are given beside them."""
        if columns is not None or filter is not None or is_source(X):
            raise TypeError(
                "by must be names of columns where X is a source of rows, or columns or a filter "
                "are chosen; values of keys go with an array or a data frame in memory"
            )
        X = self._validate_rows(X)
        weights = check_sample_weight(sample_weight, len(X))
        if weights is not None:
            require_fixed_point(weights)
        return source_of_rows(X, weights, index.number_arrays(by, len(X)))

    def _validate_rows(self, X: Any) -> np.ndarray:
        """Rows as a numeric array, not yet checked for NaN: the pass itself does."""
        names = getattr(self, "feature_names_in_", None)
        X = align_rows(X, names)
        return validate_data(
            self, X, dtype="numeric", ensure_all_finite=False, ensure_min_samples=0, reset=False
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # The features are complex, whatever comes in.
        tags.transformer_tags.preserves_dtype = []
        return tags


def _require_all_rows(operator: FrequencyOperator, on_error: OnError) -> None:
    """Refuse to leave files out where that would tell of a row that is to be private."""
    if operator.domain.clips and on_error != "raise":
        raise ValueError(
            "files cannot be left out, by on_error or --skip-errors, where the operator clips rows "
            "to its box for the sake of privacy: a single row that holds NaN would take all rows "
            "of its file away. Name the files that can be read"
        )
