"""How well a mixture explains a sketch: figures, and what they are taken to mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from scipy.linalg import eigh

from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.region import Region

# What a variance is taken to be known up to, relative to itself.
LEAST_BLUR = 1e-9
# Standard deviations of noise, where they are known, that are put down to chance.
BY_CHANCE = 3.0

Verdict = Literal["good", "doubtful", "wrong"]
SEVERITY: dict[Verdict, int] = {"good": 0, "doubtful": 1, "wrong": 2}


@final
@dataclass(frozen=True)
class QualityThresholds:
    """Where figures of a `FitQuality` begin to mean something; all without unit.

    Attributes
    ----------
    noise_chi2 : float
        Reduced chi-squared up to which a residual is taken for noise.
    slight_misfit, large_misfit : float
        Shares of the sketch's power. Heavy tails leave up to 4e-4, clusters of real data more than
        2e-3, a missed cluster of a tenth of the rows 1e-2.
    very_large_misfit, room_for_round, excessive_misfit : float
        One of ten clusters missed leaves a misfit of 0.025, or 0.05 where no frequency looks at
        wider scales than the clusters'. Flat clusters leave as much: there must be room for round
        ones, this share of the directions, as wide as the scale. Gaussians that left 0.4 lost 5
        to 600 nats a row; of curved clusters they leave 0.1.
    low_spread, very_low_spread : float
        Sets where all was found have spread ratios of 0.9 and more, one with half a percent of far
        outliers 0.3: a low one is a doubt where something is left, a very low one always; one along
        any direction where nothing is, since rows that no frequency sees may lie there.
    lacking_spread, excess_spread : float
        What a decode may lack of the rows' own spread, or exceed it by, where this is exact.
    doubtful_spread, high_spread : float
        Points that match it have 0.92 and more of the rows' spread where centroids are good, and
        decodes that found what is there 1.1 at most.
    rows_per_parameter, numbers_per_parameter : float
        From which a mixture can be told from the rows' accidents, and points where no atom is from
        others that match the sketch; numbers are those to spare.
    collapsed : float
        Least variances that atoms may have, up to which one is taken to have collapsed.
    moment_mismatch : float
        Up to which a decode that leaves but noise is beyond doubt: 0.01 where all was found, with a
        small cluster missing 0.1 and more.
    explained_mismatch : float
        Up to which one that leaves but noise is taken for right where nothing else speaks for it:
        right ones have up to 0.05, heavy tails and far clusters that it lacks leave 0.1.
    unexplained_mismatch : float
        From which it is not put down to clusters' shapes, where much is left or hardly anything:
        these leave up to 0.6, missed clusters and far rows 2 and more.
    large_moment_mismatch : float
        From which Gaussians that were fitted to points are wrong.
    excess_variance, misplaced_variance : float
        Greatest factor of variance up to which round atoms stand for clusters of other shapes: of
        real data it is 2.5 at most where centroids are good. And up to which they do where so much
        is left that clusters may be missing, or so little that shapes do not account for it: with
        good centroids 1.3 or less but for one of 380, where far or other clusters were misplaced
        1.34 and more.
    detail : float
        Up to which components are as narrow as the kernel of the points that they were fitted to:
        they lose 0.1 to 4 nats a row; wider ones 0.1, a rolled-up sheet 0.4.
    sampling_loss : float
        Nats a row that Gaussians may lose to noise: those that lost less were predicted to lose
        less than 0.08, of those that lost 0.1 and more half were predicted to lose more than this.
    instability, large_instability : float
        From which centroids are doubtful, and from which wrong, as an excess of the sum of squares:
        that over the best centroids is about as large, or smaller.
    """

    noise_chi2: float = 1.5
    slight_misfit: float = 7e-4
    large_misfit: float = 5e-3
    very_large_misfit: float = 0.02
    room_for_round: float = 0.6
    excessive_misfit: float = 0.2
    low_spread: float = 0.85
    very_low_spread: float = 0.5
    lacking_spread: float = 0.97
    excess_spread: float = 1.03
    doubtful_spread: float = 0.9
    high_spread: float = 1.2
    rows_per_parameter: float = 5.0
    numbers_per_parameter: float = 3.0
    collapsed: float = 1.2
    moment_mismatch: float = 0.03
    explained_mismatch: float = 0.08
    unexplained_mismatch: float = 1.0
    large_moment_mismatch: float = 1.5
    excess_variance: float = 4.0
    misplaced_variance: float = 1.33
    detail: float = 1.2
    sampling_loss: float = 0.1
    instability: float = 0.1
    large_instability: float = 0.5


THRESHOLDS = QualityThresholds()


@final
@dataclass(frozen=True)
class NoiseLeft:
    """What sampling noise would leave of a sketch beside a mixture of the right kind.

    Attributes
    ----------
    expected : float
        Mean of the cost.
    deviation : float
        Standard deviation, as a fraction of it.
    """

    expected: float
    deviation: float


@final
@dataclass(frozen=True, eq=False, repr=False)
class FitQuality:
    """Figures of a mixture beside those of the sketch that it was matched to.

    The right mixture would leave the squared standard error of the sketch, times the share of its
    2 m numbers that the p free parameters leave to spare, since each absorbs the noise of one.

    Attributes
    ----------
    cost : float
        Squared distance between the sketch and the mixture's.
    noise, power : float
        Squared standard error of the sketch, and its squared norm.
    n_rows : float
        Effective number of rows.
    n_parameters : int
        Free numbers p of the mixture.
    spread_ratio : float
        Trace of the covariance that was decoded over the region's.
    operator : FrequencyOperator
        That of the sketch.
    region : Region
        Where the rows lie.
    noise_deviation : float, default=0
        Standard deviation of the noise, as a fraction of it, as far as it is known.
    moment_factors : tuple of two floats, default=(1, 1)
        Least and greatest variance along any direction over the rows'; see
        `compute_moment_factors`.
    column_factors : tuple of two floats, default=(1, 1)
        Least and greatest variance of a column over the rows', of Gaussians, or of any direction
        where covariances are full: their likelihood depends on columns and directions however
        narrow, which distances and `moment_factors` do not.
    instability : float, optional
        By what share the sum of squares is above the best on other points that match the sketch,
        along the directions decoded; see `SecondOpinion`. None if nobody asked for one.
    share_decoded : float, default=1
        Share of the sum of squares that is along the directions decoded: of wide rows a part.
    unseen_gain : float, optional
        The most by which rows that no wave shows may lower the sum of squares, as a fraction; see
        `measure_unseen_gain`. None if nobody asked for it.
    sure_gain : float, optional
        As much of it as is beyond the sketch's noise.
    detail : float, optional
        Least variance of a component, over that of the kernel of the points that components were
        fitted to, or over the least that an atom can have where that is wider; None if there were
        no points.
    noise_left : NoiseLeft, optional
        What noise alone would leave beside such a mixture, by rows drawn of it; None if not asked.
    shares_values : bool, default=False
        Whether many rows share values of a column, so that Gaussians which close in on these are
        likelier without end.
    is_coarse : bool, default=False
        Whether the sketch's scale is wider than the rows are: nearly any centroids explain it.
    sampling_loss : float, optional
        Nats a row that noise costs Gaussians, infinite if not known; see `estimate_sampling_loss`.
    warned : {"good", "doubtful", "wrong"}, default="good"
        The gravest of what was warned of at the decode, which the verdict is no milder than.
    thresholds : QualityThresholds
        What the figures are compared with.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.atoms import Dirac
    >>> from sketchlearn.decoders import MeanShift
    >>> X = np.repeat([[0.0], [8.0]], 5000, axis=0)
    >>> sketch = Sketcher(10, scale=1.0, random_state=0).fit(X).sketch(X)
    >>> family, rng = Dirac(sketch.operator), np.random.default_rng(0)
    >>> [MeanShift().decode(sketch, family, k, rng).quality.explains_sketch for k in (1, 2)]
    [False, True]
    """

    cost: float
    noise: float
    power: float
    n_rows: float
    n_parameters: int
    spread_ratio: float
    operator: FrequencyOperator
    region: Region
    noise_deviation: float = 0.0
    moment_factors: tuple[float, float] = (1.0, 1.0)
    column_factors: tuple[float, float] = (1.0, 1.0)
    instability: float | None = None
    share_decoded: float = 1.0
    unseen_gain: float | None = None
    sure_gain: float | None = None
    detail: float | None = None
    noise_left: NoiseLeft | None = None
    shares_values: bool = False
    is_coarse: bool = False
    sampling_loss: float | None = None
    warned: Verdict = "good"
    thresholds: QualityThresholds = THRESHOLDS

    def __repr__(self) -> str:
        return (
            f"FitQuality(cost={self.cost:.4g}, goodness_of_fit={self.goodness_of_fit:.4g}, "
            f"misfit={self.misfit:.4g}, spread_ratio={self.spread_ratio:.4g}, "
            f"n_rows={self.n_rows:.6g}, n_parameters={self.n_parameters})"
        )

    @property
    def degrees_of_freedom(self) -> int:
        """Numbers of the sketch, 2 m, less the parameters; negative where they are too few."""
        return 2 * self.operator.n_frequencies - self.n_parameters

    @property
    def expected_cost(self) -> float:
        """What the right mixture would leave: noise, less what its parameters absorb of it."""
        spare = spare_share(self.operator.n_frequencies, self.n_parameters)
        return self.noise * max(spare, 0.0)

    @property
    def goodness_of_fit(self) -> float:
        """Reduced chi-squared, cost over expected cost: about 1 at best, and large is bad."""
        expected = self.expected_cost
        return self.cost / expected if expected > 0 else float("inf")

    @property
    def misfit(self) -> float:
        """Share of the sketch's power that is left beyond noise: 0 at best, and large is bad."""
        return max(0.0, self.cost - self.expected_cost) / self.power

    @property
    def is_noise(self) -> bool:
        """Whether what is left is no more than noise: as far as its size is known, hardly more."""
        margin = (1.0 - self.known_share) * (self.thresholds.noise_chi2 - 1.0)
        return self.goodness_of_fit <= 1.0 + margin + BY_CHANCE * self.noise_deviation

    @property
    def is_within_noise(self) -> bool:
        """Whether no more is left than the sketch's noise, whatever the parameters absorbed of it.

        Something may be missing then, but what fits better fits the noise as well as the rows.
        Noise that was added is known up to chance.
        """
        return self.cost <= self.noise * (1.0 + BY_CHANCE * self.noise_deviation)

    @property
    def hides_structure(self) -> bool:
        """Whether more is left than sampling noise, though no more than all of the noise.

        A mixture absorbs most of the noise of waves that hardly vary within clusters; one of other
        clusters can leave less than all of the noise, but not so little.
        """
        if self.noise_left is None or not self.is_noise:
            return False
        return self.cost > (1.0 + self.noise_left.deviation) * self.noise_left.expected

    @property
    def known_share(self) -> float:
        """Share of the noise that was added, whose size is known: all but that of sampling."""
        # `noise_deviation` is this over the root of m.
        return min(self.noise_deviation * float(np.sqrt(self.operator.n_frequencies)), 1.0)

    @property
    def has_enough_rows(self) -> bool:
        """Whether there are rows enough that not anything would explain their sketch."""
        return self.n_rows >= self.thresholds.rows_per_parameter * self.n_parameters

    @property
    def asks_of_rows(self) -> bool:
        """Whether the rows themselves are asked about, and no distribution that they come from.

        They are too few to tell one, and what is exact of their sketch tells them instead.
        """
        return not self.has_enough_rows and self.known_share == 0.0

    @property
    def explains_sketch(self) -> bool:
        """Whether what the mixture leaves is noise, or too little to matter however many rows."""
        return self.is_noise or self.misfit <= self.thresholds.slight_misfit

    @property
    def explains_rows(self) -> bool:
        """Whether the mixture explains the sketch and is as wide as the rows are.

        It may be narrower where but noise is left: the sketch shows nothing of what is missing.
        """
        at, spread = self.thresholds, self.spread_ratio
        if not self.region.is_exact:
            return self.explains_sketch or self.is_within_noise
        lacks = spread < at.lacking_spread and not self.is_noise
        return self.explains_sketch and not lacks and spread <= at.excess_spread

    @property
    def moment_mismatch(self) -> float:
        """By which factor some direction's variance is too small or too large, less one."""
        least, greatest = self.moment_factors
        return max(greatest, 1.0 / least) - 1.0

    @property
    def mistakes_columns(self) -> bool:
        """Whether some column's variance is far too small or too large."""
        least, greatest = self.column_factors
        most = 1.0 + self.thresholds.large_moment_mismatch
        return least * most < 1.0 or greatest > most

    @property
    def variance_error(self) -> float:
        """Relative error of a variance that so few rows have by chance, three times the standard.

        What is decoded may be right for the population, and not for these rows.
        """
        # Noise that was added may leave less than a row, or nothing.
        return BY_CHANCE * float(np.sqrt(2.0 / max(self.n_rows, 1.0)))

    @property
    def has_detail(self) -> bool:
        """Whether Gaussians are as wide and as exact as the sketch can show, as far as is known."""
        at = self.thresholds
        is_wide = self.detail is None or self.detail > at.detail
        return is_wide and (self.sampling_loss or 0.0) <= at.sampling_loss

    @property
    def is_beyond_doubt(self) -> bool:
        """Whether nothing but noise is left, of the sketch and of the rows' exact moments."""
        at = self.thresholds
        knows = self.region.is_exact and self.has_enough_rows and self.has_detail
        # Of tight clusters a little of the rows' variance is many times their own.
        knows &= (self.sure_gain or 0.0) <= at.large_instability
        knows &= (self.instability or 0.0) <= at.instability
        is_noise = self.is_noise and not self.hides_structure
        return knows and is_noise and self.moment_mismatch <= at.moment_mismatch

    @property
    def verdict(self) -> Verdict:
        """The graver of what the figures say together and of what was warned of."""
        return max(self.figures_verdict, self.warned, key=SEVERITY.__getitem__)

    @property
    def figures_verdict(self) -> Verdict:
        """What the figures say together: "good", "doubtful" or "wrong".

        A decode is good if it is beyond doubt; or if it has the rows' spread, about, and another
        one is the same, about. Of atoms that were fitted to points, none may be as narrow as these
        points' kernel. It is wrong if spread, moments or the other decode are far off. Of few rows
        as much more is allowed as they have by chance.
        """
        at, instability, chance = self.thresholds, self.instability or 0.0, self.variance_error
        if self.mistakes_columns:
            return "wrong"
        is_blind = self.shares_values or self.is_coarse
        if self.is_beyond_doubt and not is_blind:
            return "good"
        has_moments = self.detail is None or self.moment_mismatch <= at.large_moment_mismatch
        has_some_spread = self.spread_ratio >= at.very_low_spread or self.gains_little
        if not (has_moments and has_some_spread and instability <= at.large_instability):
            return "wrong"
        least = 1.0 - np.hypot(1.0 - at.doubtful_spread, chance)
        has_spread = least <= self.spread_ratio or self.gains_little
        has_spread &= self.spread_ratio <= at.high_spread
        is_inside = self.moment_factors[1] <= self._most_variance
        if self.instability is None and self.is_noise and self.region.is_exact:
            is_inside = self.moment_mismatch <= np.hypot(at.explained_mismatch, chance)
        elif self.explains_sketch and self.region.is_exact:
            # Another decode sees as little of a few rows far away as this one.
            least = at.low_spread if self.is_noise else 1.0 / (1.0 + at.unexplained_mismatch)
            has_all = self.moment_factors[0] >= 1.0 - np.hypot(1.0 - least, chance)
            most = at.large_instability if self.is_noise else at.unexplained_mismatch
            has_all &= (self.sure_gain or 0.0) <= most
            is_inside &= has_all or self.gains_little
        elif self.leaves_clusters:
            is_inside &= self.moment_mismatch <= at.unexplained_mismatch
            is_inside &= self.instability is not None or self.misfit <= at.excessive_misfit
        lacks_tail = (self.sure_gain or 0.0) > at.large_instability
        if self.operator.features.has_overtones:
            # One of a cluster may stand for another, or for a tail.
            is_inside &= not (self.leaves_clusters or lacks_tail)
        elif self.degrees_of_freedom < at.numbers_per_parameter * self.n_parameters:
            is_inside &= not lacks_tail  # So few do not tell where those rows are.
        is_stable = is_inside and instability <= np.hypot(at.instability, chance)
        # Noise that was added may leave less than the sketch of a single row would tell.
        is_good = has_spread and self.has_detail and is_stable and self.n_rows >= 1.0
        return "good" if is_good and not is_blind else "doubtful"

    @property
    def _most_variance(self) -> float:
        """Up to which factor of the rows' variance atoms may lie apart, along any direction.

        Those of a few far rows weigh too much otherwise, or stand elsewhere, and two decodes agree
        on them. Clusters' shapes make atoms lie apart as well, but show where noise is so little.
        """
        at = self.thresholds
        if self.instability is None or not self.region.is_exact:
            return at.excess_variance
        if self.explains_sketch and self.noise <= at.slight_misfit * self.power:
            return 1.0 + float(np.hypot(at.misplaced_variance - 1.0, self.variance_error))
        return at.misplaced_variance if self.leaves_clusters else at.excess_variance

    @property
    def gains_little(self) -> bool:
        """Whether rows that no wave shows are known to matter little for the sum of squares."""
        is_known = self.explains_sketch and self.region.is_exact
        gain = np.inf if self.unseen_gain is None else self.unseen_gain
        return bool(is_known and gain <= self.thresholds.instability)

    @property
    def seems_incomplete(self) -> bool:
        """Whether so much is left, of the sketch or of the spread, that an atom is missing."""
        at = self.thresholds
        return not self.is_noise and (
            self.misfit > at.large_misfit or self.spread_ratio < at.low_spread
        )

    @property
    def lacks_spread(self) -> bool:
        """Whether something far from all atoms was probably missed."""
        at = self.thresholds
        return self.spread_ratio < (at.low_spread if self.seems_incomplete else at.very_low_spread)

    @property
    def exceeds_spread(self) -> bool:
        """Whether the atoms lie farther apart than the rows by more than chance."""
        return self.spread_ratio > self.thresholds.high_spread

    @property
    def misses_clusters(self) -> bool:
        """Whether what is left, or the spread, is more than misshapen clusters account for."""
        return not self.is_noise and (self.exceeds_spread or self.leaves_clusters)

    @property
    def leaves_clusters(self) -> bool:
        """Whether more is left of the sketch than misshapen clusters account for."""
        at = self.thresholds
        if self.is_noise or self.misfit <= at.very_large_misfit:
            return False
        widths = np.linalg.eigvalsh(self.region.covariance) / self.operator.scale**2
        return bool(np.mean(np.clip(widths, 0.0, 1.0)) > at.room_for_round)

    @property
    def loses_moved(self) -> bool:
        """Whether clusters were missed among rows far more spread than the operator's."""
        return self.leaves_clusters and self.region.is_much_wider(self.operator)


