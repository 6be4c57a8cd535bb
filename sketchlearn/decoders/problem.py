"""What is decoded: a sketch to match, by so many atoms of a family."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, final

import numpy as np

from sketchlearn._progress import tell
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.quality import (
    FitQuality,
    compute_moment_factors,
    compute_spread_ratio,
    spare_share,
)
from sketchlearn.exceptions import SketchMismatchError
from sketchlearn.linear_maps.linear_map import in_blocks
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike


@dataclass(frozen=True)
class Fit:
    """Weights and parameters on the way, with their cost.

    Attributes
    ----------
    weights : ndarray of shape (k,)
        Non-negative; they need not sum to 1.
    parameters : ndarray of shape (k, p)
        One atom a row.
    cost : float
        Squared distance between the sketch and theirs.
    n_iter : int
        Optimiser iterations so far.
    converged : bool
        Whether the last of them ended by its tolerance.
    prior : float
        What held shapes together in it, see `adjust`.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.decoders import Fit
    >>> Fit(weights=np.ones(1), parameters=np.zeros((1, 2)), cost=0.5).n_iter
    0
    """

    weights: np.ndarray
    parameters: np.ndarray
    cost: float
    n_iter: int = 0
    converged: bool = True
    prior: float = 0.0


@final
@dataclass(frozen=True, eq=False)
class Problem:
    r"""Find :math:`\min \|z - \sum_k \alpha_k a(\theta_k)\|^2`: what a decoder is asked.

    `Problem.of` makes one of a sketch, of whose integers and rows nothing is left in it.

    Attributes
    ----------
    family : AtomFamily
        What the atoms are; its ``operator`` is the sketch's.
    n_atoms : int
        How many are asked for.
    target : ndarray of shape (2 m,)
        z, the sketch's centred mean: real parts, then imaginary parts.
    noise : float
        Expected squared distance of z to that of the whole population.
    n_rows : float
        Effective number of rows that z is the mean of.
    region : Region
        Where they lie.
    noise_deviation : float, default=0
        Standard deviation of the noise, as a fraction of it, as far as it is known.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.atoms import Dirac
    >>> from sketchlearn.decoders import Problem
    >>> X = np.array([[0.0], [0.0], [0.0], [8.0]])
    >>> sketch = Sketcher(10, scale=1.0, random_state=0).fit(X).sketch(X)
    >>> problem = Problem.of(sketch, Dirac(sketch.operator), n_atoms=2)
    >>> fit = problem.evaluate(np.array([0.75, 0.25]), np.array([[0.0], [8.0]]))
    >>> problem.make_mixture(fit).cost < 1e-9
    True
    """

    family: AtomFamily
    n_atoms: int
    target: np.ndarray
    noise: float
    n_rows: float
    region: Region
    noise_deviation: float = 0.0

    @classmethod
    def of(
        cls,
        sketch: SketchLike,
        family: AtomFamily,
        n_atoms: int,
        *,
        n_rows: float | None = None,
        region: Region | None = None,
    ) -> Self:
        """Return the problem of decoding a sketch, once it is known that it can be decoded.

        Parameters
        ----------
        sketch, family, n_atoms
            As of `Decoder.decode`.
        n_rows : float, optional
            How many rows it counts as; by default their effective number, which no common factor
            of the weights changes. Weights that are repetitions count as so many rows.
        region : Region, optional
            Where the rows lie; by default what the sketch knows of it.

        Raises
        ------
        EmptySketchError, SketchMismatchError, ValueError
            As by `Decoder.decode`.
        """
        if family.operator.fingerprint != sketch.fingerprint:
            raise SketchMismatchError(
                "the atom family must be built on the sketch's own operator; "
                f"got {family.operator.fingerprint[:12]} for a sketch of {sketch.fingerprint[:12]}"
            )
        if n_atoms < 1:
            raise ValueError(f"n_atoms must be at least 1, got {n_atoms}")
        check_enough_frequencies(sketch, n_atoms)
        noise, mean = sketch.standard_error**2, sketch.centered_mean
        if n_rows is not None and n_rows != sketch.n_effective:
            noise *= sketch.n_effective / n_rows
        n_rows = sketch.n_effective if n_rows is None else n_rows
        target = np.concatenate([mean.real, mean.imag])
        region, deviation = region or Region.of(sketch), sketch.error_deviation
        return cls(family, n_atoms, target, noise, n_rows, region, deviation)

    @cached_property
    def target_in_blocks(self) -> np.ndarray:
        """The target as `FrequencyBlocks` are, (n_blocks, 2, size)."""
        return in_blocks(self.target.reshape(2, -1))

    @cached_property
    def power(self) -> float:
        """Squared norm of the target."""
        m = len(self.target) // 2
        return float(np.sum(np.abs(self.target[:m] + 1j * self.target[m:]) ** 2))

    @cached_property
    def weight_error(self) -> float:
        """Standard error, about, of the weight of all atoms together; no less than one row's.

        No more than a half, which is the most that a share's can be.
        """
        by_chance = float(np.sqrt(self.noise / (len(self.target) * self.power)))
        return min(max(by_chance, 1.0 / max(self.n_rows, 1.0)), 0.5)

    @property
    def n_parameters(self) -> int:
        """Free numbers of a mixture of so many atoms."""
        return self.family.n_parameters(self.n_atoms)

    @property
    def spare_share(self) -> float:
        """Share of the sketch's numbers that they leave to spare; may be negative."""
        return spare_share(self.family.operator.n_frequencies, self.n_parameters)

    def estimate_noise(self, cost: float) -> float:
        """Return the noise of one of the sketch's numbers, from what right atoms leave.

        It is less than known where waves hardly vary within clusters.
        """
        known = self.noise / len(self.target)
        if self.spare_share <= 0.0:
            return known
        return min(known, cost / self.spare_share / len(self.target))

    @property
    def scales(self) -> tuple[float, ...]:
        r"""Scales that clusters may have, data units: the operator's own, unless it is for several.

        Then they are octaves, from that of k cells which share the rows' volume,
        :math:`k^{-1/d} \sqrt{\operatorname{tr} C / d}`, down to the operator's finest.
        """
        domain = self.family.operator.domain
        if domain.finest_scale is None:
            return (domain.scale,)
        d = domain.n_features
        spread = float(np.sqrt(self.region.variance / d)) * self.n_atoms ** (-1.0 / d)
        scale = min(max(spread, domain.finest_scale), domain.scale)
        return tuple(scale / 2**u for u in range(1 + round(np.log2(scale / domain.finest_scale))))

    def at_scale(self, scale: float) -> Problem:
        """Return the same problem for clusters of another scale, data units."""
        operator = self.family.operator
        if scale == operator.scale and operator.domain.finest_scale is None:
            return self
        return replace(self, family=self.family.at_scale(scale))

    def with_widths(self, widths: np.ndarray | float) -> Problem:
        """Return the same problem for clusters of relative widths (d,), or one, along columns."""
        return replace(self, family=self.family.with_widths(widths))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Box of the parameters (p,) of an atom: the region's, then the shape's bounds."""
        least, greatest = self.family.shape_bounds()
        lower, upper = self.region.lower, self.region.upper
        return np.concatenate([lower, least]), np.concatenate([upper, greatest])

    def compute_residual(self, weights: np.ndarray, atoms: np.ndarray) -> np.ndarray:
        """Return ``z - sum_k alpha_k a_k`` (2 m,), float64, of atoms' sketches (k, 2 m)."""
        return self.target - weights.astype(np.float32) @ atoms

    def evaluate(self, weights: np.ndarray, parameters: np.ndarray) -> Fit:
        """Return the fit of given atoms with given weights, which are not solved for."""
        residual = self.compute_residual(weights, self.family.sketch(parameters))
        return Fit(weights, parameters, float(residual @ residual))

    def start_empty(self) -> Fit:
        """Return the fit without atoms, which leaves everything."""
        nothing = np.empty((0, self.family.n_features + self.family.n_shape))
        return Fit(np.empty(0), nothing, float(self.target @ self.target))

    def make_mixture(self, fit: Fit) -> Mixture:
        """Return the result of a decode that ended with ``fit``, heaviest atoms first."""
        tell(n_atoms=len(fit.weights), cost=fit.cost)
        family = self.family
        order = np.argsort(-fit.weights, kind="stable")
        total = float(fit.weights.sum())
        weights = fit.weights[order] / total if total > 0 else np.full(len(order), 1 / len(order))
        parameters = fit.parameters[order]
        locations, _ = family.split(parameters)
        apart = locations - weights @ locations
        covariance = (apart.T * weights) @ apart
        covariance += np.tensordot(weights, family.covariance_matrices(parameters), axes=1)
        quality = FitQuality(
            cost=fit.cost,
            noise=self.noise,
            power=self.power,
            n_rows=self.n_rows,
            n_parameters=family.n_parameters(len(weights)),
            spread_ratio=compute_spread_ratio(np.diag(covariance), self.region),
            operator=family.operator,
            region=self.region,
            noise_deviation=self.noise_deviation,
            moment_factors=compute_moment_factors(covariance, self.region, family.operator),
        )
        return Mixture(
            weights=weights,
            parameters=parameters,
            family=family,
            quality=quality,
            n_iter=fit.n_iter,
            converged=fit.converged,
            message="converged" if fit.converged else "stopped at the iteration limit",
            total_weight=total,
            prior=fit.prior,
        )


def check_enough_frequencies(sketch: SketchLike, n_atoms: int) -> None:
    """Refuse, by a ValueError, more atoms than a sketch has frequencies."""
    if sketch.n_frequencies < n_atoms:
        raise ValueError(
            f"a sketch of {sketch.n_frequencies} frequencies cannot tell {n_atoms} atoms apart; "
            f"sketch with n_frequencies of at least {5 * n_atoms * sketch.n_features}"
        )
