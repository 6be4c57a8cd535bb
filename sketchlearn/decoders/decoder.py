"""The contract of a decoder, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn._progress import tell
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.refinement import Fit
from sketchlearn.exceptions import SketchMismatchError
from sketchlearn.sketches.sketch import Sketch

# Goodness of fit up to which a residual is taken for noise.
NOISE = 1.5
# Misfit under which a mixture is right but for details: heavy tails leave up to 4e-4, clusters of
# real data 2e-3 and more, a missed cluster of a tenth of the rows 1e-2 and more.
SLIGHT_MISFIT = 7e-4
LARGE_MISFIT = 5e-3
# Sets where all was found have spread ratios of 0.9 and more, one with half a percent of far
# outliers 0.3: a low one is a doubt where something is left unexplained, a very low one always.
LOW_SPREAD, VERY_LOW_SPREAD = 0.85, 0.5
# Decodes that found what is there exceed the pilot's spread by up to a tenth.
HIGH_SPREAD = 1.2
# One of ten clusters missed leaves a misfit of 0.05. Clusters that are flat leave as much, which is
# why there must be room for round ones: most directions of the data at least as wide as the scale.
VERY_LARGE_MISFIT, ROOM_FOR_ROUND = 0.03, 0.6


@final
@dataclass(frozen=True, eq=False, repr=False)
class Mixture:
    r"""A finite mixture :math:`\sum_k \alpha_k P_{\theta_k}` recovered from a sketch.

    Attributes
    ----------
    weights : ndarray of shape (k,)
        Non-negative, summing to 1.
    parameters : ndarray of shape (k, p)
        One atom a row, location first, in data coordinates.
    family : AtomFamily
        What the parameters mean.
    cost : float
        :math:`\|z - \sum_k \alpha_k A(P_{\theta_k})\|^2`, with the unnormalised weights that the
        decoder ended with.
    goodness_of_fit : float
        ``cost`` over what the right mixture would leave, the reduced chi-squared: that is the
        squared standard error of the sketch, times the share of its 2 m numbers that the p free
        parameters leave to spare, 1 - p / (2 m), since each absorbs the noise of one. About 1 where
        the mixture explains the sketch up to sampling noise, larger where the model is wrong or an
        atom is missing; infinite where no number is to spare, and nothing can be said.
    misfit : float
        What the mixture leaves beyond that, as a share of the sketch's power:
        ``max(0, cost - cost / goodness_of_fit) / ||z||^2``.
    spread_ratio : float
        Trace of the covariance that was decoded over the pilot's: about 1, and less where a far
        cluster is missing.
    n_iter : int
        Optimiser iterations, all stages together.
    converged : bool
        Whether the last stage ended by its tolerance rather than by its iteration limit.
    message : str
        How the decode ended, in words.
    matched : Mixture or None
        The mixture that was matched to the sketch, where this one comes from points that started
        from it; its figures say how much of the sketch a mixture of so many atoms explains.
    """

    weights: np.ndarray
    parameters: np.ndarray
    family: AtomFamily
    cost: float
    goodness_of_fit: float
    misfit: float
    spread_ratio: float
    n_iter: int
    converged: bool
    message: str
    matched: Mixture | None = None

    def __repr__(self) -> str:
        k, d = self.locations.shape
        return (
            f"Mixture({k} x {type(self.family).__name__} in {d} dimensions, "
            f"cost={self.cost:.4g}, goodness_of_fit={self.goodness_of_fit:.4g}, "
            f"misfit={self.misfit:.4g}, spread_ratio={self.spread_ratio:.4g}, "
            f"n_iter={self.n_iter}, {self.message})"
        )

    @property
    def explains_sketch(self) -> bool:
        """Whether what the mixture leaves is noise, or too little to matter.

        The goodness of fit alone would grow with the number of rows for a mixture that is
        slightly wrong; the misfit is the size of what is wrong.
        """
        return self.goodness_of_fit <= NOISE or self.misfit <= SLIGHT_MISFIT

    @property
    def seems_incomplete(self) -> bool:
        """Whether so much is left, of the sketch or of the spread, that an atom is missing."""
        is_noise = self.goodness_of_fit <= NOISE
        return not is_noise and (self.misfit > LARGE_MISFIT or self.spread_ratio < LOW_SPREAD)

    @property
    def lacks_spread(self) -> bool:
        """Whether something far from all atoms was probably missed."""
        return self.spread_ratio < VERY_LOW_SPREAD or (
            self.seems_incomplete and self.spread_ratio < LOW_SPREAD
        )

    @property
    def exceeds_spread(self) -> bool:
        """Whether the atoms lie farther apart than the pilot's rows by more than chance."""
        return self.spread_ratio > HIGH_SPREAD

    @property
    def misses_clusters(self) -> bool:
        """Whether what is left, or the spread, is more than misshapen clusters account for."""
        is_noise = self.goodness_of_fit <= NOISE
        return not is_noise and (self.exceeds_spread or self.leaves_clusters)

    @property
    def leaves_clusters(self) -> bool:
        """Whether more is left of the sketch than misshapen clusters account for."""
        if self.goodness_of_fit <= NOISE:
            return False
        operator = self.family.operator
        widths = np.linalg.eigvalsh(operator.covariance) / operator.scale**2
        return self.misfit > VERY_LARGE_MISFIT and bool(
            np.mean(np.clip(widths, 0.0, 1.0)) > ROOM_FOR_ROUND
        )

    @property
    def locations(self) -> np.ndarray:
        """Centres of the atoms, (k, n_features), in data coordinates."""
        return self.family.split(self.parameters)[0]

    @property
    def covariances(self) -> np.ndarray:
        """Variances of the atoms along each feature, (k, n_features)."""
        return self.family.covariances(self.parameters)