def spare_share(n_frequencies: int, n_parameters: int) -> float:
    """Return the share of a sketch's 2 m numbers that parameters leave; may be negative."""
    return 1.0 - n_parameters / (2 * n_frequencies)


def compute_spread_ratio(variances: np.ndarray, region: Region) -> float:
    """Return the sum of variances (n_features,) over the rows'; 1 where these have none."""
    return float(np.sum(variances)) / region.variance if region.variance > 0 else 1.0


def compute_moment_factors(
    covariance: np.ndarray,
    region: Region,
    operator: FrequencyOperator,
    units: np.ndarray | float = 1.0,
) -> tuple[float, float]:
    r"""Return the least and greatest factor of a covariance S (d, d) over the rows' C.

    They are the extreme :math:`\lambda` of :math:`(S + B) v = \lambda (C + B) v`, where B is there
    so that directions that hardly add to distances do not count. It is :math:`s^2 I` with the
    operator's scale s; where columns are multiplied by units :math:`u_j` before distances are
    measured, it has :math:`s^2 \overline{u^2} / u_j^2` on its diagonal.
    """
    squares = np.broadcast_to(np.square(units), len(covariance))
    least = operator.scale**2 * squares.mean() / squares
    deviations = np.sqrt(np.diag(region.covariance) + least)
    blur = np.diag(least + LEAST_BLUR * deviations**2)
    scaling = np.outer(deviations, deviations)
    found, rows = (covariance + blur) / scaling, (region.covariance + blur) / scaling
    values = eigh(found, rows, eigvals_only=True)
    return float(values[0]), float(values[-1])
