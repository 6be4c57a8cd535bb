"""Surrogate points whose sketch is the data's, and k-means on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from scipy.spatial.distance import pdist

from sketchlearn.atoms.gaussian import GREATEST_VARIANCE, LEAST_VARIANCE
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.greedy.mean_shift import Decoding, MeanShift
from sketchlearn.decoders.long_atoms import free_shapes
from sketchlearn.decoders.mixture import ClusteredPoints, Mixture
from sketchlearn.decoders.off_axes import free_widths_off_axes
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.quality import (
    BY_CHANCE,
    THRESHOLDS,
    compute_moment_factors,
    compute_spread_ratio,
)
from sketchlearn.decoders.refinement import REFINING, adjust, solve_weights
from sketchlearn.decoders.settings import Settings
from sketchlearn.decoders.shared_covariance import share_covariance
from sketchlearn.decoders.surrogates.points import (
    POINTS,
    SurrogatePoints,
    choose_bandwidth,
    compute_blur,
    count_moved_points,
    count_points,
    draw_gaussian,
    draw_mixture_points,
    match_points,
)
from sketchlearn.decoders.surrogates.widths import are_alike, measure_widths
from sketchlearn.points.kmeans import cluster_points
from sketchlearn.sketches.region import Region


@final
@dataclass(frozen=True)
class ClusteringSettings(Settings):
    """How k-means is done on points.

    Attributes
    ----------
    widening : float
        How much wider than the atoms the points start that are moved: tails are what a mixture
        lacks that does not explain the sketch, and from within a cluster no point gets there.
    n_starts : int
        Random starts of k-means on the rows, a sample of which tells the best.
    least_far : int
        Rows that one far cluster has at least, since the mean of fewer is by chance as far from the
        others', and points that start there, since the weight of fewer is too coarse.
    frequencies_a_number : float
        Frequencies for each coordinate of an atom, up to which atoms are added that points start
        from where k of them do not explain the sketch.
    off_axis : float
        Share of what mean and covariance lack that may be off one axis if one cluster is missing
        and points start there, which then move. Where none of them moves on it is squared.
    """

    widening: float = 1.3
    n_starts: int = 20
    least_far: int = 3
    frequencies_a_number: float = 3.0
    off_axis: float = 0.1


CLUSTERING = ClusteringSettings()


@final
@dataclass(frozen=True)
class SurrogateKMeans(Decoder):
    r"""Decode a mixture; where it does not explain the sketch, move surrogate points until they do.

    Real clusters are no isotropic Gaussians, and a mixture's locations are then not k-means'
    centroids. Round atoms get a covariance in common where that halves what they leave
    (`share_covariance`). Where round ones leave much, Gaussians of any shape are tried from there,
    or along the columns where numbers are too few, and taken if they explain sketch and moments:
    clusters are long then. Else this decoder adds atoms, as many as the sketch can tell apart, if
    these leave much less, draws surrogate points from the mixture, moves them all until *their*
    sketch equals the data's, and clusters rows drawn from them by k-means. Where
    the mixture explains the sketch up to noise, its own points are clustered unmoved, unless rows
    are so few that their centroids are not those of what they were drawn from
    (`FitQuality.asks_of_rows`): then points have no kernel. If mean and covariance speak for a far
    cluster that the mixture lacks, some points start there: waves may not show it, and no point
    gets there from the others. No row of data is involved.

    Where even these points lack spread that the rows have, rows far from all others are missing,
    too few for a sketch to see. k-means' sum hangs on them. If mean and covariance tell where they
    all are together, as of a far cluster of few rows, a point of their weight stands for them
    there; else points all around, as many as the weight that is missing, and as far off as the
    variance.

    Atoms that are round leave much of clusters that are wider along some columns than along others,
    as where these are in unlike units, and may stand anywhere then. Where the points' clusters are
    such, all of it is done once more with atoms of these proportions, and kept if these leave less.

    What it returns has the points' clusters as its atoms. Its figures are theirs; those of the
    mixture that the points started from are in ``matched``. Its spread ratio is the points',
    without those that stand for missing spread.

    Parameters
    ----------
    start : Decoder, default=BestOf()
        Finds the mixture.
    n_moves : int, default=20
        Gauss-Newton iterations over the points' positions. A sketch of more than 4,000 numbers
        takes 100 of L-BFGS, which are cheaper then.
    n_sharpenings : int, optional
        How often the kernel's bandwidth is narrowed, and points are moved again; by default as
        often as they cannot come down to the noise, until the sketch is too noisy to tell.
    units : tuple of floats, optional
        What columns are multiplied by before k-means measures distances, where the sketch is that
        of divided columns.
    frees_shapes : bool, default=True
        Whether atoms may be long where round ones leave much.
    """

    start: Decoder = field(default_factory=BestOf)
    n_moves: int = 20
    n_sharpenings: int | None = None
    units: tuple[float, ...] | None = None
    frees_shapes: bool = True

    def in_units(self, units: tuple[float, ...]) -> SurrogateKMeans:
        """Return one whose distances are those of the columns as they were, if it has no units."""
        return replace(self, units=units) if self.units is None else self

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Decode by atoms that are round, and then by ones as wide along columns as clusters are.

        Again as long as that halves what is left of the sketch.
        """
        best = self._cluster(problem, rng)
        is_better = problem.region.is_exact
        while is_better and best.points is not None and best.matched is not None:
            before, cost = problem.family, best.matched.cost
            if best.matched.quality.misfit <= THRESHOLDS.large_misfit:
                break
            widths = measure_widths(best.points, best.locations, before.operator.scale)
            problem = problem.with_widths(widths)
            if problem.family is before or are_alike(widths, before.widths):
                break
            other = self._cluster(problem, rng)
            assert other.matched is not None
            best = other if other.matched.cost < cost else best
            is_better = other.matched.cost < 0.5 * cost
        return best

    def _cluster(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Recover atoms at the centroids of surrogate points."""
        mixture = narrow(problem, self.start.solve(problem, rng), rng)
        round_ones = free_widths_off_axes(problem, mixture, rng)
        mixture = share_covariance(problem, round_ones, rng)
        is_round = mixture is round_ones
        if self.frees_shapes and problem.region.is_exact:
            own = rng.spawn(1)[0]
            found = None if mixture.quality.is_noise else free_shapes(problem, round_ones, own)
            # Long atoms that leave more than noise stand anywhere, as round ones do, and are worse
            # for points to start from.
            if found is not None and found.quality.is_beyond_doubt:
                mixture, is_round = found, False
        problem = problem.at_scale(mixture.family.operator.scale)
        n_atoms = problem.n_atoms
        surrogate = self.match(problem, mixture, rng)
        rows = surrogate.draw(POINTS.draws_a_point * count_points(n_atoms), rng)
        rows = np.clip(rows, problem.region.lower, problem.region.upper)
        # A mixture that is right is where k-means should start, if its atoms are round and worth a
        # centroid each: large ones may be worth several. A wrong one may mislead it.
        n_random = CLUSTERING.n_starts
        units = np.ones(rows.shape[1]) if self.units is None else np.array(self.units)
        is_right = mixture.quality.explains_rows and is_round
        if is_right and not gains_by_split(mixture, units):
            n_random = 0 if is_separated(mixture) else 1
        spread = compute_spread_ratio(rows.var(axis=0), problem.region)
        weights, factors = np.ones(len(rows)), None
        if spread < THRESHOLDS.doubtful_spread:
            # Atoms that match the sketch have the weight of the rows that it shows.
            share = max(1.0 - mixture.total_weight, problem.weight_error)
            far = locate_far_rows(problem, mixture, CLUSTERING.off_axis**2)
            if far is None:
                rows, weights = add_outliers(problem.region, rows, share, len(rows), rng)
            else:
                share, place = far
                weights = np.append(weights, len(rows) * share / (1.0 - share))
                rows = np.vstack([rows, place])
                # Which is placed by mean and covariance: nothing says whether it is one cluster.
                covariance = np.atleast_2d(np.cov(rows.T, aweights=weights, ddof=0))
                spread = compute_spread_ratio(np.diag(covariance), problem.region)
                factors = mixture.quality.moment_factors
            n_random = CLUSTERING.n_starts
        points = ClusteredPoints(rows * units, weights, units, surrogate.n_sharpenings)
        fit = cluster(problem, points, mixture.locations, rng, n_random=n_random)
        fit = replace(fit, n_iter=mixture.n_iter + surrogate.n_iter, converged=mixture.converged)
        clustered = problem.make_mixture(fit)
        quality = replace(clustered.quality, spread_ratio=spread)
        if factors is not None:
            quality = replace(quality, moment_factors=factors)
        return replace(
            clustered,
            quality=quality,
            message=f"{mixture.message}, then k-means on points that match the sketch",
            matched=mixture,
            points=points,
        )

    def match(
        self, problem: Problem, mixture: Mixture, rng: np.random.Generator
    ) -> SurrogatePoints:
        """Return surrogate points whose sketch is the data's, started from a decoded mixture."""
        bandwidth = choose_bandwidth(problem)
        n_points = count_moved_points(problem, len(mixture.weights))
        # Centroids of n rows are nearer to them than those of what they come from, by k / n of
        # the sum of squares.
        gain = problem.n_atoms / max(problem.n_rows, 1.0)
        asks_of_rows = mixture.quality.asks_of_rows and gain > THRESHOLDS.instability
        if mixture.quality.explains_rows and not asks_of_rows:
            n_points, kernel = count_points(len(mixture.weights)), np.zeros_like(bandwidth)
            points = draw_mixture_points(mixture, kernel, POINTS.draws_a_point * n_points, rng)
            return SurrogatePoints(points, kernel, mixture.cost, 0)
        n_sharpenings, wanted = 0, self.n_sharpenings
        if asks_of_rows:
            # Some for each row, which a kernel would blur, and for each cluster.
            of_atoms = POINTS.points_an_atom * problem.n_atoms
            n_points = min(n_points, max(int(POINTS.draws_a_point * problem.n_rows), of_atoms))
            bandwidth = np.zeros_like(bandwidth)
        far = locate_far_rows(problem, mixture, CLUSTERING.off_axis)
        start = mixture if asks_of_rows or far is not None else grow(problem, mixture, rng)
        points = draw_mixture_points(start, bandwidth, n_points, rng, widening=CLUSTERING.widening)
        if far is not None:
            share, place = far
            n_far = round(share * n_points)
            if n_far >= CLUSTERING.least_far:
                points[rng.permutation(n_points)[:n_far]] = place
        surrogate = match_points(problem, points, bandwidth, self.n_moves)
        # Where they cannot come down to the noise, the data has detail finer than the bandwidth.
        while n_sharpenings < wanted if wanted is not None else surrogate.cost > problem.noise:
            if wanted is None and compute_blur(problem, surrogate.bandwidth) <= problem.noise:
                break
            n_sharpenings += 1
            bandwidth = POINTS.kernel_variance * surrogate.bandwidth
            lost = draw_gaussian(surrogate.bandwidth - bandwidth, n_points, rng)
            points = surrogate.points + lost
            surrogate = match_points(problem, points, bandwidth, self.n_moves)
        return replace(surrogate, n_sharpenings=n_sharpenings)


def narrow(problem: Problem, mixture: Mixture, rng: np.random.Generator) -> Mixture:
    """Return a mixture whose atoms are as narrow as the clusters, if that halves what is left.

    Atoms have a least width, since one that collapses finds nothing. Of clusters that are narrower,
    and hundreds of widths apart, it would keep the centroids off by as much as they are wide.
    """
    while True:
        scale = mixture.family.operator.scale
        variances = mixture.covariances / scale**2
        is_bound = variances.min() < THRESHOLDS.collapsed * LEAST_VARIANCE
        if not (is_bound and variances.max() < GREATEST_VARIANCE * LEAST_VARIANCE):
            break
        smaller = problem.at_scale(np.sqrt(LEAST_VARIANCE) * scale)
        atoms = smaller.family.from_moments(mixture.locations, mixture.covariances)
        # All of one width first: nothing holds that back.
        fit = solve_weights(smaller, atoms)
        even = smaller.make_mixture(adjust(smaller, fit, shapes="shared", max_iter=REFINING.n_many))
        found = GivenAtoms(even.locations, even.covariances).solve(smaller, rng)
        if found.cost >= 0.5 * mixture.cost:
            break
        # What counts for distances is what did before.
        operator = mixture.quality.operator
        factors = compute_moment_factors(found.covariance, problem.region, operator)
        quality = replace(found.quality, operator=operator, moment_factors=factors)
        n_iter = mixture.n_iter + even.n_iter + found.n_iter
        mixture = replace(found, quality=quality, n_iter=n_iter)
    return mixture


def grow(problem: Problem, mixture: Mixture, rng: np.random.Generator) -> Mixture:
    """Return a mixture of as many atoms as the sketch can tell apart, if a third or less is left.

    Points are moved as little as makes up for what is left, so what no atom explains ends up where
    points are near, not where rows are. There may be more clusters than centroids are asked for.
    Where clusters are merely not round about half is left, and points lose their shape.
    """
    d = problem.family.n_features
    most = int(problem.family.operator.n_frequencies / (CLUSTERING.frequencies_a_number * d))
    if most <= len(mixture.weights) or type(mixture.family) is not type(problem.family):
        return mixture
    larger = replace(problem, n_atoms=most, family=mixture.family)
    atoms = mixture.family.from_moments(mixture.locations, mixture.covariances)
    decoding = Decoding(MeanShift(), larger, rng)
    fit = decoding.adjust(decoding.fill(solve_weights(larger, atoms)), "free", REFINING.n_many)
    grown = larger.make_mixture(fit)
    # Atoms of noise lie far off.
    is_inside = grown.quality.moment_factors[1] <= THRESHOLDS.misplaced_variance
    return grown if is_inside and 3.0 * grown.cost < mixture.cost else mixture


def is_separated(mixture: Mixture) -> bool:
    """Return whether no two atoms overlap: k-means' clusters are theirs then."""
    deviations = np.sqrt(mixture.covariances.max(axis=1))
    apart = np.linalg.norm(mixture.locations[:, None] - mixture.locations, axis=-1)
    np.fill_diagonal(apart, np.inf)
    return bool(np.all(apart > BY_CHANCE * (deviations[:, None] + deviations)))


def gains_by_split(mixture: Mixture, units: np.ndarray) -> bool:
    r"""Return whether k-means would rather split an atom than tell all of them apart.

    Two centroids in a Gaussian of weight p and of the variance :math:`\lambda` along its longest
    axis lower the sum of squares by :math:`2 p \lambda / \pi`. Of clusters that differ much in size
    that is more than the smallest add by having one centroid with a neighbour.
    """
    shares = mixture.weights / mixture.weights.sum()
    covariances = mixture.family.covariance_matrices(mixture.parameters) * np.outer(units, units)
    gains = 2.0 / np.pi * shares * np.linalg.eigvalsh(covariances)[:, -1]
    costs = compute_merging_costs(shares, mixture.locations * units)
    return bool(len(costs) and gains.max() > costs.min())


def compute_merging_costs(weights: np.ndarray, locations: np.ndarray) -> np.ndarray:
    r"""Return what it adds to the sum of squares if two clusters have one centroid.

    Two of weights p and q, at a distance :math:`\delta`, add :math:`p q \delta^2 / (p + q)`; pairs
    (k (k - 1) / 2,) are in the order of `scipy.spatial.distance.pdist`.
    """
    first, second = np.triu_indices(len(weights), 1)
    p, q = weights[first], weights[second]
    squares = pdist(locations, "sqeuclidean")
    return np.asarray(p * q / np.maximum(p + q, np.finfo(float).tiny) * squares)


def cluster(
    problem: Problem,
    points: ClusteredPoints,
    start: np.ndarray,
    rng: np.random.Generator,
    *,
    n_random: int,
) -> Fit:
    """Return points' clusters by k-means, from centroids (k, d) and random starts, as atoms."""
    centroids, shares, labels = cluster_points(
        points.points, points.weights, start * points.units, rng, n_random=n_random,
        n_compared=-(-len(points.points) // POINTS.draws_a_point),
    )  # fmt: skip
    # A column a row: along columns, numpy's sums take several times as long.
    columns = np.ascontiguousarray((points.points / points.units).T)
    clusters = [columns.compress(labels == i, axis=1) for i in range(len(start))]
    variances = [own.var(axis=1) if own.size else np.zeros(len(own)) for own in clusters]
    atoms = problem.family.from_moments(centroids / points.units, np.stack(variances))
    return problem.evaluate(shares, atoms)


def locate_far_rows(
    problem: Problem, mixture: Mixture, off_axis: float
) -> tuple[float, np.ndarray] | None:
    r"""Return weight and place (d,) of one far cluster that is missing, if moments speak for one.

    A mixture that lacks a cluster of weight p, at :math:`\Delta` from its mean, lacks
    :math:`\delta = p \Delta` of the rows' mean and
    :math:`S = p (1 - p) \Delta \Delta^T` of their covariance, so that
    :math:`p / (1 - p) = \delta^T \delta / \operatorname{tr} S`, and S has one axis, along
    :math:`\delta`. Rows that lie about anywhere have neither, except by chance, or where they are
    very few. The number of rows is whole where all weigh the same.
    """
    region, shares = problem.region, mixture.weights / (mixture.total_weight or 1.0)
    mean = shares @ mixture.locations
    first, offsets = region.mean - mean, mixture.locations - mean
    within = np.tensordot(shares, mixture.family.covariance_matrices(mixture.parameters), axes=1)
    second = region.covariance - within - (offsets.T * shares) @ offsets
    values, axes = np.linalg.eigh(second)
    along = first @ axes[:, -1]
    least = 1.0 - off_axis
    is_one = along**2 >= least * (first @ first) and values[-1] >= least * abs(values).sum()
    if not (region.is_exact and is_one):
        return None
    odds = along**2 / values[-1]
    n_far = problem.n_rows * odds / (1.0 + odds)
    if float(problem.n_rows).is_integer():
        n_far = round(n_far)
    if n_far < CLUSTERING.least_far:
        return None
    share = n_far / problem.n_rows
    distance = np.sqrt(values[-1] / (share * (1.0 - share)))
    place = mean + np.copysign(distance, along) * axes[:, -1]
    return share, region.clip_to_bounds(place)


def add_outliers(
    region: Region,
    points: np.ndarray,
    share: float,
    n_outliers: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Add a share of points around the others, and return weights that restore the rows' spread.

    Rows far from all others, few and scattered, leave no trace in a sketch. What is known of them
    is what is missing without them: weight, and variance. They are taken to be uniform in a box.
    """
    mean, variances = points.mean(axis=0), points.var(axis=0)
    missing = np.maximum(region.variances - variances, 0.0)
    half = np.sqrt(3.0 * missing / share)
    outliers = rng.uniform(region.mean - half, region.mean + half, size=(n_outliers, len(mean)))
    outliers = np.clip(outliers, region.lower, region.upper)
    weights = np.repeat([(1 - share) / len(points), share / n_outliers], [len(points), n_outliers])
    return np.vstack([points, outliers]), weights * len(points)
