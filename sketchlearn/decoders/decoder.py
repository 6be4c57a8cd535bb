"""The contract of a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self, final

import numpy as np

from sketchlearn._progress import note
from sketchlearn._registry import Registered
from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike


class Decoder(Registered, ABC):
    """Immutable configuration of a way from a sketch to a mixture; never sees data.

    A subclass is a frozen dataclass, whose fields are its configuration, and writes `_decode`. Its
    name is known to `kinds` from then on.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Refuse a class whose configuration may change or has no fields to be stored by."""
        own = vars(cls).get("__dataclass_params__")
        if own is None or not own.frozen:
            raise TypeError(
                f"a decoder must be a frozen dataclass: write @dataclass(frozen=True) above class "
                f"{cls.__name__}"
            )
        return super().__new__(cls)

    @final
    def decode(
        self,
        sketch: SketchLike,
        family: AtomFamily,
        n_atoms: int,
        rng: np.random.Generator,
        *,
        region: Region | None = None,
    ) -> Mixture:
        """Recover a mixture of ``n_atoms`` atoms of ``family`` from ``sketch``.

        Parameters
        ----------
        sketch : Sketch or PrivateSketch
            At least one row.
        family : AtomFamily
            Built on the sketch's operator.
        n_atoms : int
            At least 1, at most the number of frequencies.
        rng : numpy.random.Generator
            Where all randomness comes from.
        region : Region, optional
            Where the rows lie; by default what the sketch knows of it.

        Returns
        -------
        Mixture
            The heaviest atom first.

        Raises
        ------
        EmptySketchError
            If the sketch counts no row.
        SketchMismatchError
            If ``family`` was built on another operator than the sketch.
        ValueError
            If ``n_atoms`` is less than 1 or more than the sketch's frequencies can tell apart.

        Examples
        --------
        >>> import numpy as np
        >>> from sketchlearn import Sketcher
        >>> from sketchlearn.atoms import SphericalGaussian
        >>> from sketchlearn.decoders import MeanShift
        >>> rng = np.random.default_rng(0)
        >>> X = rng.choice([-9.0, 9.0], size=(5000, 1)) + rng.normal(size=(5000, 2))
        >>> sketch = Sketcher(n_clusters=2, random_state=0).fit(X).sketch(X)
        >>> mixture = MeanShift().decode(sketch, SphericalGaussian(sketch.operator), 2, rng)
        >>> np.sort(mixture.locations[:, 0]).round()
        array([-9.,  9.])
        """
        # It decodes once itself.
        from sketchlearn.decoders.overtones import clear_overtones

        problem = Problem.of(sketch, family, n_atoms, region=region)
        return self.solve(clear_overtones(problem, rng), rng)

    def in_units(self, units: tuple[float, ...]) -> Decoder:
        """Return what decodes columns that were divided by units as if they had not been.

        That is the decoder itself, unless it measures distances, or has decoders that may.
        """
        return self

    @final
    @on_one_blas_thread
    def solve(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Recover a mixture from a problem, on one thread of BLAS.

        Products here are small, and threads of BLAS that wait for each other are slow on a busy
        machine; with one, the result does not depend on their number either.
        """
        note(n_wanted=problem.n_atoms, noise=problem.noise)
        mixture = self._decode(problem, rng)
        if not isinstance(mixture, Mixture):
            raise TypeError(
                f"{type(self).__name__}._decode must return a Mixture, as problem.make_mixture "
                f"makes it, got {type(mixture).__name__}"
            )
        return mixture

    @abstractmethod
    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Recover a mixture, which `Problem.make_mixture` makes of a fit.

        Other decoders are called by `solve`. Randomness comes from ``rng`` alone.
        """
