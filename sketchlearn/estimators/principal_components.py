"""Principal components from exact moments, with scikit-learn's surface."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.decomposition import PCA

from sketchlearn._caller import warn_caller
from sketchlearn._threads import on_one_blas_thread
from sketchlearn._validation import draw_seed, thread_count
from sketchlearn.estimators.callbacks import tell_callbacks
from sketchlearn.estimators.doubts import warn_of_coarse_grid
from sketchlearn.estimators.row_estimator import RowEstimator, check_sketch, restore_on_error
from sketchlearn.exceptions import EmptySketchError
from sketchlearn.multivariate import find_components
from sketchlearn.sketches.fixed_point import require_fixed_point
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching import Sketcher
from sketchlearn.sketching.moments_only import fit_moments
from sketchlearn.sketching.passes import sketch_rows
from sketchlearn.sketching.pilot import draw_candidates
from sketchlearn.sketching.sketcher import fit_rows
from sketchlearn.sources.error_handling import make_error_handler
from sketchlearn.sources.opening import is_source, open_source, require_weight_column
from sketchlearn.sources.source import RowSource
from sketchlearn.sources.weights import check_sample_weight

# Seed of the rows of a source that the grid is chosen on; and about how many do of an array.
SEED, MOST_ROWS = 0, 5000


class CompressivePCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, RowEstimator):
    r"""Principal components from exact sums of the rows and of their products.

    The covariance comes of integers that are the same for any order or split of the rows and after
    any removal, and so do the components: what `sklearn.decomposition.PCA` finds on the rows that
    are left. They agree to the accuracy of float64 times the condition of the columns'
    correlations, see `find_components`, since the rows are rounded to a grid of 2^-44 of a column's
    width in the first rows, which should therefore be about as wide as the others. Sketches of
    other sketchers have steps h of 2^-21 of a cluster's width. By them variances
    are off by :math:`0.6 h / (\sigma \sqrt n)` of themselves or so, some
    :math:`10^{-7} / \sqrt n`; and components by as much times
    :math:`\sqrt{\lambda_i \lambda_j} / |\lambda_i - \lambda_j|`, which is large where two variances
    are close.

    Parameters
    ----------
    n_components : int or float, optional
        How many; or, between 0 and 1, the share of the variance that they must explain. By default
        as many as columns, or rows where these are fewer.
    whiten : bool, default=False
        Whether `transform` divides by the components' standard deviations.
    sketcher : Sketcher, optional
        How to sketch; with all second moments. A fitted one is used as it is; one that is not is
        cloned and fitted on the rows. By default `make_moment_sketcher` of the first rows, which
        computes no waves.
    n_jobs : int, optional
        Threads that sketch. The result does not depend on it.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Orthonormal rows, the widest first; the largest entry of each, in magnitude, is positive.
    explained_variance_ : ndarray of shape (n_components,)
        Variance along each, divided by the number of rows less one.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Its share of the whole.
    singular_values_ : ndarray of shape (n_components,)
        Those of the centred rows.
    mean_, var_ : ndarray of shape (n_features,)
        Mean of each column, and its variance, divided by the number of rows less one.
    n_components_ : int
        How many components there are.
    noise_variance_ : float
        Mean variance along the directions that were left out.
    noise_floor_ : float
        Variance that the noise of a private sketch has along its widest direction, about; zero of
        exact ones. Components whose variances differ by less than half of it are not told apart.
    n_samples_, n_samples_seen_ : int
        Rows of positive weight in the sketch.
    sketch_ : Sketch or PrivateSketch
        Of all rows.
    sketcher_ : Sketcher
        What it was taken with.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import CompressivePCA
    >>> X = np.random.default_rng(0).normal(size=(1000, 3)) * [1.0, 10.0, 100.0]
    >>> pca = CompressivePCA(n_components=2).fit(X)
    >>> pca.explained_variance_ratio_.round(3)
    array([0.991, 0.009])

    Rows that were in it are taken out again:

    >>> without = pca.sketch_ - pca.sketcher_.sketch(X[:500])
    >>> again, rest = CompressivePCA(2).fit_sketch(without), CompressivePCA(2).fit(X[500:])
    >>> np.allclose(again.components_, rest.components_, rtol=0, atol=1e-9)
    True
    """

    _stored_arrays: ClassVar = {
        "components_": ("kd",),
        "explained_variance_": ("k",),
        "explained_variance_ratio_": ("k",),
        "singular_values_": ("k",),
        "mean_": ("d",),
        "var_": ("d",),
    }
    _stored_numbers = ("noise_variance_", "noise_floor_")
    _counted_by = "components_"
    _own_numbers = ()

    def __init__(
        self,
        n_components: Any = None,
        *,
        whiten: bool = False,
        sketcher: Sketcher | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.whiten = whiten
        self.sketcher = sketcher
        self.n_jobs = n_jobs

    @restore_on_error
    @tell_callbacks()
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Sketch the rows and find the components.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            Finite rows, two at least; or files, tables or streams of them, see `open_source`.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights, which count rows: a row of weight two is that row twice. Of a
            source, the name of the column that holds them.

        Raises
        ------
        TypeError, ValueError
            If a parameter is out of range, or asks for more components than there are columns or
            rows; if X is not finite, not two-dimensional or has fewer than two rows; or if a weight
            is negative.
        """
        self._check_parameters()
        self._require_rows(X, "fit")
        self._forget_fit()
        self._add(X, sample_weight)
        self._learn()
        return self

    @restore_on_error
    def partial_fit(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> Self:
        """Add rows, and find the components of all so far, if these are enough for as many.

        Parameters as of `fit`. Without rows, too few are an error.
        """
        self._check_parameters()
        if X is not None:
            self._require_rows(X, "partial_fit")
            self._add(X, sample_weight)
        elif not hasattr(self, "sketch_"):
            raise EmptySketchError("nothing to learn from: call partial_fit(X) with rows first")
        if X is None or self.sketch_.n_samples >= max(2, self._least_rows):
            self._learn()
        return self

    @restore_on_error
    @tell_callbacks()
    def fit_sketch(self, sketch: SketchLike) -> Self:
        """Find the components of a sketch's rows, from its moments; no row is needed.

        Raises
        ------
        TypeError
            If it is neither a `Sketch` nor a `PrivateSketch`.
        EmptySketchError
            If it counts no row.
        ValueError
            If it lacks second moments of all pairs of columns.

        Warns
        -----
        UserWarning
            If the noise of a private sketch hides which direction a component has; or if a column
            varies so little that the grid, which was chosen on wider rows, is too coarse for it.
        """
        self._check_parameters()
        check_sketch(sketch)
        require_full_moments(sketch.moment_kind, "the sketch has")
        self._take_sketch(sketch)
        self.sketch_ = sketch
        self._learn()
        return self

    def transform(self, X: Any) -> np.ndarray:
        r"""Return rows along the components.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            Whatever `fit` takes; a source is read in bounded memory.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            :math:`(x - \bar x) V^T`, divided by the standard deviations where ``whiten=True``.
        """
        self._require_fitted()
        axes = (self.components_ / self._widths[:, None]).T
        return self._map_rows(X, on_one_blas_thread(lambda rows: (rows - self.mean_) @ axes))

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit rows, and return them along the components; parameters as of `fit`."""
        X = self._require_rereadable(X, sample_weight, "transform")
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the rows (n_samples, n_features) that lie at places along the components.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            What `transform` gives.
        """
        self._require_fitted()
        places = np.asarray(X, dtype=np.float64)
        if places.ndim != 2 or places.shape[1] != len(self.components_):
            raise ValueError(
                f"X must have shape (n_samples, {len(self.components_)}), got {places.shape}"
            )
        return (places * self._widths) @ self.components_ + self.mean_

    def to_sklearn(self) -> PCA:
        """Return the components as a fitted `sklearn.decomposition.PCA`, which transforms alike."""
        self._require_fitted()
        model = PCA(len(self.components_), whiten=self.whiten)
        copied = ("components_", "explained_variance_", "explained_variance_ratio_", "mean_")
        for name in (*copied, "singular_values_"):
            setattr(model, name, getattr(self, name).copy())
        for name in ("n_components_", "n_samples_", "noise_variance_", "n_features_in_"):
            setattr(model, name, getattr(self, name))
        if hasattr(self, "feature_names_in_"):
            model.feature_names_in_ = self.feature_names_in_
        return model

    @property
    def n_components_(self) -> int:
        """How many components there are."""
        self._require_fitted()
        return len(self.components_)

    @property
    def n_samples_(self) -> int:
        """Rows of positive weight in the sketch."""
        self._require_fitted()
        return int(self.sketch_.n_samples)

    @property
    def n_samples_seen_(self) -> int:
        """Rows of positive weight in the sketch, as `IncrementalPCA` calls them."""
        return self.n_samples_

    @property
    def _n_features_out(self) -> int:
        """What scikit-learn makes the names of the components of."""
        return len(self.components_)

    @property
    def _least_rows(self) -> int:
        """Rows, and columns, that as many components need."""
        return int(self.n_components) if isinstance(self.n_components, Integral) else 2

    @property
    def _widths(self) -> np.ndarray:
        """What places along the components (n_components,) are divided by."""
        if not self.whiten:
            return np.ones(len(self.components_))
        # As scikit-learn, lest a direction without variance becomes infinite.
        least = np.finfo(np.float64).eps
        return np.maximum(np.sqrt(self.explained_variance_), least)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "components_")

    def _check_parameters(self) -> None:
        self._check_flags()
        wanted: Any = self.n_components
        is_count = isinstance(wanted, Integral)
        if isinstance(wanted, bool) or not (wanted is None or isinstance(wanted, Real)):
            raise TypeError(f"n_components must be a number or None, got {wanted!r}")
        least, most = (1, np.inf) if is_count else (np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))
        if wanted is not None and not least <= float(wanted) <= most:
            raise ValueError(
                "n_components must be an integer of at least 1, a share of the variance between 0 "
                f"and 1, or None, got {wanted!r}"
            )
        if not isinstance(self.sketcher, Sketcher | None):
            raise TypeError(f"sketcher must be a Sketcher, got {type(self.sketcher).__name__}")

    def _add(self, X: Any, sample_weight: Any) -> None:
        """Add rows to the sketch, or begin one."""
        is_first = not hasattr(self, "sketch_")
        given = self._find_given_sketcher()
        if is_first and given is not None:
            require_full_moments(given.moment_kind, "the sketcher takes")
        if is_source(X):
            source = open_source(X, weight=require_weight_column(sample_weight))
            if is_first:
                self._take_features(source, given)
                self.sketcher_ = given or self._fit_sketcher(*draw_some(source))
            else:
                self._expect_features(source)
            added = self.sketcher_.sketch(source)
        else:
            rows = self._validate(X, reset=is_first, names_of=given if is_first else None)
            weights = check_sample_weight(sample_weight, len(rows))
            if weights is not None:
                require_fixed_point(weights)
            if is_first:
                self.sketcher_ = given or self._fit_sketcher(rows, weights)
            operator, names = self.sketcher_.operator_, self.sketcher_.feature_names
            n_threads = thread_count(self.n_jobs)
            added = sketch_rows(operator, rows, weights, n_threads, "full", names)
        self.sketch_ = added if is_first else self.sketch_ + added

    def _fit_sketcher(self, rows: np.ndarray, weights: np.ndarray | None) -> Sketcher:
        """Return a sketcher for rows like these."""
        names = getattr(self, "feature_names_in_", None)
        if self.sketcher is None:
            rows = rows if weights is None else rows[weights > 0]
            sketcher = fit_moments(rows[:: 1 + len(rows) // MOST_ROWS], names, self.n_jobs)
        else:
            sketcher = clone(self.sketcher).set_params(keep_pilot=False)
            fit_rows(sketcher, rows, weights, draw_seed(sketcher.random_state), names=names)
        require_full_moments(sketcher.moment_kind, "the sketcher takes")
        return sketcher

    def _learn(self) -> None:
        """Find the components of the rows in the sketch."""
        sketch, d = self.sketch_, self.n_features_in_
        if sketch.n_samples < 2 or sketch.weight_sum <= 1.0:
            released = ""
            if sketch.added_noise is not None:
                released = (
                    ", a count released with noise: release more rows, or with a larger epsilon"
                )
            raise ValueError(
                "expected at least 2 rows, or weights that count as many: a variance cannot be "
                f"told from n_samples={sketch.n_samples} of total weight {sketch.weight_sum:.6g}"
                f"{released}"
            )
        most = min(int(sketch.weight_sum), d)
        wanted: Any = self.n_components
        if isinstance(wanted, Integral) and int(wanted) > most:
            raise ValueError(
                f"n_components={wanted!r} must be at most {most}: there are "
                f"n_samples={sketch.n_samples} rows, of total weight {sketch.weight_sum:.6g}, "
                f"and {d} columns"
            )
        freedom = sketch.weight_sum / (sketch.weight_sum - 1.0)
        moments = sketch.moments
        variances, axes = find_components(moments.covariance * freedom)
        total = float(variances.sum())
        shares = variances / total if total > 0 else np.zeros_like(variances)
        k = self._count_components(shares, most)
        self.components_, self.explained_variance_ = axes[:k].copy(), variances[:k].copy()
        self.explained_variance_ratio_ = shares[:k].copy()
        self.singular_values_ = np.sqrt(variances[:k] * (sketch.weight_sum - 1.0))
        self.mean_, self.var_ = moments.mean, np.asarray(moments.variance * freedom)
        self.noise_variance_ = float(variances[k:most].mean()) if k < most else 0.0
        self.noise_floor_ = measure_noise(sketch)
        self._warn_of_noise(variances)
        warn_of_coarse_grid(sketch)

    def _count_components(self, shares: np.ndarray, most: int) -> int:
        """Return how many components are asked for, at most as many as there are."""
        if self.n_components is None:
            return most
        if isinstance(self.n_components, Integral):
            return int(self.n_components)
        reached = np.searchsorted(np.cumsum(shares), self.n_components, side="right")
        return min(int(reached) + 1, most)

    def _warn_of_noise(self, variances: np.ndarray) -> None:
        """Warn of components that noise may have turned towards the next, of all variances."""
        k = len(self.components_)
        gaps = variances[:k] - np.append(variances[1:], 0.0)[:k]
        n_lost = int(np.count_nonzero(gaps <= 0.5 * self.noise_floor_))
        if self.noise_floor_ > 0 and n_lost:
            warn_caller(
                f"{n_lost} of {k} components are not told from the next by a private sketch of "
                f"noise {self.noise_floor_:.3g}, and may be of any direction: ask for at most "
                f"{k - n_lost}, or release more rows, a narrower box, or with moments_share=0.9",
                UserWarning,
            )


def draw_some(source: RowSource) -> tuple[np.ndarray, np.ndarray | None]:
    """Return some rows of a source, from all over it, and their weights if they have any."""
    drawn, _ = draw_candidates(source, None, SEED, make_error_handler("raise"))
    return drawn.rows, drawn.weights


def require_full_moments(kind: str | None, what: str) -> None:
    """Refuse, by a ValueError, moments without products of all pairs of columns."""
    if kind != "full":
        raise ValueError(
            f"expected second moments of all pairs of columns, {what} moments={kind!r}: sketch "
            'with Sketcher(moments="full"), or with make_moment_sketcher'
        )


def measure_noise(sketch: SketchLike) -> float:
    r"""Return the variance that a private sketch's noise has along its widest direction, about.

    A symmetric matrix of independent noise of standard deviations :math:`\tau_{ij}` has a largest
    eigenvalue of :math:`2 \max_i (\sum_j \tau_{ij}^2)^{1/2}` or less, but for terms of lower order:
    Bandeira and van Handel, "Sharp nonasymptotic bounds on the norm of random matrices with
    independent entries", Annals of Probability 44(4), 2016, theorem 1.1.
    """
    return float(2.0 * np.sqrt((sketch.covariance_error**2).sum(axis=1).max()))
