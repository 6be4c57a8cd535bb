"""What all estimators share: rows to a sketch, at once or batch by batch; then one decode."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sketchlearn._validation import check_count, check_distinct, check_sample_weight
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders import Decoder, Mixture, n_parameters, progress_line
from sketchlearn.estimators.model_files import SavedAsFile
from sketchlearn.estimators.state import all_or_nothing
from sketchlearn.exceptions import EmptySketchError
from sketchlearn.sketching import Sketch, Sketcher, pilot_size
from sketchlearn.sketching.accumulation import fixed_weights
from sketchlearn.sketching.sources import is_source, open_source, weight_column

# What describes the rows, not the model.
ABOUT_ROWS = {"n_features_in_", "feature_names_in_"}
# Frequencies for each parameter of a mixture that a sketch should have.
FREQUENCIES_A_PARAMETER = 5
# Weights up to which float64 has all integers.
LARGEST_INTEGER = 2.0**53


class CompressiveEstimator(SavedAsFile, ABC):
    """Learn from a sketch of the data, read once.

    A subclass says how many atoms it decodes, which sketcher suits it, and how a sketch becomes its
    model (`_decode`); the rest is here. Its parameters include ``sketcher``, ``decoder``,
    ``n_init``, ``random_state``, ``n_jobs`` and ``verbose``.
    """

    _held: list[tuple[np.ndarray, np.ndarray]]

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
        if is_source(X):
            self._fit_source(X, sample_weight, keep_pilot)
            return None, None
        rows = self._validate(X, reset=True)
        sample_weight = check_sample_weight(sample_weight, len(rows))
        self._check_distinct(rows, sample_weight)
        self._start()
        # The sketcher gets what came, so that it knows the features' names too.
        self.sketcher_ = self._fitted_sketcher(X, sample_weight, keep_pilot)
        self.sketch_ = self.sketcher_.sketch(X, sample_weight=sample_weight)
        # A sketcher that came fitted may have its pilot from other data.
        sketch = as_repeated_rows(self.sketch_, sample_weight)
        with self._progress():
            self._decode(sketch, on_pilot=keep_pilot and self.sketcher_ is not self.sketcher)
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
        if (ready := self._ready_sketcher()) is not None:
            source.expect(ready.n_features_in_, getattr(ready, "feature_names_in_", None))
        layout = source.layout
        self.n_features_in_ = layout.n_features
        self.__dict__.pop("feature_names_in_", None)
        if layout.names is not None:
            self.feature_names_in_ = np.array(layout.names, dtype=object)
        self.sketcher_ = self._fitted_sketcher(source, None, keep_pilot)
        self.sketch_ = self.sketcher_.sketch(source, progress=bool(self.verbose))
        is_own = self.sketcher_ is not self.sketcher
        pilot = self.sketcher_.pilot_ if is_own else None
        if pilot is not None and np.all(self.sketcher_.pilot_chance_ == 1.0):
            self._check_distinct(pilot, None)
        elif self.sketch_.n_samples < self._n_atoms:
            raise ValueError(
                f"n_samples={self.sketch_.n_samples} rows should be at least as many as the "
                f"{self._n_atoms} atoms"
            )
        with self._progress():
            self._decode(self.sketch_, on_pilot=keep_pilot and is_own)

    @all_or_nothing
    def partial_fit(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> Self:
        """Add rows to the sketch; without rows, decode what was added so far.

        The first batches are held back until there are enough rows to choose the scale on, or the
        decode is asked for; then they are sketched and let go. The model stays as it is until the
        next ``partial_fit()``.

        Raises
        ------
        ValueError
            As `fit`; also if there is nothing to decode yet.
        """
        self._check_parameters()
        if X is None:
            return self._decode_accumulated()
        is_first = not self._has_rows()
        rows = self._validate(X, reset=is_first)
        sample_weight = check_sample_weight(sample_weight, len(rows))
        if is_first:
            self._start()
        if (sketcher := self._ready_sketcher()) is not None:
            added = sketcher.sketch(X, sample_weight=sample_weight)
            self.sketch_ = self.sketch_ + added if hasattr(self, "sketch_") else added
            self.sketcher_ = sketcher
            return self
        weights = np.ones(len(rows)) if sample_weight is None else sample_weight
        # Now rather than with the held rows, which a bad batch would otherwise spoil.
        fixed_weights(weights)
        held = [*self._held, (np.array(rows), np.array(weights))]
        if sum(len(batch) for batch, _ in held) >= pilot_size(self._n_atoms):
            self._sketch_held(held)
        else:
            self._held = held
        return self

    @all_or_nothing
    def fit_sketch(self, sketch: Sketch) -> Self:
        """Decode a sketch that was made elsewhere; no row of data is needed.

        Raises
        ------
        TypeError
            If ``sketch`` is not a `Sketch`.
        EmptySketchError
            If it counts no row.
        """
        self._check_parameters()
        if not isinstance(sketch, Sketch):
            raise TypeError(f"expected a Sketch, got {type(sketch).__name__}")
        if sketch.n_samples == 0:
            raise EmptySketchError("expected a sketch of at least one row, got one without rows")
        self._start()
        self.n_features_in_ = sketch.operator.n_features
        self.__dict__.pop("feature_names_in_", None)
        self.sketcher_ = Sketcher.from_operator(sketch.operator, n_jobs=self.n_jobs)
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

    def _check_distinct(self, rows: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Refuse fewer distinct rows than atoms."""
        check_distinct(rows, sample_weight, self._n_atoms)

    def _start(self) -> None:
        """Forget an earlier fit; draw the one integer that all randomness comes from."""
        fitted = [name for name in vars(self) if name.endswith("_") and name not in ABOUT_ROWS]
        for name in fitted:
            del self.__dict__[name]
        self._held = []
        self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _validate(self, X: Any, reset: bool) -> np.ndarray:
        """Rows as a float32 or float64 array, its features checked against earlier ones."""
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=reset)

    def _validate_fitted(self, X: Any) -> np.ndarray:
        """Rows for a fitted model."""
        self._require_fitted()
        return self._validate(X, reset=False)

    def _require_fitted(self) -> None:
        """Refuse to go on without a model."""
        check_is_fitted(
            self,
            msg="This %(name)s instance is not fitted yet: call fit, fit_sketch, or partial_fit() "
            "without rows to decode what partial_fit has accumulated.",
        )

    def _ready_sketcher(self) -> Sketcher | None:
        """The sketcher in use, or the user's if it is fitted."""
        if hasattr(self, "sketcher_"):
            return self.sketcher_
        return self.sketcher if hasattr(self.sketcher, "operator_") else None

    def _fitted_sketcher(
        self, X: Any, sample_weight: np.ndarray | None, keep_pilot: bool
    ) -> Sketcher:
        """The sketcher that is ready, else one fitted on these rows."""
        if ready := self._ready_sketcher():
            return ready
        if self.sketcher is not None:
            sketcher = clone(self.sketcher)
            sketcher.set_params(keep_pilot=keep_pilot and sketcher.keep_pilot)
        else:
            sketcher = self._new_sketcher().set_params(keep_pilot=keep_pilot)
        return sketcher.fit(X, sample_weight=sample_weight)

    def _has_rows(self) -> bool:
        """Whether any rows are held back or in the sketch."""
        return bool(getattr(self, "_held", [])) or hasattr(self, "sketch_")

    def _sketch_held(self, held: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Choose the scale on the rows held back, sketch them, and let them go."""
        X = np.concatenate([rows for rows, _ in held])
        weights = np.concatenate([weights for _, weights in held])
        sketcher = self._fitted_sketcher(X, weights, keep_pilot=False)
        self.sketch_ = sketcher.sketch(X, sample_weight=weights)
        self.sketcher_ = sketcher
        if hasattr(self, "feature_names_in_"):
            sketcher.feature_names_in_ = self.feature_names_in_
        self._held = []

    def _decode_accumulated(self) -> Self:
        """Decode what `partial_fit` added so far."""
        if not self._has_rows():
            raise EmptySketchError("nothing to decode: call partial_fit(X) with rows first")
        if self._held:
            X = np.concatenate([rows for rows, _ in self._held])
            weights = np.concatenate([weights for _, weights in self._held])
            self._check_distinct(X, weights)
            self._sketch_held(self._held)
        with self._progress():
            self._decode(self.sketch_, on_pilot=False)
        return self

    def _require_in_memory(self, X: Any) -> None:
        """Refuse to label rows that are not in memory."""
        if is_source(X):
            raise TypeError(
                "fit_predict labels rows in memory; call fit(source), and predict a chunk at a time"
            )

    def _progress(self) -> AbstractContextManager[None]:
        """Show on a terminal how far the decode is, if ``verbose`` asks for it."""
        return progress_line() if self.verbose else nullcontext()

    def _report(self, line: str) -> None:
        """Print a line if ``verbose`` asks for it."""
        if self.verbose:
            print(f"[{type(self).__name__}] {line}")

    def _warn_of_few_frequencies(self, family: AtomFamily) -> None:
        """Warn if the mixture has more parameters than the sketch has numbers."""
        wanted = n_parameters(family, self._n_atoms)
        m = family.operator.n_frequencies
        if self._n_atoms <= m <= wanted // 2:
            warnings.warn(
                f"a sketch of {m} frequencies has {2 * m} numbers for the {wanted} parameters of "
                f"{self._n_atoms} atoms ({type(family).__name__} in {family.n_features} "
                "dimensions) and cannot determine them: sketch with "
                f"n_frequencies={FREQUENCIES_A_PARAMETER * wanted} (at least {wanted // 2 + 1}), "
                "or ask for fewer clusters or components",
                UserWarning,
                stacklevel=5,
            )

    def _warn_of_lost_spread(self, mixture: Mixture) -> None:
        """Warn if something far from all atoms was probably missed."""
        if mixture.lacks_spread:
            warnings.warn(
                f"only {mixture.spread_ratio:.0%} of the pilot's variance was decoded: a far "
                "cluster or far outliers escaped the sketch, or its rows are less spread than the "
                "pilot. Try more n_frequencies, a larger n_init, more clusters or components, or "
                "leave the outliers out.",
                ConvergenceWarning,
                stacklevel=5,
            )


def as_repeated_rows(sketch: Sketch, sample_weight: np.ndarray | None) -> Sketch:
    """The sketch with its rows counted as repetitions, if their weights are integers.

    Fitting rows with integer weights is then fitting each so many times, as scikit-learn's
    conventions ask; a common factor of all weights counts nothing. The sums stay as they are, and
    other weights too: their rows count as the effective number of rows.
    """
    if sample_weight is None:
        return sketch
    positive = sample_weight[sample_weight > 0]
    if np.any(positive != np.rint(positive)) or positive.max(initial=0.0) > LARGEST_INTEGER:
        return sketch
    numbers = [int(weight) for weight in positive]
    n_rows = sum(numbers) // math.gcd(*numbers)
    unit, rest = divmod(sketch.weight_units, n_rows)
    if rest:
        return sketch  # They were rounded.
    counts = (n_rows, sketch.weight_units, n_rows * unit**2)
    return Sketch(sketch.operator, sketch.feature_sum, *counts)
