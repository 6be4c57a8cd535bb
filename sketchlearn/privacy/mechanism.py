"""How a sketch was released: which noise, of what size, and what it cost."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, Self, final

import numpy as np

from sketchlearn.privacy.accounting import Neighbors, PrivacyLoss, rho_of
from sketchlearn.privacy.queries import COUNT, FIRST, SECOND, WAVES
from sketchlearn.sources.optional import import_optional

NoiseName = Literal["discrete gaussian", "discrete laplace"]
# By how much, as a fraction, noise is larger than float64 says it must be.
MARGIN = 1e-12
# Shares of the parts beside the waves in what these leave of the privacy loss. A column's deviation
# is known as well as its mean, both in units of it, where noise of second moments is 2 s times that
# of first ones, s being the deviation in halves of the box's width; here it is 0.55 times where
# both are as many. Full second moments are more numbers, and need more.
SHARES = {COUNT: 0.15, FIRST: 0.2, SECOND: 0.65}


@final
@dataclass(frozen=True)
class Mechanism:
    r"""Noise that was added to the integers of one sketch, part by part.

    Each part is a mechanism by itself, and their losses add up: with the discrete Gaussian
    :math:`\rho = \sum \Delta_2^2 / (2 \sigma^2)`, with the discrete Laplace
    :math:`\varepsilon = \sum \Delta_1 / b`. It is what one joint vector, each part in units of its
    own noise, would cost.

    Parameters
    ----------
    noise : {"discrete gaussian", "discrete laplace"}
        The distribution, over all integers.
    neighbors : {"add-remove", "replace"}
        What neighbouring data sets are: one has a person's rows that the other lacks, or has
        others in their place.
    rows_per_person : int
        The most rows that a person has.
    delta : float
        What the release was asked for; zero with Laplace noise.
    sensitivities, scales : mapping of str to float
        By part, of "count", "first", "second" and "waves": how far a person's rows can move it (L2
        or L1), and sigma or b, in units of its integers.
    token : str
        Tells one release from another; random.

    Examples
    --------
    >>> from sketchlearn.privacy import Mechanism
    >>> waves = {"waves": 100.0}
    >>> mechanism = Mechanism.choose(1.0, 1e-6, "add-remove", 1, waves, moments_share=0.1)
    >>> round(mechanism.scales["waves"] / 100.0, 4), round(mechanism.epsilon, 6)
    (4.5309, 1.0)
    """

    noise: NoiseName
    neighbors: Neighbors
    rows_per_person: int
    delta: float
    sensitivities: Mapping[str, float]
    scales: Mapping[str, float]
    token: str = field(default_factory=lambda: secrets.token_hex(16))

    @classmethod
    def choose(
        cls,
        epsilon: float,
        delta: float,
        neighbors: Neighbors,
        rows_per_person: int,
        sensitivities: Mapping[str, float],
        moments_share: float,
    ) -> Self:
        """Choose the least noise that keeps within epsilon and delta.

        The waves take ``1 - moments_share`` of the privacy loss, the other parts shares of the
        rest: most of it the second moments, which are many.
        """
        others = {part: SHARES[part] for part in sensitivities if part != WAVES}
        total = sum(others.values())
        shares = {part: moments_share * share / total for part, share in others.items()}
        shares[WAVES] = 1.0 - moments_share if others else 1.0
        noise: NoiseName = "discrete gaussian" if delta > 0 else "discrete laplace"
        rho = rho_of(epsilon, delta) if delta > 0 else 0.0
        scales = {}
        for part, moved in sensitivities.items():
            share = shares[part]
            per_moved = math.sqrt(2.0 * share * rho) if delta > 0 else share * epsilon
            scales[part] = (1.0 + MARGIN) * moved / per_moved
        return cls(noise, neighbors, rows_per_person, delta, sensitivities, scales)

    @cached_property
    def loss(self) -> PrivacyLoss:
        """What the release cost a person whose rows were in it."""
        ratios = [self.sensitivities[part] / scale for part, scale in self.scales.items()]
        if self.noise == "discrete laplace":
            return PrivacyLoss.of_pure(math.fsum(ratios))
        return PrivacyLoss(math.fsum(0.5 * ratio**2 for ratio in ratios))

    @property
    def epsilon(self) -> float:
        """Epsilon at the mechanism's delta."""
        return self.loss.epsilon(self.delta)

    def variance(self, part: str) -> float:
        """Return the variance of one integer's noise, or slightly more; 0 of what has none."""
        scale = self.scales.get(part, 0.0)
        return 2.0 * scale**2 if self.noise == "discrete laplace" else scale**2

    def add_noise(self, part: str, integers: np.ndarray) -> np.ndarray:
        """Return integers (n,) int64 with noise from opendp; those of a part without as they are.

        Raises
        ------
        ImportError
            If opendp is not installed.
        """
        if part not in self.scales:
            return integers
        sample = build_measurement(self.noise, self.scales[part])
        return np.array(sample(integers.tolist()), dtype=np.int64)


@lru_cache(maxsize=64)
def build_measurement(noise: NoiseName, scale: float) -> Any:
    """Return opendp's mechanism for vectors of int64: called with a list, it gives one.

    Making one takes a hundred times as long as noise for one number, and those of groups are alike,
    so that it is kept. It has no state: each call draws anew.

    Its `map` says what it costs at a sensitivity: rho of Gaussian noise, epsilon of Laplace noise.
    Results that int64 does not hold are cut at its ends, which is done to what is released already.

    Raises
    ------
    ImportError
        If opendp is not installed.
    """
    dp = import_optional("opendp.prelude")
    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if noise == "discrete gaussian":
        return dp.m.make_gaussian(domain, dp.l2_distance(T="f64"), scale=scale)
    return dp.m.make_laplace(domain, dp.l1_distance(T="f64"), scale=scale)
