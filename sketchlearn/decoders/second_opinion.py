"""Decode once more, with as much noise again, where the figures leave doubt."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from scipy.spatial.distance import squareform

from sketchlearn._progress import begin
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.mixture import ClusteredPoints, Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.quality import BY_CHANCE, THRESHOLDS
from sketchlearn.decoders.refinement import compute_gram_matrix, compute_importances
from sketchlearn.decoders.sampling_loss import estimate_variance_errors
from sketchlearn.decoders.surrogates.kmeans import (
    CLUSTERING,
    SurrogateKMeans,
    compute_merging_costs,
)
from sketchlearn.decoders.surrogates.points import count_points, draw_mixture_points
from sketchlearn.points.kmeans import cluster_points

# What an atom takes off the cost at least, if it stands for rows, over the noise of one number of
# the sketch: the best place for one in noise takes off up to 13, clusters that are there 15 and
# more.
NOISY = 14.0


@final
@dataclass(frozen=True)
class SecondOpinion(Decoder):
    r"""Decode; and where the figures leave doubt, see whether another decode says the same.

    The other one starts elsewhere, or from the first where that fits better, and matches the sketch
    with as much noise added as it has: centroids that follow the noise, or that the sketch does not
    determine, are others then.

    With the first decode's centroids C, points X' that match the other's sketch, their centroids
    C', and S(X, C) the sum of squared distances to the nearest centroid, the instability is

    .. math:: \max\{S(X', C) / S(X', C') - 1,\; 0\}.

    The points X' lie where the rows may lie as far as the sketch tells, so that this is about the
    excess of the rows' sum of squares over the best. How well C' does on the first one's points is
    not asked: it tells of the other decode, which may have gone wrong on its own. It takes about as
    long as the first decode, and is left out where `FitQuality.is_beyond_doubt`. The same is asked
    of the first one's points without atoms that noise may have made (`measure_doubted_excess`), and
    what hangs on clusters that noise hides counts as much (`measure_hidden_share`).

    The idea is that of stability as a test of clusterings, von Luxburg, "Clustering stability: an
    overview", Foundations and Trends in Machine Learning 2(3), 2010, section 2.

    Parameters
    ----------
    decoder : SurrogateKMeans, default=SurrogateKMeans()
        What decodes.
    search : Decoder, default=MeanShift()
        What looks for other atoms then.
    """

    decoder: SurrogateKMeans = field(default_factory=SurrogateKMeans)
    search: Decoder = field(default_factory=MeanShift)

    def in_units(self, units: tuple[float, ...]) -> SecondOpinion:
        """Return one whose distances are those of the columns as they were."""
        return replace(self, decoder=self.decoder.in_units(units))

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Return the first decode, its quality knowing how stable it is."""
        first = self.decoder.solve(problem, rng)
        assert first.points is not None
        gain, sure = measure_unseen_gain(first), measure_unseen_gain(first, BY_CHANCE)
        first = replace(first, quality=replace(first.quality, unseen_gain=gain, sure_gain=sure))
        doubted = measure_doubted_excess(problem, first)
        doubted = max(doubted, measure_hidden_share(problem, first))
        is_firm = doubted <= THRESHOLDS.instability
        if is_firm and replace((first.matched or first).quality, sure_gain=sure).is_beyond_doubt:
            return first
        begin("a second opinion")
        again = add_noise(problem.with_widths(first.family.widths), rng)
        second = self._from_either(first).solve(again, rng)
        assert second.points is not None
        excess = measure_excess(second.points, second.locations, first.locations)
        excess = max(excess, doubted, 0.0)
        return replace(first, quality=replace(first.quality, instability=excess))

    def _from_either(self, first: Mixture) -> SurrogateKMeans:
        """Return a decoder that starts from a search, or from the first mixture if it fits better.

        A second search that went wrong, and knows it by its cost, says nothing about the first.
        """
        atoms = first.matched or first
        again = GivenAtoms(atoms.locations, atoms.covariances)
        start = BestOf((self.search, again), n_init=2)
        # As fine a kernel as the first needed at last: to look for it again takes the longest.
        n_sharpenings = None if first.points is None else first.points.n_sharpenings
        is_long = type(atoms.family) is not type(first.family)
        return replace(self.decoder, start=start, n_sharpenings=n_sharpenings, frees_shapes=is_long)


def add_noise(problem: Problem, rng: np.random.Generator) -> Problem:
    """Return a problem whose target has Gaussian noise added, as much as it has.

    So few rows that any mixture would explain their sketch are what is asked about, no sample.
    """
    if problem.n_rows < THRESHOLDS.rows_per_parameter * problem.n_parameters:
        return problem
    deviation = np.sqrt(problem.noise / len(problem.target))
    noise = deviation * rng.standard_normal(len(problem.target))
    return replace(problem, target=problem.target + noise)


def measure_unseen_gain(mixture: Mixture, n_errors: float = 0.0) -> float:
    r"""Return the most by which rows that no wave shows may lower the sum of squares; a fraction.

    A cluster far away adds to the covariance along one axis, and a centroid there takes that off
    the sum of squares. It is missed elsewhere: two clusters of weights p and q, at a distance
    :math:`\delta`, have one instead, which adds :math:`p q \delta^2 / (p + q)`. So what the atoms
    lack, axis by axis, less what mergers cost, cheapest first, is the most there is to gain. Rows
    scattered all around lack as much along every axis, and little is to be gained. Of what they
    lack ``n_errors`` standard errors are put down to the sketch's noise.
    """
    points, weights = mixture.points, mixture.weights
    assert points is not None
    matched = mixture.matched or mixture
    covariance = mixture.quality.region.covariance - matched.covariance
    values, axes = np.linalg.eigh(covariance * np.outer(points.units, points.units))
    gains, axes = values[::-1], axes[:, ::-1]
    costs = np.sort(compute_merging_costs(weights, mixture.locations * points.units))
    n = min(len(gains), len(costs))
    gained = gains[:n] - costs[:n]
    is_gain = gained > 0.0
    if n_errors and is_gain.any():
        errors = estimate_variance_errors(
            matched, (axes[:, :n][:, is_gain] * points.units[:, None]).T
        )
        if errors is not None:
            gained[is_gain] -= n_errors * errors
    gain = float(np.sum(np.maximum(gained, 0.0)))
    within = points.sum_squares(mixture.locations) / float(points.weights.sum())
    if gain == 0.0:
        return 0.0
    return gain / within if within > 0.0 else np.inf


def measure_doubted_excess(problem: Problem, mixture: Mixture) -> float:
    """Return what the centroids may lose if atoms that noise alone may have made are not there.

    Such an atom takes no more off the cost than the best place for one would off noise. Without it
    its centroid may have a part of a large cluster. Of few rows noise is not asked about.
    """
    matched, points = mixture.matched or mixture, mixture.points
    assert points is not None
    if not (matched.quality.is_noise and matched.quality.has_enough_rows):
        return 0.0
    of_number = problem.noise / len(problem.target)
    gram = compute_gram_matrix(matched.family.sketch(matched.parameters))
    is_sure = compute_importances(gram, matched.weights * matched.total_weight) > NOISY * of_number
    if is_sure.all() or not is_sure.any():
        return 0.0
    weights = np.where(is_sure, matched.weights, 0.0)
    sure, rng = replace(matched, weights=weights / weights.sum()), np.random.default_rng(0)
    n_points, kernel = count_points(len(weights)), np.zeros_like(problem.region.covariance)
    rows = draw_mixture_points(sure, kernel, n_points, rng) * points.units
    drawn = ClusteredPoints(rows, np.ones(n_points), points.units)
    best, *_ = cluster_points(
        rows, drawn.weights, mixture.locations * points.units, rng, n_random=CLUSTERING.n_starts
    )
    return measure_excess(drawn, best / points.units, mixture.locations)


def measure_hidden_share(problem: Problem, mixture: Mixture) -> float:
    r"""Return what clusters that noise hides take off the sum of squares; a fraction of it.

    A cluster of weight p adds :math:`p^2 \sum_j e^{2 \gamma_j}` to the squared sketch, with
    :math:`\gamma` the log-envelope that all atoms have in common. What noise alone may add says
    nothing about where it is: mean and covariance do, of one such cluster, and of two and more
    suit many places. Without it its rows would be the nearest other cluster's. Of few rows noise is
    not asked about.
    """
    matched, points = mixture.matched or mixture, mixture.points
    assert points is not None
    if not matched.quality.has_enough_rows:
        return 0.0
    shares, places = mixture.weights / mixture.weights.sum(), mixture.locations * points.units
    envelope = np.broadcast_to(problem.family.common_log_envelope, len(problem.target) // 2)
    power = float(np.sum(np.exp(2.0 * envelope)))
    is_hidden = shares**2 * power < NOISY * problem.noise / len(problem.target)
    if np.count_nonzero(is_hidden) < 2:
        return 0.0
    costs = squareform(compute_merging_costs(shares, places))
    np.fill_diagonal(costs, np.inf)
    gained = float(costs.min(axis=1)[is_hidden].sum())
    within = points.sum_squares(mixture.locations) / float(points.weights.sum())
    return gained / within if within > 0.0 else 0.0


def measure_excess(points: ClusteredPoints, own: np.ndarray, other: np.ndarray) -> float:
    """Return by how much other centroids (k, d) raise the points' sum of squares; a fraction."""
    least, sum_of_squares = points.sum_squares(own), points.sum_squares(other)
    return sum_of_squares / least - 1.0 if least > 0.0 else float(sum_of_squares > 0.0)
