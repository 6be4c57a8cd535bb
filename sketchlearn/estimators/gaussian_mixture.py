"""Gaussian mixtures from a sketch, with scikit-learn's surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.base import DensityMixin
from sklearn.mixture import GaussianMixture

from sketchlearn._validation import RandomState, check_count, check_nonnegative
from sketchlearn.atoms import GAUSSIAN_FAMILIES, CovarianceType
from sketchlearn.decoders import BestOf, Decoder, FitQuality, GivenAtoms, Mixture, SurrogateEM
from sketchlearn.decoders.best_of import default_decoders
from sketchlearn.decoders.principal import PrincipalStart, find_leading_axes
from sketchlearn.decoders.quality import THRESHOLDS
from sketchlearn.estimators.atom_order import reorder_atoms
from sketchlearn.estimators.doubts import (
    FREQUENCIES_A_PARAMETER,
    has_few_rows,
    warn_of_added_noise,
    warn_of_coarse_scale,
    warn_of_few_frequencies,
    warn_of_few_rows,
)
from sketchlearn.estimators.group_models import GroupFitter, start_from_atoms
from sketchlearn.estimators.mixture_doubts import (
    warn_of_columns,
    warn_of_moments,
    warn_of_regularisation,
    warn_of_shared_values,
)
from sketchlearn.estimators.mixture_estimator import MixtureEstimator
from sketchlearn.estimators.mixture_moments import (
    flatten_constant_columns,
    flatten_dependent_columns,
    judge_components,
    name_dependent_columns,
    order_by_weight,
    require_like_units,
)
from sketchlearn.estimators.shared_values import (
    LARGE_GAIN,
    find_gain_on_values,
    find_shared_columns,
    is_unbounded,
    name_source,
)
from sketchlearn.estimators.sketch_estimator import CompressiveEstimator
from sketchlearn.estimators.spread_doubts import (
    warn_of_fine_scale,
    warn_of_left_box,
    warn_of_lost_spread,
    warn_of_moved,
)
from sketchlearn.points.densities import count_parameters, invert_covariances
from sketchlearn.points.em import Moments
from sketchlearn.points.far_components import settle_far_components
from sketchlearn.points.row_mixture import Ends, RowMixture, fit_mixture_from_clusters
from sketchlearn.points.weighted_em import run_weighted_em
from sketchlearn.sketches.calibration import calibrated_weights
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching import Sketcher

# Frequencies above which "auto" takes one for each parameter; and the fewest.
MANY_FREQUENCIES, FEWEST_FREQUENCIES = 5000, 100
# Iterations that match what EM found on a pilot to the sketch.
N_STEPS = 100
# As scikit-learn has it: nobody chose it for the columns at hand.
DEFAULT_REGULARISATION = 1e-6
# What EM adds to variances where `reg_covar` is zero, as a fraction of the squared scale.
LEAST_REGULARISATION = 1e-6


class CompressiveGaussianMixture(MixtureEstimator, DensityMixin, GroupFitter, CompressiveEstimator):
    r"""Gaussian mixture from a sketch of the data, read once.

    The rows become a sketch :math:`z = \frac1n \sum_i \exp(i \Omega^T x_i)` of ``n_frequencies``
    complex numbers; a decoder recovers the mixture from it. Neither the memory nor the decoding
    time depends on the number of rows. Where the data is a Gaussian mixture, the one whose
    closed-form sketch :math:`\sum_k \alpha_k \exp(i \Omega^T \mu_k - \omega^T \Sigma_k \omega / 2)`
    equals the data's is as likely as EM's. Where it is not, EM finds the likeliest mixture on
    points that stand for the data.

    Parameters
    ----------
    n_components : int, default=1
        Number of Gaussians.
    covariance_type : {"diag", "spherical", "full"}, default="diag"
        One variance a column and component, one a component, or a matrix a component.
    sketcher : Sketcher, optional
        How to sketch. A fitted one is used as it is; one that is not is cloned and fitted on the
        data. By default, one is made from the parameters below.
    n_frequencies : int or "auto", default="auto"
        Size of the sketch. "auto" is five for each parameter of the mixture, at least 100; above
        5,000, one for each parameter.
    scale : float, "columns" or "auto", default="auto"
        Standard deviation of a component in the data's units; see `Sketcher`. "auto" is "columns",
        which tells columns of different units apart, except for spherical covariances.
    decoder : Decoder, optional
        From a sketch to a mixture. By default `SurrogateEM`, or where the pilot's rows are at hand
        `BestOf` several ways and EM on those rows.
    n_init : int or "auto", default="auto"
        Number of decodes, of which the one of smallest cost is kept. "auto" is one, up to two more
        while an atom seems to be missing, and up to five more while whole clusters are: six at
        most.
    bounds : (lower, upper), optional
        Corners of a box that all rows are known to lie in, each one number or one for each feature.
        Without them decoders look up to 32 standard deviations around the rows' mean, as the
        sketch's moments have it.
    reg_covar : float, default=1e-6
        Added to all variances, in squared units of the data, as scikit-learn does. Where the
        default costs likelihood in a column of small units, a warning names a smaller one.
    keep_pilot : bool, default=True
        Whether `fit` keeps the few thousand rows that the scale was chosen on (see `Sketcher`),
        reweights them until their sketch is that of all rows, and runs EM on them. Its mixture is
        taken where none matches the sketch; where these are all the rows there are; where these
        rows are likelier by it, each left out in turn; and where columns have values that
        many rows share, as flags and counts do: there EM starts from several of k-means'
        clusterings as scikit-learn's does, with `reg_covar` and in the data's units, and the
        likeliest mixture is taken that no single one leads to: a likelihood that only `reg_covar`
        bounds is a poor guide to accidents. Where the rows are in memory, and share no values, EM
        ends with a few steps on all of them. The pilot stays there and is never written to a file.
        Without them, and in `partial_fit` and `fit_sketch`, the mixture comes from the sketch
        alone, in which such values are about as wide as the scale.
    random_state : int, RandomState, Generator or None, default=None
        Determines frequencies, starting points and `sample`.
    n_jobs : int, optional
        Threads that sketch. The result does not depend on it.
    verbose : int, default=0
        Print a line for each stage and, on a terminal, show how far a long one is.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Share of each component, the heaviest first.
    means_ : ndarray of shape (n_components, n_features)
        Their means.
    covariances_ : ndarray
        Of shape (n_components,) for "spherical", (n_components, n_features) for "diag",
        (n_components, n_features, n_features) for "full".
    precisions_ : ndarray
        Inverses of the covariances, of the same shape.
    precisions_cholesky_ : ndarray
        Square roots of the precisions; for "full" upper triangular U with precision U U^T.
    cost_ : float
        Squared distance between the sketch and the mixture's.
    n_iter_ : int
        Optimiser iterations of the decode that was kept.
    converged_ : bool
        Whether the decode ended by its tolerance.
    mixture_ : Mixture
        The decoded mixture with its goodness of fit, its atoms in the order of the means; columns
        in the operator's `units`, unless spherical.
    quality_ : FitQuality
        What is known of how good the components are; its ``verdict`` is "good", "doubtful" or
        "wrong". The mixture's figures, with the spread of the components.
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
    Keriven, Bourrier, Gribonval and Perez, "Sketching for large-scale learning of mixture models",
    Information and Inference 7(3), 2018, section 5.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import CompressiveGaussianMixture
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-5, 1, (5000, 2)), rng.normal(5, 2, (5000, 2))])
    >>> model = CompressiveGaussianMixture(n_components=2, random_state=0).fit(X)
    >>> np.sort(np.sqrt(model.covariances_).mean(axis=1)).round(1)
    array([1., 2.])
    """

    _stored_arrays: ClassVar = {
        "weights_": ("k",),
        "means_": ("kd",),
        "covariances_": ("k", "kd", "kdd"),
        "precisions_": ("k", "kd", "kdd"),
        "precisions_cholesky_": ("k", "kd", "kdd"),
    }
    _stored_numbers = ("converged_", "cost_", "n_iter_")

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: CovarianceType = "diag",
        sketcher: Sketcher | None = None,
        n_frequencies: int | Literal["auto"] = "auto",
        scale: float | Literal["auto", "columns"] = "auto",
        decoder: Decoder | None = None,
        n_init: int | Literal["auto"] = "auto",
        bounds: Sequence[Any] | None = None,
        reg_covar: float = DEFAULT_REGULARISATION,
        keep_pilot: bool = True,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.sketcher = sketcher
        self.n_frequencies = n_frequencies
        self.scale = scale
        self.decoder = decoder
        self.n_init = n_init
        self.bounds = bounds
        self.reg_covar = reg_covar
        self.keep_pilot = keep_pilot
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return rows (n_samples, n_features) drawn from the mixture, and each one's component."""
        self._require_fitted()
        check_count(n_samples, "n_samples")
        return self.to_sklearn().sample(n_samples)

    def to_sklearn(self) -> GaussianMixture:
        """Return the mixture as a fitted `sklearn.mixture.GaussianMixture`.

        Its ``fit`` starts from this mixture: a few steps of EM on a sample of rows, if there is
        one, polish it. It squares coordinates before it subtracts, so it is exact only where the
        data is no further from the origin than it is wide.

        Returns
        -------
        sklearn.mixture.GaussianMixture
            Which predicts and scores alike.
        """
        self._require_fitted()
        model = GaussianMixture(
            len(self.means_),
            covariance_type=("spherical", "diag", "full")[self.covariances_.ndim - 1],
            reg_covar=self.reg_covar,
            weights_init=self.weights_,
            means_init=self.means_,
            precisions_init=self.precisions_,
            random_state=self._draw_sklearn_state(),
        )
        for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
            setattr(model, name, getattr(self, name).copy())
        model.converged_, model.n_iter_ = self.converged_, self.n_iter_
        # EM's bound, which would take rows to know.
        model.lower_bound_ = -np.inf
        model.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            model.feature_names_in_ = self.feature_names_in_
        return model

    @property
    def _n_atoms(self) -> int:
        return self.n_components

    @property
    def _decode_units(self) -> np.ndarray:
        """What columns are divided by to decode: a sphere must stay one."""
        operator = self.sketch_.operator
        is_spherical = self.covariance_type == "spherical"
        return np.ones(operator.n_features) if is_spherical else operator.units

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "means_")

    def _check_parameters(self) -> None:
        check_count(self.n_components, "n_components")
        if self.covariance_type not in tuple(GAUSSIAN_FAMILIES):
            raise ValueError(
                f"covariance_type must be one of {', '.join(map(repr, GAUSSIAN_FAMILIES))}, "
                f"got {self.covariance_type!r}"
            )
        check_nonnegative(self.reg_covar, "reg_covar")
        super()._check_parameters()

    def _make_sketcher(self, keep_pilot: bool) -> Sketcher:
        has_columns = self.scale == "auto" and self.covariance_type != "spherical"
        return Sketcher(
            count_frequencies(self.n_components, self.n_features_in_, self.covariance_type)
            if self.n_frequencies == "auto"
            else self.n_frequencies,
            n_clusters=self.n_components,
            scale="columns" if has_columns else self.scale,
            keep_pilot=keep_pilot,
            random_state=self._seed,
            n_jobs=self.n_jobs,
        )

    def _decode_sketch(
        self, sketch: SketchLike, rng: np.random.Generator, has_pilot: bool
    ) -> Mixture:
        """Decode a sketch; by EM on the pilot where it is kept and nothing matches the sketch."""
        is_few = not has_pilot and has_few_rows(sketch, self.n_components)
        units, is_full = self._decode_units, self.covariance_type == "full"
        scaled = sketch if np.all(units == 1.0) else sketch.standardised()
        family = GAUSSIAN_FAMILIES[self.covariance_type](scaled.operator)
        warn_of_few_frequencies(family, self.n_components, has_pilot, is_exact=sketch.is_exact)
        is_coarse = not has_pilot and warn_of_coarse_scale(sketch, self.n_components)
        is_hidden = warn_of_added_noise(sketch) or is_coarse or is_few
        pilot = self.sketcher_.pilot_ if has_pilot else None
        if pilot is not None and len(pilot) < self.n_components and not self._pilot_is_all:
            pilot = None  # It has each row once, and rare ones escaped it.
        if pilot is None and self.covariance_type == "spherical":
            require_like_units(sketch.operator.units)
        region = Region.of(sketch, self.bounds).in_units(units)
        # What full covariances lose to noise, no start saves.
        axes = None if is_full else find_leading_axes(scaled, self.n_components, region)
        rows = None
        if pilot is not None:
            shares = calibrated_weights(sketch, pilot, np.asarray(self.sketcher_.pilot_weight_))
            rows = RowMixture(pilot, shares, units, family, self.n_components, self._seed)
        is_by_value = pilot is not None and self._is_by_value(sketch, pilot)
        decoder = self._choose_decoder(rows, axes, is_by_value=is_by_value)
        mixture = decoder.decode(scaled, family, self.n_components, rng, region=region)
        fitted, ends, is_fine = None, None, False
        if rows is not None and is_by_value:
            ends = self._run_em_from_clusters(rows, rng)
            fitted = ends.common
        elif rows is not None:
            fitted = self._run_em(rows, mixture, rng)
        if is_alone := fitted is None:
            is_fine = not is_hidden and warn_of_fine_scale(sketch, mixture)
            if not (is_hidden := is_hidden or is_fine):
                warn_of_left_box(mixture.quality)
                warn_of_lost_spread(mixture)
            if not (is_hidden or mixture.quality.lacks_spread):
                warn_of_moved(mixture)
            weights, means, covariances = mixture.moments
            fitted = Moments(weights, means * units, covariances * np.outer(units, units))
            fitted = flatten_constant_columns(fitted, Region.of(sketch, self.bounds))
            if is_full and sketch.moment_kind == "full":
                scales = mixture.family.operator.scale * units
                fitted = flatten_dependent_columns(fitted, Region.of(sketch, self.bounds), scales)
        else:
            fitted = order_by_weight(fitted)
            mixture = reorder_atoms(mixture, fitted.means / units)
        self.quality_ = replace(self._judge(mixture.quality, fitted), is_coarse=is_coarse)
        if is_few:
            warn_of_few_rows(self.quality_, sketch, self.n_components)
        has_lost = is_fine or warn_of_columns(self.quality_, units)
        if is_alone and not (has_lost or is_hidden or mixture.quality.lacks_spread):
            warn_of_moments(mixture.quality, name_dependent_columns(sketch) if is_full else [])
        is_shared, gain = self._find_shared_columns(fitted, pilot, ends)
        if is_shared.any():
            self.quality_ = replace(self.quality_, shares_values=True)
            names = np.asarray(sketch.column_names)[is_shared]
            warn_of_shared_values(names, self.reg_covar, gain, name_source(sketch, is_shared, ends))
        if self.reg_covar == DEFAULT_REGULARISATION and self.covariance_type != "spherical":
            warn_of_regularisation(self.reg_covar, Region.of(sketch, self.bounds), fitted)
        self._set_model(*fitted)
        self.converged_ = mixture.converged
        return mixture

    def _complete_quality(self, quality: FitQuality) -> FitQuality:
        """Return a file's figures with the moments of the components, in the units of a decode."""
        sketch, units = self.sketch_, self._decode_units
        scaled = sketch if np.all(units == 1.0) else sketch.standardised()
        region = Region.of(sketch, self.bounds).in_units(units)
        fitted = self._without_regularisation()
        quality = self._judge(replace(quality, operator=scaled.operator, region=region), fitted)
        return replace(quality, shares_values=bool(self._find_shared_columns(fitted)[0].any()))

    def _judge(self, quality: FitQuality, fitted: Moments) -> FitQuality:
        """Return the figures of a decode with the moments of components in data units."""
        is_full = self.covariance_type == "full" and self.sketch_.moment_kind == "full"
        quality = judge_components(quality, fitted, self._decode_units, has_directions=is_full)
        if self.covariance_type == "spherical":  # Not meant to have the columns' variances.
            return replace(quality, column_factors=(1.0, 1.0))
        return quality

    def _find_shared_columns(
        self, fitted: Moments, pilot: np.ndarray | None = None, ends: Ends | None = None
    ) -> tuple[np.ndarray, float]:
        """Return the columns (d,) on whose shared values EM gains, and how much, in nats a row."""
        kind, added = self.covariance_type, self._regularisation
        if pilot is None:
            return find_gain_on_values(self.sketch_, fitted, kind, added)
        if ends is None or ends.lead <= LARGE_GAIN:
            return np.zeros(pilot.shape[1], dtype=bool), 0.0
        rows = (pilot, np.asarray(self.sketcher_.pilot_weight_), self.sketch_.n_effective)
        return find_shared_columns(*rows, ends.best, kind, added), ends.lead

    @property
    def _regularisation(self) -> float:
        return float(self.reg_covar or LEAST_REGULARISATION * self.sketch_.operator.scale**2)

    @property
    def _pilot_is_all(self) -> bool:
        return bool(np.all(self.sketcher_.pilot_inclusion_probability_ == 1.0))

    def _is_by_value(self, sketch: SketchLike, pilot: np.ndarray) -> bool:
        """Whether components may close in on values of the pilot's columns, or on its rows."""
        k, each = self.n_components, (pilot, np.asarray(self.sketcher_.pilot_weight_))
        return len(pilot) < k or is_unbounded(*each, sketch.n_effective, k, self.covariance_type)

    def _run_em(
        self, rows: RowMixture, mixture: Mixture, rng: np.random.Generator
    ) -> Moments | None:
        """What EM finds on the pilot; None where the mixture that was decoded says it all."""
        # What it lacks of the covariance may be among the rows, unseen in the sketch.
        lacks = mixture.quality.moment_mismatch > THRESHOLDS.explained_mismatch
        is_trusted = not (self._pilot_is_all or lacks) and mixture.is_identified
        return rows.improve(mixture.moments, self.reg_covar, rng, is_trusted=is_trusted)

    def _run_em_from_clusters(self, rows: RowMixture, rng: np.random.Generator) -> Ends:
        """What EM finds on a pilot that shares values, in data units."""
        each = (rows.rows, rows.weights, self.covariance_type, self.n_components)
        ends = fit_mixture_from_clusters(*each, self._regularisation, rng)
        again = self.reg_covar * np.eye(rows.rows.shape[1])  # When the model is set.
        common, best = (m._replace(covariances=m.covariances - again) for m in ends[:2])
        return Ends(common, best, ends.lead)

    def _label_rows(self, rows: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Settle components on all rows: a pilot lacks some of few rows, and each by its noise."""
        pilot = self.sketcher_.pilot_ if self._n_kept else None
        if pilot is None or self._pilot_is_all or self._is_by_value(self.sketch_, pilot):
            return
        weights = np.ones(len(rows)) if sample_weight is None else sample_weight
        weights = weights * (len(rows) / weights.sum())
        rng, kind = np.random.default_rng(self._seed), self.covariance_type
        before, floor = self._without_regularisation(), np.full(rows.shape[1], self.reg_covar)
        found = settle_far_components(rows, weights, before, kind, self.reg_covar, rng) or before
        found = order_by_weight(run_weighted_em(rows, weights, found, kind, floor))
        self.mixture_ = reorder_atoms(self.mixture_, found.means / self._decode_units)
        found_quality = self._judge(self.mixture_.quality, found)
        self.quality_ = replace(found_quality, warned=self.quality_.warned)
        self._set_model(*found)

    def _without_regularisation(self) -> Moments:
        """Return the components with covariances (k, d, d) that lack what is added to them."""
        k, d = self.means_.shape
        covariances = self.covariances_
        if covariances.ndim < 3:
            covariances = covariances.reshape(k, -1, 1) * np.eye(d)
        return Moments(self.weights_, self.means_, covariances - self.reg_covar * np.eye(d))

    def _start_from(self, total: Sketch) -> tuple[Decoder, float]:
        return start_from_atoms(self, total, SurrogateEM)

    def _choose_decoder(
        self, rows: RowMixture | None, axes: np.ndarray | None, *, is_by_value: bool
    ) -> Decoder:
        """What `decoder` and `n_init` ask for; along axes, if there are some.

        Variances along each of many columns follow noise from any other start. A search for full
        covariances takes several times as long as EM on a pilot's rows, and follows only where this
        leaves more than noise, and of no more columns than components: else it takes ten times as
        long, and led to nothing likelier. None follows where the rows are at hand, all and few.
        """
        if self.decoder is not None:
            return BestOf((self.decoder,), self.n_init)
        starts = default_decoders() if axes is None else (PrincipalStart(axes),)
        if rows is None:
            return SurrogateEM(BestOf(starts, self.n_init))
        if rows.are_few and self._pilot_is_all and len(rows.rows) >= self.n_components:
            return GivenAtoms(rows.found.means, rows.found.covariances, max_iter=1)
        if is_by_value or self.covariance_type != "full":
            return BestOf(starts, self.n_init)
        given = GivenAtoms(rows.found.means, rows.found.covariances, max_iter=N_STEPS)
        must_explain = self.n_features_in_ <= self.n_components
        return BestOf((given, *starts), self.n_init, must_explain=must_explain)

    def _set_model(self, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> None:
        """Set what scikit-learn's mixtures have, from covariances (k, d, d) in data units."""
        self.weights_ = weights / weights.sum()
        self.means_ = means
        covariances = covariances + self.reg_covar * np.eye(means.shape[1])
        if self.covariance_type == "full":
            self.covariances_ = covariances
            self.precisions_cholesky_ = roots = invert_covariances(covariances)
            self.precisions_ = roots @ roots.transpose(0, 2, 1)
            return
        variances = np.einsum("kll->kl", covariances)
        is_diagonal = self.covariance_type == "diag"
        self.covariances_ = variances.copy() if is_diagonal else variances.mean(axis=1)
        self.precisions_ = 1.0 / self.covariances_
        self.precisions_cholesky_ = np.sqrt(self.precisions_)


def count_frequencies(n_components: int, n_features: int, covariance_type: str) -> int:
    """Return how many frequencies a mixture is decoded from where nobody says: see the class."""
    size = count_parameters(n_components, n_features, covariance_type)
    return max(FEWEST_FREQUENCIES, min(FREQUENCIES_A_PARAMETER * size, max(MANY_FREQUENCIES, size)))
