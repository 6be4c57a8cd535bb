"""k-means from a sketch, with scikit-learn's surface."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from sketchlearn._threads import OneThread
from sketchlearn._validation import RandomState, check_count
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import (
    BestOf,
    Decoder,
    FitQuality,
    Mixture,
    SecondOpinion,
    SurrogateKMeans,
)
from sketchlearn.decoders.best_of import default_decoders
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.principal import (
    PrincipalStart,
    find_leading_axes,
    find_principal_part,
)
from sketchlearn.estimators.atom_order import reorder_atoms
from sketchlearn.estimators.doubts import (
    has_few_rows,
    warn_of_added_noise,
    warn_of_coarse_scale,
    warn_of_few_frequencies,
    warn_of_few_rows,
    warn_of_instability,
    warn_of_lost_directions,
    warn_of_missed_clusters,
)
from sketchlearn.estimators.group_models import GroupFitter, start_from_atoms
from sketchlearn.estimators.mixture_moments import judge_centroids
from sketchlearn.estimators.row_estimator import require_some
from sketchlearn.estimators.sample_weights import sum_weighted
from sketchlearn.estimators.sketch_estimator import (
    CompressiveEstimator,
)
from sketchlearn.estimators.spread_doubts import (
    warn_of_fine_scale,
    warn_of_left_box,
    warn_of_lost_spread,
    warn_of_moved,
    warn_of_wide_spread,
)
from sketchlearn.estimators.weighted_pilot import WeightedPilot, refine_centroids
from sketchlearn.points.far_rows import refine_on_rows, settle_far_rows
from sketchlearn.points.kmeans import find_nearest
from sketchlearn.sketches.region import Region, check_bounds
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching import Sketcher
from sketchlearn.sketching.tuning import FEW_FEATURES, n_principal

# What only a second look at the rows tells.
ABOUT_FITTED_ROWS = {"labels_", "inertia_"}


class CompressiveKMeans(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    GroupFitter,
    CompressiveEstimator,
):
    r"""k-means clustering from a sketch of the data, read once.

    The rows become a sketch :math:`z = \frac1n \sum_i \exp(i \Omega^T x_i)` of ``n_frequencies``
    complex numbers; a decoder finds the mixture of ``n_clusters`` narrow atoms whose sketch is
    nearest to it, and their locations are the centroids. Neither the memory nor the decoding time
    depends on the number of rows.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    sketcher : Sketcher, optional
        How to sketch. A fitted one is used as it is; one that is not is cloned and fitted on the
        data. By default, one is made from the parameters below.
    n_frequencies : int or "auto", default="auto"
        Size of the sketch; see `Sketcher`. Where `fit` keeps a pilot, "auto" is max(300, 3 k d),
        all that is needed beside it: give a number, or a `sketcher`, if `sketch_` is to be decoded
        without rows later, as `partial_fit` after `fit` does.
    scale : float or "auto", default="auto"
        Standard deviation of a cluster, in the data's units; see `Sketcher`.
    decoder : Decoder, optional
        From a sketch to a mixture. By default `BestOf` several ways if the pilot's rows are at
        hand to settle the centroids on, else `SurrogateKMeans`.
    n_init : int or "auto", default="auto"
        Number of decodes, of which the one of smallest cost is kept. "auto" is one, up to two more
        while an atom seems to be missing, and up to five more while whole clusters are: six at
        most. With a pilot and fewer than 20 clusters, k-means' clusters of the pilot are the first,
        and "auto" takes no other.
    bounds : (lower, upper), optional
        Corners of a box that all rows are known to lie in, each one number or one for each feature.
        Without them decoders look up to 32 standard deviations around the rows' mean, as the
        sketch's moments have it.
    keep_pilot : bool, default=True
        Whether `fit` keeps the few thousand rows that the scale was chosen on, reweights them until
        their sketch is that of all rows, and settles the centroids on them. They stay in memory and
        are never written to a file. Without them, and in `partial_fit` and `fit_sketch`, the
        centroids come from the sketch alone.
    compute_labels : bool, default=True
        Whether `fit` also labels the rows (a second look at them) and computes the inertia.
    random_state : int, RandomState, Generator or None, default=None
        Determines frequencies and starting points.
    n_jobs : int, optional
        Threads that sketch. The result does not depend on it.
    verbose : int, default=0
        Print a line for each stage and, on a terminal, show how far a long one is.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Centroids, the heaviest cluster first.
    weights_ : ndarray of shape (n_clusters,)
        Share of each cluster, as decoded.
    labels_ : ndarray of shape (n_samples,)
        Nearest centroid of each row of `fit`; only with ``compute_labels``, and of rows in memory.
    inertia_ : float
        Weighted sum of squared distances to the nearest centroid; only as `labels_`.
    cost_ : float
        Squared distance between the sketch and the mixture's.
    n_iter_ : int
        Optimiser iterations of the decode that was kept.
    mixture_ : Mixture
        The mixture of ``n_clusters`` Gaussians that was matched to the sketch, with its goodness of
        fit. The centroids come from it, and settle on rows or on points that match the sketch; its
        atoms are in their order. Atoms are round, or long where round ones leave much and long ones
        do not: of covariances along the columns (`DiagonalGaussian`) or of any (`FullGaussian`). A
        long one may be worth several centroids, so that atoms need not stand near these.
    quality_ : FitQuality
        What is known of how good the centroids are; its ``verdict`` is "good", "doubtful" or
        "wrong". The mixture's figures, with the spread of the points or rows that the centroids
        settled on and, from a sketch alone, how stable they are.
    sketch_ : Sketch or PrivateSketch
        The sketch of all rows seen; `fit` divides their weights by a power of two where need be.
    sketcher_ : Sketcher
        What it was taken with.
    n_features_in_, feature_names_in_
        As in scikit-learn.
    n_samples_seen_ : int
        Number of rows of positive weight in the sketch.

    References
    ----------
    Keriven, Tremblay, Traonmilin and Gribonval, "Compressive K-means", ICASSP 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import CompressiveKMeans
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(c, 1.0, size=(500, 2)) for c in (-10.0, 0.0, 10.0)])
    >>> model = CompressiveKMeans(n_clusters=3, random_state=0).fit(X)
    >>> np.sort(model.cluster_centers_[:, 0]).round(0) + 0.0
    array([-10.,   0.,  10.])
    """

    cluster_centers_: np.ndarray
    quality_: FitQuality

    _stored_arrays: ClassVar = {"cluster_centers_": ("kd",), "weights_": ("k",)}
    _stored_numbers = ("cost_", "inertia_", "n_iter_")

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        sketcher: Sketcher | None = None,
        n_frequencies: int | Literal["auto"] = "auto",
        scale: float | Literal["auto"] = "auto",
        decoder: Decoder | None = None,
        n_init: int | Literal["auto"] = "auto",
        bounds: Sequence[Any] | None = None,
        keep_pilot: bool = True,
        compute_labels: bool = True,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.sketcher = sketcher
        self.n_frequencies = n_frequencies
        self.scale = scale
        self.decoder = decoder
        self.n_init = n_init
        self.bounds = bounds
        self.keep_pilot = keep_pilot
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit rows, and return the index (n_samples,) of the centroid nearest to each."""
        X = self._require_rereadable(X, sample_weight, "predict")
        self.fit(X, sample_weight=sample_weight)
        return self.labels_ if hasattr(self, "labels_") else self.predict(X)

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit rows, and return their distances (n_samples, n_clusters) to the centroids."""
        X = self._require_rereadable(X, sample_weight, "transform")
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def transform(self, X: Any) -> np.ndarray:
        """Return Euclidean distances to the centroids.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters)
            By differences of coordinates in float64, so that a far origin costs no digits.
        """
        return self._map_rows(X, lambda rows: cdist(rows, self.cluster_centers_))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return minus the weighted sum of squared distances to the nearest centroid.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            As in `predict`.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            As in `fit`.

        Returns
        -------
        float
            The larger the better; zero at most.
        """
        sums = [
            sum_weighted(find_nearest(chunk.rows, self.cluster_centers_)[1], chunk.weights)
            for chunk in self._read_chunks(X, sample_weight)
        ]
        require_some(len(sums))
        return -sum(sums)

    def to_sklearn(self) -> KMeans:
        """Return the centroids as a fitted `sklearn.cluster.KMeans`, which predicts alike.

        Its ``fit`` starts from these centroids: a few steps of Lloyd's algorithm on a sample of
        rows, if there is one, polish them. It squares coordinates before it subtracts, so it is
        exact only where the data is no further from the origin than it is wide.

        Returns
        -------
        sklearn.cluster.KMeans
            With ``labels_`` and ``inertia_`` only where this model has them.
        """
        self._require_fitted()
        model = KMeans(
            len(self.cluster_centers_),
            init=self.cluster_centers_.copy(),
            n_init=1,
            random_state=self._draw_sklearn_state(),
        )
        # scikit-learn limits BLAS by itself here, and would lift the limit of another thread's fit.
        with OneThread(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(self.cluster_centers_)
        model.cluster_centers_, model.n_iter_ = self.cluster_centers_.copy(), self.n_iter_
        for name in ("labels_", "inertia_"):
            delattr(model, name)
            if hasattr(self, name):
                setattr(model, name, getattr(self, name))
        if hasattr(self, "feature_names_in_"):
            model.feature_names_in_ = self.feature_names_in_
        return model

    def __getattr__(self, name: str) -> Any:
        """Say why there are no labels; called for what is missing only."""
        if name in ABOUT_FITTED_ROWS and self.__sklearn_is_fitted__():
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: only fit on rows in "
                "memory, with compute_labels=True, sets it; a sketch, a model's file and "
                "partial_fit keep no rows to label. Call predict or score with rows.",
                name=name,
                obj=self,
            )
        return super().__getattr__(name)

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "cluster_centers_")

    @property
    def _n_atoms(self) -> int:
        return self.n_clusters

    def _make_sketcher(self, keep_pilot: bool) -> Sketcher:
        """Return a sketcher; its sketch is small where a pilot settles the centroids."""
        sketcher = super()._make_sketcher(keep_pilot)
        if keep_pilot and self.n_frequencies == "auto":
            n_numbers = self.n_clusters * n_principal(self.n_features_in_, self.n_clusters)
            sketcher.n_frequencies = max(LEAST_BESIDE_PILOT, FREQUENCIES_BESIDE_PILOT * n_numbers)
        return sketcher

    def _check_parameters(self) -> None:
        check_count(self.n_clusters, "n_clusters")
        super()._check_parameters()

    def _label_rows(self, rows: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Set the labels of rows that were fitted, unless the user does without.

        Rows that come out far from all centroids, which the pilot lacked, get one. Then, and where
        the pilot has another spread than the rows, these settle all centroids, and the doubt.
        """
        if self.compute_labels:
            weights = np.ones(len(rows)) if sample_weight is None else sample_weight
            found = settle_far_rows(rows, weights, self.cluster_centers_)
            is_sure = found.shares is None and self.quality_.figures_verdict == "good"
            if self._n_kept and not is_sure:
                found, is_settled = refine_on_rows(rows, weights, found)
                if is_settled:
                    own = replace(self.quality_, spread_ratio=1.0, moment_factors=(1.0, 1.0))
                    self.quality_ = own
            if found.shares is not None:
                self.cluster_centers_, self.weights_ = found.centroids, found.shares
                units = standardise_if_mixed(self.sketch_)[1]
                self.mixture_ = reorder_atoms(self.mixture_, found.centroids / units)
            self.labels_ = found.labels
            self.inertia_ = sum_weighted(found.squares, sample_weight)

    def _predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the index, int32, of the centroid that each row is nearest to."""
        return find_nearest(rows, self.cluster_centers_)[0]

    def _complete_quality(self, quality: FitQuality) -> FitQuality:
        """Return a file's figures, with the spread of clusters matched around its centroids."""
        scaled, units = standardise_if_mixed(self.sketch_)
        family, centers = SphericalGaussian(scaled.operator), self.cluster_centers_ / units
        region = Region.of(self.sketch_, self.bounds).in_units(units)
        given = GivenAtoms(centers, np.full(centers.shape, scaled.operator.scale**2))
        rng = np.random.default_rng(0)
        of_match = given.decode(scaled, family, len(centers), rng, region=region).quality
        return replace(
            quality,
            spread_ratio=of_match.spread_ratio,
            moment_factors=of_match.moment_factors,
        )

    def _start_from(self, total: Sketch) -> tuple[Decoder, float]:
        d, k = total.n_features, self.n_clusters
        if n_principal(d, k) < d:
            raise ValueError(
                f"start='total' is not for {d} columns: where there are so many, each group is "
                "decoded along the few directions in which its own rows are widest; leave start at "
                "'own'"
            )
        return start_from_atoms(self, total, lambda one: SecondOpinion(SurrogateKMeans(one)))

    def _is_decoded_whole(self, sketch: Sketch) -> bool:
        scaled, units = standardise_if_mixed(sketch)
        region = Region.of(sketch, self.bounds).in_units(units)
        return find_principal_part(scaled, self.n_clusters, region) is None

    def _decode_sketch(
        self, sketch: SketchLike, rng: np.random.Generator, has_pilot: bool
    ) -> Mixture:
        """Decode a sketch; refine the centroids on the pilot if there is one."""
        # Those of rows that an earlier fit saw.
        for name in ("labels_", "inertia_"):
            self.__dict__.pop(name, None)
        is_few = not has_pilot and has_few_rows(sketch, self.n_clusters)
        scaled, units = standardise_if_mixed(sketch)
        region = Region.of(sketch, self.bounds).in_units(units)
        axes = find_leading_axes(sketch, self.n_clusters, region)
        part = None if axes is not None else find_principal_part(scaled, self.n_clusters, region)
        narrow = scaled if part is None else part.sketch
        family = SphericalGaussian(narrow.operator) if part is None else part.family
        warn_of_few_frequencies(family, self.n_clusters, has_pilot, is_exact=sketch.is_exact)
        is_coarse = not has_pilot and warn_of_coarse_scale(sketch, self.n_clusters)
        is_hidden = warn_of_added_noise(sketch) or is_coarse
        pilot = None
        if has_pilot:
            pilot = WeightedPilot.from_sketcher(self.sketcher_, sketch, part, self.n_clusters)
        decoder = choose_decoder(
            pilot, self.n_clusters, self.decoder, self.n_init, self._seed, axes,
            is_exact=sketch.is_exact,
        )  # fmt: skip
        if np.any(units != 1.0) and (part is None or part.has_scales):
            along = units if part is None else units @ np.abs(part.axes)
            decoder = decoder.in_units(tuple(along.tolist()))
        region = region if part is None else part.region
        mixture = decoder.decode(narrow, family, self.n_clusters, rng, region=region)
        if sketch.moment_kind != "full":
            # Along which directions rows are wider than the atoms is not known.
            quality = replace(mixture.quality, unseen_gain=None, sure_gain=None)
            mixture = replace(mixture, quality=quality)
        matched = mixture.matched or mixture
        centroids, self.weights_ = refine_centroids(mixture, part, pilot, rng)
        self.cluster_centers_, self.n_iter_ = centroids * units, mixture.n_iter
        if self.bounds is not None:
            # Points that match the sketch may be a little outside.
            corners = check_bounds(self.bounds, sketch.n_features)
            self.cluster_centers_ = np.clip(self.cluster_centers_, *corners)
        share = 1.0 if part is None else part.measure_share(mixture)
        quality = judge_centroids(mixture, pilot, region)
        self.quality_ = replace(quality, is_coarse=is_coarse, share_decoded=share)
        if is_few:
            warn_of_few_rows(self.quality_, sketch, self.n_clusters)
        is_hidden |= is_few
        if pilot is None and not is_hidden:
            is_hidden = warn_of_fine_scale(sketch, replace(mixture, quality=self.quality_))
        has_lost = pilot is None and part is not None and warn_of_lost_directions(sketch, mixture)
        if pilot is None and not is_hidden:
            warn_of_left_box(self.quality_)
            warn_of_lost_spread(mixture)
            if not has_lost:
                warn_of_wide_spread(mixture)
        if pilot is not None:
            warn_of_missed_clusters(narrow, family, matched, rng, pilot)
        elif not (is_hidden or mixture.quality.lacks_spread or mixture.quality.exceeds_spread):
            if mixture.quality.loses_moved:
                warn_of_moved(mixture)
            elif not (warn_of_missed_clusters(narrow, family, matched, rng) or has_lost):
                warn_of_instability(self.quality_, sketch, self.n_clusters)
        matched = matched if part is None else part.lift(matched)
        return reorder_atoms(matched, centroids)


# Frequencies beside a pilot's rows, for each number to be found, and the fewest. On 22 data sets
# three times as many change the sum of squares by less than another pilot does.
FREQUENCIES_BESIDE_PILOT, LEAST_BESIDE_PILOT = 3, 300
# Clusters from which on k-means' random starts miss what a search of the sketch finds.
MANY_CLUSTERS = 20


def standardise_if_mixed(sketch: SketchLike) -> tuple[SketchLike, np.ndarray]:
    """Return the sketch to decode, and the units (d,) that its columns are divided by.

    Of a sketch of several scales nobody chose the units for k-means: waves are isotropic without,
    distances are not.
    """
    if sketch.operator.domain.finest_scale is None:
        return sketch, np.ones(sketch.n_features)
    return sketch.standardised(), sketch.operator.units


def choose_decoder(
    pilot: WeightedPilot | None,
    n_clusters: int,
    decoder: Decoder | None,
    n_init: int | Literal["auto"],
    seed: int,
    axes: np.ndarray | None,
    *,
    is_exact: bool,
) -> Decoder:
    """Return what an estimator's ``decoder`` and ``n_init`` ask for.

    K-means on a pilot gives atoms as well. Of few clusters it finds the best ones by itself, of
    hundreds of rows each, and a search, which would take many times as long, no better ones. Of
    many clusters a search finds what k-means' starts do not, and follows wherever these leave more
    than noise; of wide rows, where it takes long, only where clusters are missing.
    """
    if decoder is not None:
        return BestOf((decoder,), n_init)
    if pilot is None or axes is not None:
        starts = default_decoders()
        if axes is not None:
            starts = (PrincipalStart(axes), *(starts if len(axes) <= FEW_FEATURES else ()))
        alone = SurrogateKMeans(BestOf(starts, n_init))
        return SecondOpinion(alone) if is_exact else alone
    first, *rest = default_decoders()
    given = pilot.atoms(n_clusters, seed)
    if n_clusters < MANY_CLUSTERS and given and n_init == "auto":
        return BestOf(given, n_init=1)
    must_explain = bool(given) and not pilot.is_wide
    return BestOf((*given, first, *rest), n_init, must_explain=must_explain)
