"""Synthetic rows from a sketch, for any estimator to be fitted on."""

from __future__ import annotations

import numpy as np

from sketchlearn._validation import RandomState, check_count, draw_seed
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import BestOf, Problem, SurrogateKMeans
from sketchlearn.decoders.best_of import default_decoders
from sketchlearn.decoders.overtones import clear_overtones
from sketchlearn.decoders.principal import (
    PrincipalStart,
    find_leading_axes,
    find_principal_part,
)
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike, describe_no_sketch

# Frequencies, for each atom and feature, that the first mixture may use up; and its most atoms.
FREQUENCIES_A_COORDINATE = 10
MOST_ATOMS = 30


def synthesize(
    sketch: SketchLike,
    n_samples: int = 1000,
    *,
    n_atoms: int | None = None,
    random_state: RandomState = None,
) -> np.ndarray:
    """Draw rows whose sketch is the given one: a stand-in for the data, which is not needed.

    A mixture is decoded, surrogate points drawn from it, and where the mixture does not explain the
    sketch the points are moved until they do. What a sketch cannot resolve, such as detail
    much finer than its scale, the rows do not show either; and they hold no row of the data.

    Parameters
    ----------
    sketch : Sketch or PrivateSketch
        At least one row.
    n_samples : int, default=1000
        Rows to draw.
    n_atoms : int, optional
        Atoms of the mixture that the points start from. By default one for every 10 d of the
        sketch's m frequencies, at least 1 and at most 30; of wide rows, d are the directions that
        are decoded, and off those the rows are Gaussian. Of a wide private sketch no fewer than
        span the directions in which its covariance is more than noise.
    random_state : int, RandomState, Generator or None
        Determines the rows.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        Rows of equal weight, in random order, float64, in data coordinates.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or the sketch has a single frequency.
    EmptySketchError
        If the sketch holds no rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, synthesize
    >>> X = np.random.default_rng(0).normal([3.0, -1.0], 2.0, size=(5000, 2))
    >>> sketch = Sketcher(n_clusters=1, random_state=0).fit(X).sketch(X)
    >>> rows = synthesize(sketch, 2000, random_state=0)
    >>> bool(np.allclose(rows.mean(axis=0), X.mean(axis=0), atol=0.2))
    True
    """
    if not isinstance(sketch, SketchLike):
        raise TypeError(f"expected a Sketch, {describe_no_sketch(sketch)}")
    check_count(n_samples, "n_samples")
    if sketch.n_frequencies == 1:
        raise ValueError(
            "a sketch of one frequency, as those of make_moment_sketcher, tells where rows lie by "
            "their moments alone: sketch with more n_frequencies to draw rows like them"
        )
    # Where columns were scaled apart, kernels are round in the operator's units.
    units = sketch.operator.units
    region, sketch = Region.of(sketch).in_units(units), sketch.standardised()
    part = find_principal_part(
        sketch, MOST_ATOMS if n_atoms is None else check_count(n_atoms, "n_atoms"), region
    )
    if part is not None:
        sketch, region = part.sketch, part.region
    family = SphericalGaussian(sketch.operator) if part is None else part.family
    if n_atoms is None:
        n_atoms = _choose_number(sketch, region)
    rng = np.random.default_rng(draw_seed(random_state))
    axes = find_leading_axes(sketch, n_atoms, region)
    along = () if axes is None else (PrincipalStart(axes),)
    decoder = SurrogateKMeans(BestOf((*along, *default_decoders())))
    problem = Problem.of(sketch, family, n_atoms, region=region)
    problem = clear_overtones(problem, rng)
    mixture = decoder.start.solve(problem, rng)
    problem = problem.at_scale(mixture.family.operator.scale)
    drawn = decoder.match(problem, mixture, rng).draw(n_samples, rng)
    return units * (drawn if part is None else part.draw_rows(drawn, rng))


def _choose_number(sketch: SketchLike, region: Region) -> int:
    """Return how many atoms the sketch can afford, or needs to span the directions it tells."""
    m, d = sketch.n_frequencies, sketch.n_features
    most = min(MOST_ATOMS, d)
    axes = find_leading_axes(sketch, most, region)
    spanning = 1 if axes is None else axes.shape[1] + 1
    return min(max(spanning, m // (FREQUENCIES_A_COORDINATE * d)), MOST_ATOMS)
