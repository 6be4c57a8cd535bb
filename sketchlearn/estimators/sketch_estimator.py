"""What all estimators share: rows to a sketch, at once or batch by batch; then one decode."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Self

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from sketchlearn._progress import progress_line
from sketchlearn._validation import (
    check_count,
    check_row_count,
    count_distinct,
    draw_seed,
    thread_count,
)
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders import Decoder, Mixture
from sketchlearn.estimators.repetitions import as_repeated_rows, merge_rows
from sketchlearn.estimators.rows import TakesRows, require_rows
from sketchlearn.estimators.state import all_or_nothing
from sketchlearn.estimators.weights import divide_source, divided_weights, in_units_of_fit
from sketchlearn.exceptions import EmptySketchError
from sketchlearn.sketches.fixed_point import require_fixed_point
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching import Sketcher, pilot_size
from sketchlearn.sketching.passes import sketch_rows
from sketchlearn.sources.opening import is_source, open_source, weight_column
from sketchlearn.sources.source import RowSource
from sketchlearn.sources.weights import check_sample_weight, require_weights

# What describes the rows, not the model.
ABOUT_ROWS = {"n_features_in_", "feature_names_in_"}
# Frequencies for each parameter of a mixture that a sketch should have.
FREQUENCIES_A_PARAMETER = 5


class CompressiveEstimator(TakesRows, ABC):
    """Learn from a sketch of the data, read once.

    A subclass says how many atoms it decodes, which sketcher suits it, and how a sketch becomes its
    model (`_decode`); the rest is here. Its parameters include ``sketcher``, ``decoder``,
    ``n_init``, ``random_state``, ``n_jobs`` and ``verbose``.
    """

    _held: list[tuple[np.ndarray, np.ndarray]]
    _weight_exponent: int  # `fit` divides weights by two to this power.

    sketcher: Sketcher | None
    decoder: Decoder | None
    n_init: Any
    random_state: Any
    n_jobs: int | None
    verbose: int

    @property
    @abstractmethod
    def _n_atoms(self) -> int:
        """Number of mixture components that are decoded."""

    @abstractmethod
    def _new_sketcher(self) -> Sketcher:
        """What rows are sketched with where the user gave no sketcher."""

    @abstractmethod
    def _decode(self, sketch: Sketch, on_pilot: bool) -> None:
        """Set the model's attributes from a sketch; with the pilot's rows where they are kept."""

    def _fit_rows(
        self, X: Any, sample_weight: Any, keep_pilot: bool
    ) -> tuple[np.ndarray | None, Any]:
        """Sketch and decode; give the validated rows and weights of what is in memory.

        Raises
        ------
        ValueError
            If a parameter is out of range, X is empty, not finite or not two-dimensional, or has
            fewer distinct rows than atoms; if a weight is negative or all are zero.
        """
        self._check_parameters()
        require_rows(X, "fit")
        if is_source(X):
            self._fit_source(X, sample_weight, keep_pilot)
            return None, None
        given = self._given_sketcher()
        rows = self._validate(X, reset=True, names_of=given)
        sample_weight = check_sample_weight(sample_weight, len(rows))
        check_row_count(len(rows), self._n_atoms)
        self._start()
        divided, self._weight_exponent = divided_weights(sample_weight)
        pilot = rows, divided
        if self._warn_of_few_distinct(rows, divided):
            pilot = merge_rows(rows, divided)
        self.sketcher_ = given or self._fitted_sketcher(*pilot, keep_pilot)
        self.sketch_ = self._sketch_of(rows, divided)
        # A sketcher that came fitted may have its pilot from other data.
        sketch = as_repeated_rows(self.sketch_, divided)
        with self._progress():
            self._decode(sketch, on_pilot=keep_pilot and given is None)
        return rows, sample_weight

    def _fit_source(self, X: Any, sample_weight: Any, keep_pilot: bool) -> None:
        """Sketch rows that are not in memory, a chunk at a time, and decode.

        Raises
        ------
        SourceError
            If they cannot be read.
        ValueError
            If there are fewer distinct rows than atoms, as far as that can be seen.
        """
        source = open_source(X, weight=weight_column(sample_weight))
        self._start()
        self._take_features_of(source, self._given_sketcher())
        if sample_weight is not None:
            self._weight_exponent = divide_source(source, pilot_size(self._n_atoms), self._seed)
        self._sketch_source(source, keep_pilot)
        is_own = self.sketcher_ is not self.sketcher
        pilot = self.sketcher_.pilot_ if is_own else None
        # The pilot has each row once.
        is_all = pilot is not None and np.all(self.sketcher_.pilot_inclusion_probability_ == 1.0)
        check_row_count(self.sketch_.n_samples, self._n_atoms)
        if pilot is not None and is_all:
            self._warn_of_few_distinct(pilot, None)
        with self._progress():
            self._decode(self.sketch_, on_pilot=keep_pilot and is_own)

    @all_or_nothing
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
        require_rows(X, "partial_fit")
        is_first = not self._has_rows()
        if is_source(X):
            self._add_source(open_source(X, weight=weight_column(sample_weight)), is_first)
            return self
        names_of = self._given_sketcher() if is_first else None
        rows = self._validate(X, reset=is_first, names_of=names_of)
        if is_first:
            self._start()
        self._add_rows(rows, check_sample_weight(sample_weight, len(rows)))
        return self

    def _add_source(self, source: RowSource, is_first: bool) -> None:
        """Add a source's rows, read in bounded memory."""
        source.weight_exponent = 0 if is_first else self._weight_exponent
        if is_first:
            self._start()
            self._take_features_of(source, self._given_sketcher())
            n_rows = source.n_rows()
            # Then its pilot comes from all over it, not from its first rows.
            if n_rows is not None and n_rows >= pilot_size(self._n_atoms):
                self._sketch_source(source, keep_pilot=False)
                return
        else:
            self._expect_features(source)
        if self._ready_sketcher() is not None:
            self._sketch_source(source, keep_pilot=False)
            return
        for chunk in source.chunks():
            if chunk.weights is not None:
                require_weights(chunk.weights)
            self._add_rows(chunk.rows, chunk.weights)

    def _add_rows(self, rows: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Add validated rows: to the sketch, or to those held back while there is no sketcher."""
        sample_weight = in_units_of_fit(sample_weight, len(rows), self._weight_exponent)
        if (sketcher := self._ready_sketcher()) is not None:
            self.sketcher_ = sketcher
            self._add_to_sketch(self._sketch_of(rows, sample_weight))
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
        """Add a sketch to that of the rows so far."""
        self.sketch_ = self.sketch_ + added if hasattr(self, "sketch_") else added

    @all_or_nothing
    def fit_sketch(self, sketch: Sketch) -> Self:
        """Decode a sketch that was made elsewhere; no row of data is needed.

        A sketch in memory knows the names of its features if its sketcher did; one from a file
        does not.

        Raises
        ------
        TypeError
            If ``sketch`` is not a `Sketch`.
        EmptySketchError
            If it counts no row.
        """
        self._check_parameters()
        if not isinstance(sketch, Sketch):
            raise TypeError(
                f"fit_sketch expected a Sketch, got {type(sketch).__name__}; rows go to fit"
            )
        if sketch.n_samples == 0:
            raise EmptySketchError("expected a sketch of at least one row, got one without rows")
        self._start()
        self.n_features_in_ = sketch.operator.n_features
        self.__dict__.pop("feature_names_in_", None)
        self.sketcher_ = Sketcher.from_operator(sketch.operator, n_jobs=self.n_jobs)
        if sketch.feature_names is not None:
            self.feature_names_in_ = np.array(sketch.feature_names, dtype=object)
            self.sketcher_.feature_names_in_ = self.feature_names_in_
        self.sketch_ = sketch
        with self._progress():
            self._decode(self.sketch_, on_pilot=False)
        return self

    @property
    def n_samples_seen_(self) -> int:
        """Rows of positive weight so far, those held back included."""
        check_is_fitted(self, "_held")
        sketched = self.sketch_.n_samples if hasattr(self, "sketch_") else 0
        return sketched + sum(int(np.count_nonzero(weights)) for _, weights in self._held)

    def _check_parameters(self) -> None:
        """Refuse parameters of the wrong kind before any work is done."""
        if self.n_init != "auto":
            check_count(self.n_init, 'n_init, where not "auto",')
        if self.decoder is not None and not isinstance(self.decoder, Decoder):
            raise TypeError(f"decoder must be a Decoder, got {type(self.decoder).__name__}")
        if self.sketcher is not None and not isinstance(self.sketcher, Sketcher):
            raise TypeError(f"sketcher must be a Sketcher, got {type(self.sketcher).__name__}")
        for name in ("n_frequencies", "scale"):
            value = getattr(self, name)
            if self.sketcher is not None and not (isinstance(value, str) and value == "auto"):
                raise ValueError(
                    f"{name}={value!r} would have no effect beside a sketcher: set it there, and "
                    'leave it at "auto" here'
                )

    def _warn_of_few_distinct(self, rows: np.ndarray, sample_weight: np.ndarray | None) -> bool:
        """Warn of fewer distinct rows than atoms, as scikit-learn's `KMeans` does; say if so."""
        n_distinct = count_distinct(rows, sample_weight, self._n_atoms)
        is_few = n_distinct < self._n_atoms
        if is_few:
            warnings.warn(
                f"there are {n_distinct} distinct rows of positive weight for {self._n_atoms} "
                "clusters or components: some are empty or doubled. Ask for no more than there "
                "are distinct rows.",
                ConvergenceWarning,
                stacklevel=5,
            )
        return is_few

    def _start(self) -> None:
        """Forget an earlier fit; draw the one integer that all randomness comes from."""
        fitted = [name for name in vars(self) if name.endswith("_") and name not in ABOUT_ROWS]
        for name in fitted:
            del self.__dict__[name]
        self._held = []
        self._weight_exponent = 0
        self._seed = draw_seed(self.random_state)

    def _given_sketcher(self) -> Sketcher | None:
        """The user's sketcher, if it is fitted."""
        return self.sketcher if hasattr(self.sketcher, "operator_") else None

    def _ready_sketcher(self) -> Sketcher | None:
        """The sketcher in use, or the user's if it is fitted."""
        return self.sketcher_ if hasattr(self, "sketcher_") else self._given_sketcher()

    def _fitted_sketcher(
        self, X: Any, sample_weight: np.ndarray | None, keep_pilot: bool
    ) -> Sketcher:
        """One fitted on a source, or on rows that were validated."""
        if self.sketcher is not None:
            sketcher = clone(self.sketcher)
            sketcher.set_params(keep_pilot=keep_pilot and sketcher.keep_pilot)
        else:
            sketcher = self._new_sketcher().set_params(keep_pilot=keep_pilot)
        # Rows that were validated are not looked through again.
        is_finite = isinstance(X, np.ndarray) or bool(get_config()["assume_finite"])
        with config_context(assume_finite=is_finite):
            sketcher.fit(X, sample_weight=sample_weight)
        if hasattr(self, "feature_names_in_"):
            sketcher.feature_names_in_ = self.feature_names_in_
        return sketcher

    def _sketch_of(self, rows: np.ndarray, sample_weight: np.ndarray | None) -> Sketch:
        """The sketch of rows that were validated, with the sketcher in use."""
        if sample_weight is not None:
            require_fixed_point(sample_weight)
        n_threads = thread_count(self.sketcher_.n_jobs)
        sketch = sketch_rows(self.sketcher_.operator_, rows, sample_weight, n_threads)
        names = getattr(self, "feature_names_in_", None)
        return sketch if names is None else replace(sketch, feature_names=tuple(map(str, names)))

    def _sketch_source(self, source: RowSource, keep_pilot: bool) -> None:
        """Add a source to the sketch, with the sketcher in use or one fitted on it."""
        ready = self._ready_sketcher()
        self.sketcher_ = ready or self._fitted_sketcher(source, None, keep_pilot)
        self._add_to_sketch(self.sketcher_.sketch(source, progress=bool(self.verbose)))

    def _has_rows(self) -> bool:
        """Whether any rows are held back or in the sketch."""
        return bool(getattr(self, "_held", [])) or hasattr(self, "sketch_")

    def _sketch_held(self, held: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Choose the scale on the rows held back, sketch them, and let them go."""
        rows, weights = (np.concatenate(pieces) for pieces in zip(*held, strict=True))
        self.sketcher_ = self._fitted_sketcher(rows, weights, keep_pilot=False)
        self.sketch_ = self._sketch_of(rows, weights)
        self._held = []

    def _decode_accumulated(self) -> Self:
        """Decode what `partial_fit` added so far."""
        if not self._has_rows():
            raise EmptySketchError("nothing to decode: call partial_fit(X) with rows first")
        if self._held:
            rows, weights = (np.concatenate(pieces) for pieces in zip(*self._held, strict=True))
            check_row_count(len(rows), self._n_atoms)
            self._warn_of_few_distinct(rows, weights)
            self._sketch_held(self._held)
        with self._progress():
            self._decode(self.sketch_, on_pilot=False)
        return self

    def _progress(self) -> AbstractContextManager[None]:
        """Show on a terminal how far the decode is, if ``verbose`` asks for it."""
        return progress_line() if self.verbose else nullcontext()

    def _report(self, line: str) -> None:
        """Print a line if ``verbose`` asks for it."""
        if self.verbose:
            print(f"[{type(self).__name__}] {line}")

    def _warn_of_few_frequencies(self, family: AtomFamily, on_pilot: bool) -> None:
        """Warn if the sketch has fewer numbers than the mixture has parameters.

        Where no pilot helps, if it has fewer than two for each: with these a decode succeeds by
        luck.
        """
        wanted = family.n_parameters(self._n_atoms)
        m = family.operator.n_frequencies
        has_pilot = on_pilot and self.sketcher_.pilot_ is not None
        least = wanted // 2 + 1 if has_pilot else wanted
        needed = "more than one for each" if has_pilot else "two for each where no pilot helps"
        if self._n_atoms <= m < least:
            warnings.warn(
                f"a sketch of {m} frequencies has {2 * m} numbers for the {wanted} parameters of "
                f"{self._n_atoms} atoms ({type(family).__name__} in {family.n_features} "
                f"dimensions), too few to determine them ({needed}): sketch with "
                f"n_frequencies={FREQUENCIES_A_PARAMETER * wanted} (at least {least}), "
                "or ask for fewer clusters or components",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _warn_of_lost_spread(self, mixture: Mixture) -> None:
        """Warn if something far from all atoms was probably missed."""
        n_rows, quality = self.sketch_.n_effective, mixture.quality
        wanted = round(quality.thresholds.rows_per_parameter * quality.n_parameters)
        if quality.lacks_spread and n_rows < wanted:
            warnings.warn(
                f"{n_rows:.6g} rows are too few to find {self._n_atoms} clusters or components by "
                f"their sketch alone, whose noise hides single rows: add rows, {wanted} at least, "
                "or call fit with all of them, which looks at the rows themselves.",
                ConvergenceWarning,
                stacklevel=5,
            )
        elif quality.lacks_spread:
            warnings.warn(
                f"only {mixture.spread_ratio:.0%} of the pilot's variance was decoded: a far "
                "cluster or far outliers escaped the sketch, or its rows are less spread than the "
                "pilot. Try more n_frequencies, a larger n_init, more clusters or components, or "
                "leave the outliers out.",
                ConvergenceWarning,
                stacklevel=5,
            )


def nearest_order(mixture: Mixture, locations: np.ndarray) -> Mixture:
    """Put a mixture's atoms in the order of locations (k, d) that they are nearest to."""
    _, order = linear_sum_assignment(cdist(locations, mixture.locations, "sqeuclidean"))
    return replace(mixture, weights=mixture.weights[order], parameters=mixture.parameters[order])
