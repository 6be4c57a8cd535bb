"""The sketcher: chooses an operator on a few rows, then turns any rows into sketches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from sklearn.utils.validation import validate_data

from sketchlearn._threads import OneThread
from sketchlearn._validation import RandomState, check_count, draw_seed
from sketchlearn.features.moments import MomentChoice, resolve_moments
from sketchlearn.frequencies import FrequencyOperator, RadiusLaw, resolve_radius_law
from sketchlearn.sketches.fixed_point import choose_exponent
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching.pairing import check_paired
from sketchlearn.sketching.pilot import (
    DEFAULT_N_CLUSTERS,
    count_pilot_rows_for_columns,
    draw_candidates,
    draw_pilot,
    pilot_size,
)
from sketchlearn.sketching.portable import check_names, choose_moments, draw_domain_operator
from sketchlearn.sketching.sizes import check_pilot
from sketchlearn.sketching.transformer import SketchingTransformer
from sketchlearn.sketching.tuning import (
    check_choices,
    check_kinds,
    choose_operator,
    require_memory_to_draw,
    resolve_frequency_count,
    resolve_operator,
)
from sketchlearn.sources.error_handling import OnError, make_error_handler
from sketchlearn.sources.frames import make_readable, require_finite_rows
from sketchlearn.sources.opening import is_source, open_source, require_weight_column
from sketchlearn.sources.weights import check_sample_weight

# What is known of the pilot's rows, where they are kept.
PILOT = ("pilot_", "pilot_weight_", "pilot_inclusion_probability_")


class Sketcher(SketchingTransformer):
    r"""Choose frequencies on a few rows; then turn any rows into exact, mergeable sketches.

    `fit` looks at a pilot of max(5000, 50 n_clusters) rows, drawn such that far rows are not left
    to chance, and weighted accordingly. The centre is their mean; the scale :math:`s` the standard
    deviation of a cluster, by k-means on them; the frequencies are
    :math:`\omega = R / (c s)\,\varphi` with R from the radius law, uniform orthogonal directions,
    and c = 1.25, or 1 where d <= 3. `sketch` reads each row once and keeps nothing.

    Parameters
    ----------
    n_frequencies : int or "auto", default="auto"
        Complex entries m of a sketch. "auto" is max(100, min(10 k d, max(5000, 2 k d))) for k
        clusters in d dimensions. More than 100 of them, and twice k + 20, are decoded along
        k + 20 directions, which then take the place of d, and 3000 that of 5000.
    n_clusters : int, optional
        How many clusters are expected: a hint for the two "auto". None means 10.
    scale : float, "auto", "columns" or "mixed", default="auto"
        Standard deviation of a cluster, in data units: one number, as k-means has one distance.
        "auto" is that of the pilot's clusters. Where these stand far apart it is a share of their
        gaps, and frequencies are drawn for finer scales too, down to the clusters' own; so it is
        with "columns".
        "columns" tells columns apart, to powers of four (the operator's `units`), as mixtures with
        a variance along each column need where columns are in different units. The pilot is larger
        then: 20 rows for each mean and variance of n_clusters mixture components, and 20,000 where
        many rows share a value, as flags and counts do, but no more than 32 MiB.
        "mixed" draws frequencies for a range of scales, evenly from twice that of k cells which
        share the pilot's volume down to a quarter: where the pilot may be wide or narrow of rows.
    radius_law : {"adapted-radius", "folded-gaussian", "gaussian"} or RadiusLaw
        Law of the frequencies' radii.
    operator : {"auto", "dense", "fast"} or str, default="auto"
        How rows become phases: "dense" by a matrix, "fast" by Walsh-Hadamard transforms, which cost
        O(m log d) a row instead of O(m d), and no matrix in memory or in files; as good from some
        dozen columns on. "auto" is "fast" from 128 columns on, where it is faster. The kind of any
        other `LinearMap` will do too.
    features : {"waves", "signs"} or str, default="waves"
        What is averaged of the phases: "waves", their cosines and sines, or "signs", one bit of
        each (`Signs`): half the bytes, up to .6 of the time in few columns, and the error of four
        fifths as many waves. The kind of any other `FeatureMap` will do too.
    backend : {"numba", "numpy"}, default="numba"
        What adds rows up. Where a backend knows no way of its own with the two maps, numpy does
        it. Two backends' sums of the same rows may differ by the last unit of each row.
    moments : {"auto", "full", "diagonal"} or None, default="auto"
        Which moments a sketch holds besides, as exact sums: means and covariances, or means and
        variances alone, or none. "auto" is "full" up to 64 columns. They cost a tenth more or less
        where there are at least 1000 frequencies; see `Sketch.moments`.
    paired : bool, default=False
        Whether frequencies come in pairs, each second one twice the first, and every column has a
        pair of its own where there are at least four frequencies a column. Then `compare` knows
        the variance of each wave exactly, and its p-value is no worst case. Matrices of waves
        only: "auto" is "dense" then. With 5 k d frequencies or more it costs k-means next to
        nothing, with 2 k d some 5 to 15 % of its sum of squares.
    keep_pilot : bool, default=True
        Whether the pilot's rows are kept in `pilot_`. They never go into a sketch, its file,
        or a pickle of the sketcher.
    random_state : int, RandomState, Generator or None
        Where the pilot and the frequencies come from.
    n_jobs : int, optional
        Threads of `sketch`: None is 1, -1 all. The result does not depend on it.

    Attributes
    ----------
    operator_ : FrequencyOperator
        The operator, which identifies sketches that can be added.
    scale_ : float
        Standard deviation of a cluster, data units.
    center_ : ndarray of shape (n_features,)
        What rows are centred by.
    frequencies_ : ndarray of shape (n_features, n_frequencies)
        Omega in radians per unit of the data.
    pilot_ : ndarray of shape (n_pilot, n_features) or None
        The pilot's rows, float64.
    pilot_weight_ : ndarray of shape (n_pilot,) or None
        What each stands for: its weight over its inclusion probability, scaled to the mean weight
        of a row.
    pilot_inclusion_probability_ : ndarray of shape (n_pilot,) or None
        How probable it was that each came into the pilot.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> sketcher = Sketcher(n_frequencies=50, random_state=0).fit(X)
    >>> a, b = sketcher.sketch(X[:300]), sketcher.sketch(X[300:])
    >>> a + b == sketcher.sketch(X)
    True
    >>> (a + b) - b == a
    True
    """

    def __init__(
        self,
        n_frequencies: int | Literal["auto"] = "auto",
        *,
        n_clusters: int | None = None,
        scale: float | Literal["auto", "columns", "mixed"] = "auto",
        radius_law: str | RadiusLaw = "adapted-radius",
        operator: str = "auto",
        features: str = "waves",
        backend: str = "numba",
        moments: MomentChoice = "auto",
        paired: bool = False,
        keep_pilot: bool = True,
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_frequencies = n_frequencies
        self.n_clusters = n_clusters
        self.scale = scale
        self.radius_law = radius_law
        self.operator = operator
        self.features = features
        self.backend = backend
        self.moments = moments
        self.paired = paired
        self.keep_pilot = keep_pilot
        self.random_state = random_state
        self.n_jobs = n_jobs

    @classmethod
    def from_operator(cls, operator: FrequencyOperator, n_jobs: int | None = None) -> Self:
        """Return a fitted sketcher that uses an operator as it is; see also `from_sketch`.

        It takes columns in the order in which they come, which must be the operator's.
        """
        sketcher = cls(
            operator.n_frequencies,
            scale=operator.scale if operator.domain.finest_scale is None else "mixed",
            operator=operator.linear_map.drawn_kind,
            features=operator.features.kind,
            backend=operator.backend,
            paired=len(operator.linear_map.pairs) > 0,
            n_jobs=n_jobs,
        )
        sketcher.n_features_in_ = operator.n_features
        sketcher._set_operator(operator)
        sketcher.__dict__.update(dict.fromkeys(PILOT))
        return sketcher

    @classmethod
    def from_domain(
        cls,
        lower: Any,
        upper: Any,
        *,
        n_clusters: int | None = None,
        n_frequencies: int | Literal["auto"] = "auto",
        feature_names: Sequence[str] | None = None,
        clip: bool = False,
        radius: float | None = None,
        paired: bool = False,
        operator: str = "dense",
        features: str = "waves",
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> Self:
        r"""Return a fitted sketcher that saw no row, of mixed scales.

        Of the same arguments, `random_state` an integer, it has the same operator bit for bit on
        any machine. Up to 2048 columns `moments` are full: no pilot tells where rows are wide.

        Parameters
        ----------
        lower, upper : array-like of shape (n_features,)
            Corners of a box that rows should lie in; three times too wide will do. Columns whose
            widths differ by four times or more are told apart, as with ``scale="columns"``.
        n_clusters, n_frequencies, paired, random_state, n_jobs
            As of `Sketcher`.
        feature_names : sequence of str, optional
            Names of the features, `feature_names_in_`.
        clip : bool, default=False
            Whether coordinates outside the box count as its nearest side, and an error never says
            which row it is about: what `sketchlearn.privacy.release` needs. The operator then is
            another one. A UserWarning tells whoever sketches when more than a tenth of a column's
            numbers were outside: clusters there would be found at the box's sides.
        radius : float, optional
            With ``clip=True``: how far rows are from the middle of the box at most, as the root of
            the sum of squares of their coordinates, each in units of half the box's width. Rows
            farther away are moved towards the middle. The corners of a box of many columns, at
            :math:`\sqrt d`, are far from all rows, and noise that hides a row there is larger than
            it need be: among d = 64 columns of the same kind, rows may well be within 2.
        operator : {"dense", "fast", "auto"}, default="dense"
            As of `Sketcher`.
        features : {"waves", "signs"}, default="waves"
            As of `Sketcher`.

        Raises
        ------
        TypeError, ValueError
            If that is no box, names repeat or are not as many, or a parameter is out of range.

        Examples
        --------
        >>> box = [0.0, 0.0], [100.0, 200_000.0]
        >>> here, there = (Sketcher.from_domain(*box, random_state=0) for _ in range(2))
        >>> (here.sketch([[30.0, 40_000.0]]) + there.sketch([[50.0, 70_000.0]])).n_samples
        2
        """
        drawn = draw_domain_operator(
            lower,
            upper,
            n_clusters,
            n_frequencies,
            random_state,
            clip,
            radius,
            paired,
            operator,
            features,
        )
        sketcher = cls.from_operator(drawn, n_jobs)
        sketcher.n_frequencies, sketcher.n_clusters = n_frequencies, n_clusters
        sketcher.random_state = random_state
        sketcher.moments = choose_moments(drawn.n_features)
        if feature_names is not None:
            sketcher.feature_names_in_ = check_names(feature_names, drawn.n_features)
        return sketcher

    @classmethod
    def from_sketch(cls, sketch: SketchLike, n_jobs: int | None = None) -> Self:
        """Return a fitted sketcher whose sketches add to another: of its operator and moments.

        It also has the other's names, by which it picks and orders columns.
        """
        sketcher = cls.from_operator(sketch.operator, n_jobs)
        sketcher.moments = sketch.moment_kind
        if sketch.feature_names is not None:
            sketcher.feature_names_in_ = np.array(sketch.feature_names, dtype=object)
        return sketcher

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        columns: Sequence[str | int] | None = None,
        filter: Any = None,  # noqa: A002
        on_error: OnError = "raise",
    ) -> Self:
        """Choose centre, scale and box on a pilot of the rows, and draw the operator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            Finite rows; all of an array are checked, only the pilot is used. The pilot of a
            source comes from all over it, by at most some hundred reads; that of a stream is its
            first rows, so that a stream must come from `open_source`, which holds them back for
            `sketch`.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights; rows of weight zero are left out. Of a source, the name of the
            column that holds them.
        columns, filter, on_error
            As in `sketch`.

        Raises
        ------
        TypeError, ValueError
            If a parameter is out of range, X is empty, not finite or not two-dimensional, or a
            weight is negative, not finite, or all are zero.
        """
        handler = make_error_handler(on_error)
        seed = draw_seed(self.random_state)
        if columns is not None or filter is not None or is_source(X):
            source = open_source(X, columns, filter, require_weight_column(sample_weight))
            if X is not source and not source.can_be_read_again:
                raise ValueError(
                    "fit would use up the first rows of a stream that can be read once: give it "
                    "to open_source, and what that returns to fit and to sketch"
                )
            check_choices(self.n_frequencies, self.n_clusters, self.scale, self.radius_law)
            check_kinds(self.operator, self.features, self.backend)
            check_paired(self.paired, self.operator, self.features)
            resolve_moments(self.moments, 1)
            drawn, share = draw_candidates(source, self.n_clusters, seed, handler)
            rows, weights = drawn.rows, drawn.weights
            layout = source.layout
            self.n_features_in_ = layout.n_features
            self.__dict__.pop("feature_names_in_", None)
            if layout.names is not None:
                self.feature_names_in_ = np.array(layout.names, dtype=object)
        else:
            X = make_readable(X, is_new=True)
            rows = validate_data(self, X, dtype="numeric", ensure_all_finite=False)
            require_finite_rows(rows, getattr(self, "feature_names_in_", None))
            weights, share = check_sample_weight(sample_weight, len(rows)), 1.0
        fit_rows(self, rows, weights, seed, share)
        return self

    def _choose_operator(
        self, X: np.ndarray, weights: np.ndarray | None, rng: np.random.Generator, share: float
    ) -> None:
        """Choose the operator on a pilot of rows that are a share of all."""
        d = X.shape[1]
        k = self.n_clusters
        k = DEFAULT_N_CLUSTERS if k is None else check_count(k, "n_clusters")
        n_frequencies = resolve_frequency_count(self.n_frequencies, k, d)
        law = resolve_radius_law(self.radius_law, d)
        is_paired = check_paired(self.paired, self.operator, self.features)
        linear_map = "dense" if is_paired else resolve_operator(self.operator, d)
        n_pilot = min(len(X), pilot_size(k))
        require_memory_to_draw(d, n_frequencies, linear_map, is_paired, k, n_pilot)
        # The third child draws candidates of a source.
        pilot_rng, seed_rng, _, look_rng = rng.spawn(4)
        seeds = tuple(int(s) for s in seed_rng.integers(2**31 - 1, size=2))
        exponent = 0
        if weights is not None:
            # So that no sum of weights overflows, and a common factor changes nothing.
            exponent = choose_exponent(weights)
            weights = np.ldexp(weights, -exponent)
        size = pilot_size(k)
        if isinstance(self.scale, str) and self.scale == "columns":
            size = count_pilot_rows_for_columns(X, k, look_rng)
        rows, row_weights, probabilities = draw_pilot(
            X, weights, size, pilot_rng, self.feature_names
        )
        check_pilot(rows, row_weights, self.scale, self.feature_names)
        kinds = {
            "linear_map": linear_map,
            "features": self.features,
            "backend": self.backend,
        }
        operator = choose_operator(
            rows, row_weights, k, n_frequencies, self.scale, law, seeds, kinds, is_paired
        )
        self._set_operator(operator)
        self.pilot_ = rows if self.keep_pilot else None
        self.pilot_weight_ = np.ldexp(row_weights, exponent) if self.keep_pilot else None
        self.pilot_inclusion_probability_ = share * probabilities if self.keep_pilot else None

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: all but the pilot's rows, which must not travel unasked."""
        state = dict(super().__getstate__())
        return state | {name: None for name in PILOT if name in state}


def fit_rows(
    sketcher: Sketcher,
    rows: np.ndarray,
    weights: np.ndarray | None,
    seed: int,
    share: float = 1.0,
    names: Any = None,
) -> None:
    """Fit a sketcher on rows in memory that were checked before, and are not looked through again.

    Rows (n_samples, n_features) are finite; weights (n_samples,) not negative, not all of them
    zero. The seed is what `random_state` gives, and the share how many of all rows these are. Names
    (n_features,) are those of the columns, if the sketcher does not have them yet.
    """
    if names is not None:
        sketcher.feature_names_in_ = names
    sketcher.n_features_in_ = rows.shape[1]
    resolve_moments(sketcher.moments, sketcher.n_features_in_)
    # One thread: with more, the last bits of k-means and of BLAS depend on their number, and
    # k-means' even on which comes first.
    with OneThread():
        sketcher._choose_operator(rows, weights, np.random.default_rng(seed), share)
