"""What all estimators share: rows to a sketch, at once or batch by batch; then one decode."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state, estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from sketchlearn._progress import progress_line
from sketchlearn._validation import (
    check_count,
    check_row_count,
    draw_seed,
    require_memory,
    thread_count,
)
from sketchlearn.decoders import Decoder, FitQuality, Mixture
from sketchlearn.estimators.callbacks import tell_callbacks
from sketchlearn.estimators.doubts import ONLY_ROWS, SOME_ROWS, THE_ROWS, record_doubts, take_doubts
from sketchlearn.estimators.report import Report, refuse_decoded, write_report
from sketchlearn.estimators.row_estimator import (
    RowPredictor,
    check_sketch,
    restore_on_error,
    warn_of_few_distinct,
)
from sketchlearn.estimators.sample_weights import (
    count_repetitions,
    divide_by_power,
    divide_like_fit,
    divide_source_weights,
    merge_rows,
)
from sketchlearn.exceptions import EmptySketchError
from sketchlearn.sketches.fixed_point import require_fixed_point
from sketchlearn.sketches.region import check_bounds
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching import Sketcher
from sketchlearn.sketching.passes import sketch_rows
from sketchlearn.sketching.pilot import pilot_size
from sketchlearn.sketching.sketcher import fit_rows
from sketchlearn.sketching.tuning import check_choices
from sketchlearn.sources.opening import is_source, open_source, require_weight_column
from sketchlearn.sources.source import RowSource
from sketchlearn.sources.weights import check_sample_weight, require_weights

# Of an atom and a frequency, a decode keeps its phase, its waves and their gradient at once.
BYTES_AN_ENTRY = 20.0


class CompressiveEstimator(RowPredictor):
    """Learn from a sketch of the data, read once: what all estimators of this library share.

    A class of your own says how many atoms it decodes (`_n_atoms`), how a sketch becomes its model
    (`_decode_sketch`), what that says of rows (`_predict_rows`), and what a file holds of it
    (``_stored_arrays``, ``_stored_numbers``; see `PersistentEstimator`). `fit` of arrays and
    sources, `partial_fit`, `fit_sketch`, `predict`, `save` and `load` follow. Its ``__init__``
    stores its parameters, as scikit-learn asks; those below among them are used here, and are the
    class's attributes where it takes none of that name.

    Parameters
    ----------
    sketcher, n_frequencies, scale, decoder, n_init, bounds
        As of `CompressiveKMeans`.
    keep_pilot, random_state, n_jobs, verbose
        As of `CompressiveKMeans`.

    Attributes
    ----------
    weights_ : ndarray of shape (n_atoms,)
        Share of each atom; set by `_decode_sketch`, like all that the class stores.
    doubts_ : tuple of Doubt
        What the decode left in doubt, each also a warning; a file does not hold them.
    mixture_, cost_, n_iter_, sketch_, sketcher_, n_features_in_, feature_names_in_
        As of `CompressiveKMeans`; the mixture is what `_decode_sketch` returned.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.atoms import Dirac
    >>> from sketchlearn.decoders import CLOMPR
    >>> from sketchlearn.estimators import CompressiveEstimator
    >>> class NearestDirac(CompressiveEstimator):
    ...     _stored_arrays = {"places_": ("kd",), "weights_": ("k",)}
    ...     _stored_numbers = ("cost_", "n_iter_")
    ...     def __init__(self, n_clusters=2, *, random_state=None):
    ...         self.n_clusters = n_clusters
    ...         self.random_state = random_state
    ...     @property
    ...     def _n_atoms(self):
    ...         return self.n_clusters
    ...     def _decode_sketch(self, sketch, rng, has_pilot):
    ...         mixture = CLOMPR().decode(sketch, Dirac(sketch.operator), self.n_clusters, rng)
    ...         self.places_, self.weights_ = mixture.locations, mixture.weights
    ...         return mixture
    ...     def _predict_rows(self, rows):
    ...         return np.abs(rows[:, None] - self.places_).sum(axis=2).argmin(axis=1)
    >>> X = np.repeat([[0.0, 0.0], [9.0, 9.0]], 500, axis=0)
    >>> labels = NearestDirac(random_state=0).fit(X).predict(X)
    >>> int(np.count_nonzero(np.diff(labels)))
    1
    """

    _held: list[tuple[np.ndarray, np.ndarray]]
    sketch_: Any  # A `Sketch`, or what `fit_sketch` was given.
    _weight_exponent: int  # `fit` divides weights by two to this power.

    sketcher: Sketcher | None = None
    n_frequencies: Any = "auto"
    scale: Any = "auto"
    decoder: Decoder | None = None
    n_init: Any = "auto"
    bounds: Any = None
    keep_pilot: bool = True
    random_state: Any = None
    n_jobs: int | None = None
    verbose: int = 0

    @property
    @abstractmethod
    def _n_atoms(self) -> int:
        """Number of mixture components that are decoded."""

    @abstractmethod
    def _decode_sketch(
        self, sketch: SketchLike, rng: np.random.Generator, has_pilot: bool
    ) -> Mixture:
        """Set the model's attributes from a sketch.

        Parameters
        ----------
        sketch : SketchLike
            Of all rows; it counts rows of integer weights as repeated.
        rng : numpy.random.Generator
            Where all that is random comes from.
        has_pilot : bool
            Whether `sketcher_` was fitted on these rows and kept some of them in its ``pilot_``.

        Returns
        -------
        Mixture
            That matches the sketch.
        """

    def _make_sketcher(self, keep_pilot: bool) -> Sketcher:
        """Return what rows are sketched with where the user gave no sketcher."""
        return Sketcher(
            self.n_frequencies,
            n_clusters=self._n_atoms,
            scale=self.scale,
            keep_pilot=keep_pilot,
            random_state=self._seed,
            n_jobs=self.n_jobs,
        )

    @restore_on_error
    @tell_callbacks(2)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Sketch the rows and decode the sketch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            Finite rows; or files, tables or streams of them, which are read in bounded memory.
            `open_source` says what these can be, and chooses columns and rows.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights; rows of weight zero are left out. Of a source, the name of the
            column that holds them.

        Raises
        ------
        ValueError
            If a parameter is out of range, X is empty, not finite or not two-dimensional, or has
            fewer rows than are to be decoded; if a weight is negative or all are zero.
        """
        self._check_parameters()
        self._require_rows(X, "fit")
        if is_source(X):
            self._fit_source(X, sample_weight)
            return self
        given = self._find_given_sketcher()
        rows = self._validate(X, reset=True, names_of=given)
        self._check_bounds()
        sample_weight = check_sample_weight(sample_weight, len(rows))
        check_row_count(len(rows), self._n_atoms)
        self._forget_fit()
        divided, self._weight_exponent = divide_by_power(sample_weight)
        pilot = rows, divided
        if warn_of_few_distinct(rows, divided, self._n_atoms):
            pilot = merge_rows(rows, divided)
        with self._subtask("sketch"):
            self.sketcher_ = given or self._fit_sketcher(*pilot, self.keep_pilot)
            self.sketch_ = self._sketch_rows(rows, divided)
        # A sketcher that came fitted may have its pilot from other data.
        sketch = count_repetitions(self.sketch_, divided)
        self._learn(sketch, given is None, THE_ROWS if given is None else ONLY_ROWS)
        self._label_rows(rows, sample_weight)
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit rows, and return what `predict` says of each; parameters as of `fit`."""
        X = self._require_rereadable(X, sample_weight, "predict")
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def _label_rows(self, rows: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Set what only another look at fitted rows in memory tells; nothing by default."""

    def _fit_source(self, X: Any, sample_weight: Any) -> None:
        """Sketch rows that are not in memory, a chunk at a time, and decode."""
        source = open_source(X, weight=require_weight_column(sample_weight))
        self._forget_fit()
        self._take_features(source, self._find_given_sketcher())
        self._check_bounds()
        if sample_weight is not None:
            self._weight_exponent = divide_source_weights(
                source, pilot_size(self._n_atoms), self._seed
            )
        with self._subtask("sketch"):
            self._sketch_source(source, self.keep_pilot)
        is_own = self.sketcher_ is not self.sketcher
        pilot = self.sketcher_.pilot_ if is_own else None
        # The pilot has each row once.
        is_all = pilot is not None and np.all(self.sketcher_.pilot_inclusion_probability_ == 1.0)
        check_row_count(self.sketch_.n_samples, self._n_atoms)
        if pilot is not None and is_all:
            warn_of_few_distinct(pilot, None, self._n_atoms)
        self._learn(self.sketch_, is_own, THE_ROWS if is_own else ONLY_ROWS)

    @restore_on_error
    def partial_fit(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> Self:
        """Add rows to the sketch; without rows, decode what was added so far.

        The first batches are held back until there are enough rows to choose the scale on, or the
        decode is asked for; then they are sketched and let go. The model stays as it is until the
        next ``partial_fit()``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows, optional
            As in `fit`; a source is read in bounded memory.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            As in `fit`.

        Raises
        ------
        ValueError
            As `fit`; also if there is nothing to decode yet.
        """
        self._check_parameters()
        if X is None:
            return self._decode_accumulated()
        self._require_rows(X, "partial_fit")
        is_first = not self._has_rows()
        if is_source(X):
            self._add_source(open_source(X, weight=require_weight_column(sample_weight)), is_first)
            return self
        names_of = self._find_given_sketcher() if is_first else None
        rows = self._validate(X, reset=is_first, names_of=names_of)
        self._check_bounds()
        if is_first:
            self._forget_fit()
        self._add_rows(rows, check_sample_weight(sample_weight, len(rows)))
        return self

    def _add_source(self, source: RowSource, is_first: bool) -> None:
        """Add a source's rows, read in bounded memory."""
        source.weight_exponent = 0 if is_first else self._weight_exponent
        is_large = False
        if is_first:
            self._forget_fit()
            self._take_features(source, self._find_given_sketcher())
            n_rows = source.n_rows()
            # Then its pilot comes from all over it, not from its first rows.
            is_large = n_rows is not None and n_rows >= pilot_size(self._n_atoms)
        else:
            self._expect_features(source)
        if is_large or self._find_sketcher() is not None:
            self._sketch_source(source, keep_pilot=False)
            return
        for chunk in source.chunks():
            if chunk.weights is not None:
                require_weights(chunk.weights)
            self._add_rows(chunk.rows, chunk.weights)

    def _add_rows(self, rows: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Add validated rows: to the sketch, or to those held back while there is no sketcher."""
        sample_weight = divide_like_fit(sample_weight, len(rows), self._weight_exponent)
        if (sketcher := self._find_sketcher()) is not None:
            self.sketcher_ = sketcher
            self._add_to_sketch(self._sketch_rows(rows, sample_weight))
            return
        weights = np.ones(len(rows)) if sample_weight is None else sample_weight
        # Now rather than with the held rows, which a bad batch would otherwise spoil.
        require_fixed_point(weights)
        held = [*self._held, (np.array(rows), np.array(weights))]
        if sum(len(batch) for batch, _ in held) >= pilot_size(self._n_atoms):
            self._sketch_held(held)
        else:
            self._held = held

    def _add_to_sketch(self, added: Sketch) -> None:
        self.sketch_ = self.sketch_ + added if hasattr(self, "sketch_") else added

    @restore_on_error
    @tell_callbacks(1)
    def fit_sketch(self, sketch: SketchLike) -> Self:
        """Decode a sketch that was made elsewhere; no row of data is needed.

        A sketch knows the names of its features if its sketcher did.

        Raises
        ------
        TypeError
            If ``sketch`` is neither a `Sketch` nor a `PrivateSketch`.
        EmptySketchError
            If it counts no row.
        """
        self._check_parameters()
        check_sketch(sketch)
        self._take_sketch(sketch)
        self.sketch_ = sketch
        self._learn(sketch, False)
        return self

    @property
    def n_samples_seen_(self) -> int:
        """Rows of positive weight so far, those held back included."""
        check_is_fitted(self, "_held")
        sketched = self.sketch_.n_samples if hasattr(self, "sketch_") else 0
        return sketched + sum(int(np.count_nonzero(weights)) for _, weights in self._held)

    def _require_memory_to_decode(self, m: int) -> None:
        """Refuse so many frequencies, and as many atoms as there are, that no memory can hold."""
        k = self._n_atoms
        require_memory(
            BYTES_AN_ENTRY * m * k,
            f"the decode of {k:,} clusters from {m:,} frequencies",
            "look for fewer clusters, or sketch with fewer n_frequencies",
        )

    def _check_parameters(self) -> None:
        """Refuse parameters of the wrong kind before any work is done."""
        self._check_flags()
        if self.n_init != "auto":
            check_count(self.n_init, 'n_init, where not "auto",')
        for name, kind in (("decoder", Decoder), ("sketcher", Sketcher)):
            if not isinstance(value := getattr(self, name), kind | None):
                raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")
        for name in ("n_frequencies", "scale"):
            value = getattr(self, name)
            if self.sketcher is not None and not (isinstance(value, str) and value == "auto"):
                raise ValueError(
                    f"{name}={value!r} would have no effect beside a sketcher: set it there, and "
                    'leave it at "auto" here'
                )
        if isinstance(self.n_frequencies, int) and not self.keep_pilot:
            self._require_memory_to_decode(self.n_frequencies)

    def _check_stored_parameters(self) -> None:
        super()._check_stored_parameters()
        check_choices(self.n_frequencies, None, self.scale, "gaussian")
        check_random_state(self.random_state)
        if not isinstance(self.verbose, int):
            raise TypeError(f"verbose must be an integer, got {self.verbose!r}")

    def _check_bounds(self) -> None:
        """Refuse bounds that do not fit the features, before rows are sketched."""
        if self.bounds is not None:
            check_bounds(self.bounds, self.n_features_in_)

    def _forget_fit(self) -> None:
        """Forget an earlier fit; draw the one integer that all randomness comes from."""
        super()._forget_fit()
        self._held = []
        self._weight_exponent = 0
        self._seed = draw_seed(self.random_state)

    def _find_sketcher(self) -> Sketcher | None:
        """Return the sketcher in use, or the user's if it is fitted."""
        return self.sketcher_ if hasattr(self, "sketcher_") else self._find_given_sketcher()

    def _fit_sketcher(
        self, X: RowSource | np.ndarray, weights: np.ndarray | None, keep_pilot: bool
    ) -> Sketcher:
        """Return a sketcher fitted on a source, or on rows that were validated."""
        if self.sketcher is not None:
            sketcher = clone(self.sketcher)
            sketcher.set_params(keep_pilot=keep_pilot and sketcher.keep_pilot)
        else:
            sketcher = self._make_sketcher(keep_pilot)
        if isinstance(X, RowSource):
            sketcher.fit(X)
        else:
            names = getattr(self, "feature_names_in_", None)
            fit_rows(sketcher, X, weights, draw_seed(sketcher.random_state), names=names)
        if hasattr(self, "feature_names_in_"):
            sketcher.feature_names_in_ = self.feature_names_in_
        return sketcher

    def _sketch_rows(self, rows: np.ndarray, sample_weight: np.ndarray | None) -> Sketch:
        """Sketch rows that were validated, with the sketcher in use."""
        if sample_weight is not None:
            require_fixed_point(sample_weight)
        n_threads = thread_count(self.sketcher_.n_jobs)
        names = getattr(self, "feature_names_in_", None)
        names = None if names is None else tuple(map(str, names))
        operator, moments = self.sketcher_.operator_, self.sketcher_.moment_kind
        return sketch_rows(operator, rows, sample_weight, n_threads, moments, names)

    def _sketch_source(self, source: RowSource, keep_pilot: bool) -> None:
        """Add a source to the sketch, with the sketcher in use or one fitted on it."""
        ready = self._find_sketcher()
        self.sketcher_ = ready or self._fit_sketcher(source, None, keep_pilot)
        self._add_to_sketch(self.sketcher_.sketch(source, progress=bool(self.verbose)))

    def _has_rows(self) -> bool:
        return bool(getattr(self, "_held", [])) or hasattr(self, "sketch_")

    def _sketch_held(self, held: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Choose the scale on the rows held back, sketch them, and let them go."""
        rows, weights = (np.concatenate(pieces) for pieces in zip(*held, strict=True))
        self.sketcher_ = self._fit_sketcher(rows, weights, keep_pilot=False)
        self.sketch_ = self._sketch_rows(rows, weights)
        self._held = []

    def _decode_accumulated(self) -> Self:
        """Decode what `partial_fit` added so far."""
        if not self._has_rows():
            raise EmptySketchError("nothing to decode: call partial_fit(X) with rows first")
        if self._held:
            rows, weights = (np.concatenate(pieces) for pieces in zip(*self._held, strict=True))
            check_row_count(len(rows), self._n_atoms)
            warn_of_few_distinct(rows, weights, self._n_atoms)
            self._sketch_held(self._held)
        self._learn(self.sketch_, False, SOME_ROWS)
        return self

    def _learn(self, sketch: SketchLike, is_own: bool, rows: str = THE_ROWS) -> None:
        """Decode a sketch, with the pilot's rows where the sketcher is the estimator's own."""
        self._print_line(f"sketched {self.n_samples_seen_} rows: {self.sketch_!r}")
        pilot = self.sketcher_.pilot_ if is_own and self.keep_pilot else None
        if pilot is None:
            self._require_memory_to_decode(sketch.n_frequencies)
        has_pilot, self._n_kept = pilot is not None, 0 if pilot is None else len(pilot)
        self._rows_to_fit = rows = rows if self.keep_pilot else f"{rows} and keep_pilot=True"
        self.n_iter_ = 0  # Where nothing sets it, it is the mixture's.
        shown = progress_line() if self.verbose else nullcontext()
        with self._subtask("decode"), shown, record_doubts(anew=False, rows=rows) as doubts:
            mixture = self._decode_sketch(sketch, np.random.default_rng(self._seed), has_pilot)
        take_doubts(self, doubts)
        self.mixture_, self.cost_ = mixture, mixture.cost
        self.n_iter_ = self.n_iter_ or mixture.n_iter
        fit = f"{mixture.message}, goodness of fit {mixture.goodness_of_fit:.3g}"
        self._print_line(f"decoded in {self.n_iter_} iterations: {fit}")

    def __getattr__(self, name: str) -> Any:
        """Say why a model from a file has no figures of its decode; called for what is missing."""
        refuse_decoded(self, name)
        return self.__getattribute__(name)

    def _complete_quality(self, quality: FitQuality) -> FitQuality:
        return quality

    def report(self) -> Report:
        """Say in words how good the model is, why, and the one thing to change.

        Returns
        -------
        Report
            It prints as text, and notebooks show it as a box.

        Raises
        ------
        NotFittedError
            If there is no model yet.
        """
        check_is_fitted(self)
        return write_report(self)

    def _repr_html_(self) -> str:
        """Return what notebooks show: the report, once there is a model, and the parameters."""
        parameters = estimator_html_repr(self)
        return self.report().to_html() + parameters if hasattr(self, "cost_") else parameters

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Return what IPython shows, as text and as HTML."""
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _print_line(self, line: str) -> None:
        if self.verbose:
            print(f"[{type(self).__name__}] {line}")