class Decoder(ABC):
    """Immutable configuration of a way from a sketch to a mixture; never sees data."""

    @abstractmethod
    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover a mixture of ``n_atoms`` atoms of ``family`` from ``sketch``.

        Raises
        ------
        EmptySketchError
            If the sketch counts no row.
        SketchMismatchError
            If ``family`` was built on another operator than the sketch.
        ValueError
            If ``n_atoms`` is less than 1 or more than the sketch's frequencies can tell apart.
        """


def check_enough_frequencies(sketch: Sketch, n_atoms: int) -> None:
    """Refuse more atoms than a sketch has frequencies.

    Raises
    ------
    ValueError
        If there are more.
    """
    if sketch.n_frequencies < n_atoms:
        raise ValueError(
            f"a sketch of {sketch.n_frequencies} frequencies cannot tell {n_atoms} atoms apart; "
            f"sketch with n_frequencies of at least {5 * n_atoms * sketch.n_features}"
        )


def check_decodable(sketch: Sketch, family: AtomFamily, n_atoms: int) -> np.ndarray:
    """The centred sketch stacked real, (2 m,), once it is known that it can be decoded."""
    if family.operator.fingerprint != sketch.fingerprint:
        raise SketchMismatchError(
            "the atom family must be built on the sketch's own operator; "
            f"got {family.operator.fingerprint[:12]} for a sketch of {sketch.fingerprint[:12]}"
        )
    if n_atoms < 1:
        raise ValueError(f"n_atoms must be at least 1, got {n_atoms}")
    check_enough_frequencies(sketch, n_atoms)
    tell(n_wanted=n_atoms, noise=sketch.standard_error**2)
    mean = sketch.centered_mean
    return np.concatenate([mean.real, mean.imag])


def n_parameters(family: AtomFamily, n_atoms: int) -> int:
    """Free numbers of a mixture: weights that sum to 1, locations and shapes."""
    return n_atoms * (1 + family.n_features + family.n_shape) - 1


def spare_share(sketch: Sketch, family: AtomFamily, n_atoms: int) -> float:
    """Share of the sketch's numbers that a mixture's parameters do not use up; may be negative."""
    return 1.0 - n_parameters(family, n_atoms) / (2 * sketch.operator.n_frequencies)


def expected_cost(sketch: Sketch, family: AtomFamily, n_atoms: int) -> float:
    """What the right mixture would leave: noise, less what its parameters absorb of it."""
    return sketch.standard_error**2 * max(spare_share(sketch, family, n_atoms), 0.0)


def mixture_of(sketch: Sketch, family: AtomFamily, fit: Fit) -> Mixture:
    """The result of a decode that ended with ``fit``, heaviest atoms first."""
    tell(n_atoms=len(fit.weights), cost=fit.cost)
    order = np.argsort(-fit.weights, kind="stable")
    total = float(fit.weights.sum())
    weights = fit.weights[order] / total if total > 0 else np.full(len(order), 1 / len(order))
    parameters = fit.parameters[order]
    noise = expected_cost(sketch, family, len(weights))
    locations, _ = family.split(parameters)
    between = weights @ np.square(locations - weights @ locations)
    variances = between + weights @ family.covariances(parameters)
    return Mixture(
        weights=weights,
        parameters=parameters,
        family=family,
        cost=fit.cost,
        goodness_of_fit=fit.cost / noise if noise > 0 else float("inf"),
        misfit=max(0.0, fit.cost - noise) / float(np.sum(np.abs(sketch.centered_mean) ** 2)),
        spread_ratio=spread_ratio(variances, family),
        n_iter=fit.n_iter,
        converged=fit.converged,
        message="converged" if fit.converged else "stopped at the iteration limit",
    )


def spread_ratio(variances: np.ndarray, family: AtomFamily) -> float:
    """Sum of variances (n_features,) over that of the pilot; 1 where the pilot has none."""
    pilot = float(np.trace(family.operator.covariance))
    return float(np.sum(variances)) / pilot if pilot > 0 else 1.0
