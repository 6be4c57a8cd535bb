"""From an exact sketch to a private one."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sketchlearn._caller import warn_caller
from sketchlearn._validation import check_count
from sketchlearn.exceptions import EmptySketchError
from sketchlearn.privacy.accounting import Budget, Neighbors, check_privacy
from sketchlearn.privacy.mechanism import Mechanism
from sketchlearn.privacy.private_sketch import PrivateSketch
from sketchlearn.privacy.queries import ONE_WEIGHT, compute_parts, sensitivities
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sketch_like import describe_no_sketch
from sketchlearn.sources.optional import import_optional

Key = TypeVar("Key")
# Digests of the sketches that this program released.
_released: set[bytes] = set()
_lock = threading.Lock()


def release(
    sketch: Sketch,
    *,
    epsilon: float,
    delta: float,
    neighbors: Neighbors = "add-remove",
    rows_per_person: int = 1,
    moments_share: float = 0.1,
    budget: Budget | None = None,
) -> PrivateSketch:
    r"""Release a sketch with differential privacy: once, and then learn anything from it.

    Discrete Gaussian noise, or discrete Laplace noise where delta is zero, is added to the integers
    of the sketch: the number of rows, their moments, and their waves. Whatever neighbouring rows
    are, what is released has any property with probability at most
    :math:`e^\varepsilon p + \delta`, where p is that for the neighbour. The guide "Private
    sketches" has the proof, and what is not protected.

    Parameters
    ----------
    sketch : Sketch
        Of an operator that saw no row and clips rows to its box, as of
        ``Sketcher.from_domain(lower, upper, clip=True)``; without weights.
    epsilon : float
        Positive: how much the probability of anything may change, as a logarithm.
    delta : float
        Probability that it does more than that: far below one over the number of rows. Zero takes
        Laplace noise, which needs many more rows.
    neighbors : {"add-remove", "replace"}, default="add-remove"
        Which data sets must look alike: those that one person's rows were added to or taken from;
        or those in which they were replaced by others, with a public number of rows.
    rows_per_person : int, default=1
        The most rows that one person has, which is for the caller to see to.
    moments_share : float, default=0.1
        Share of the privacy loss that goes to the count and the moments; the rest goes to the
        waves.
    budget : Budget, optional
        What this release is counted in. A program that releases equal sketches twice needs one.

    Returns
    -------
    PrivateSketch
        What decoders take in the place of a sketch.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range; if the operator may have seen rows, or does not bound them;
        if rows have weights; if the sketch was released before; if the budget does not suffice.
    EmptySketchError
        If the sketch holds no rows.
    ImportError
        If opendp is not installed, which the extra ``privacy`` brings.

    Warns
    -----
    UserWarning
        If delta is not below one over the number of rows that is released.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.privacy import release
    >>> sketcher = Sketcher.from_domain([0.0], [100.0], clip=True, random_state=0)
    >>> ages = np.random.default_rng(0).normal(40.0, 10.0, size=(20_000, 1))
    >>> private = release(sketcher.sketch(ages), epsilon=1.0, delta=1e-6)
    >>> abs(private.n_samples - 20_000) < 1000, round(private.epsilon, 6)
    (True, 1.0)
    """
    _check_sketch(sketch)
    if sketch.n_samples == 0:
        raise EmptySketchError("expected a sketch of at least one row, got one without rows")
    mechanism = _choose_mechanism(
        sketch, epsilon, delta, neighbors, rows_per_person, moments_share, budget
    )
    _charge([sketch], mechanism, budget)
    private = _add_noise(sketch, mechanism)
    _warn_of_large_delta(delta, private.n_samples)
    return private


def release_groups(
    sketches: Mapping[Key, Sketch],
    *,
    epsilon: float,
    delta: float,
    rows_per_person: int = 1,
    moments_share: float = 0.1,
    budget: Budget | None = None,
) -> dict[Key, PrivateSketch]:
    """Release a sketch for each group, at the cost of one, where no row is in two of them.

    A row that is added or taken away changes one group's sketch, so that the losses lie beside each
    other (parallel composition). A person's rows may be in several groups, as long as there are no
    more than `rows_per_person` in all: of g rows, those in one group cost a share of at most their
    share of g, with Gaussian noise its square, and shares add up to one.

    Which groups there are is public: give one for each that there could be, whether it has rows or
    not (``Sketch.empty(operator, moments)``), or that a group is there tells of who is in it. A row
    that is *replaced* may change two groups, and their exact numbers of rows would tell; so
    neighbours are added or removed.

    Parameters
    ----------
    sketches : mapping of keys to Sketch
        Of one operator, of disjoint rows; the empty sketch among them.
    epsilon, delta, rows_per_person, moments_share, budget
        As of `release`. The budget is charged once.

    Returns
    -------
    dict of keys to PrivateSketch
        In the same order. They add up to any larger group. They are no `SketchTable`, and no
        Parquet file or SQL holds them: save each by its own `PrivateSketch.save`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As `release`; if there is no sketch, or operators or moments differ.

    Warns
    -----
    UserWarning
        If delta is not below one over the number of all rows, as released.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.privacy import release_groups
    >>> sketcher = Sketcher.from_domain([0.0], [100.0], clip=True, random_state=0)
    >>> ages = np.random.default_rng(0).normal(40.0, 10.0, size=(20_000, 1))
    >>> cities = {"here": ages[:9000], "there": ages[9000:], "nowhere": ages[:0]}
    >>> sketches = {city: sketcher.sketch(rows) for city, rows in cities.items()}
    >>> released = release_groups(sketches, epsilon=1.0, delta=1e-6)
    >>> round(sum(released.values()).epsilon, 6)
    1.0
    """
    if not isinstance(sketches, Mapping) or not sketches:
        raise TypeError("release_groups expected a mapping of keys to sketches, at least one")
    for sketch in sketches.values():
        _check_sketch(sketch)
    with_rows = [sketch for sketch in sketches.values() if sketch.n_samples]
    if len({id(sketch) for sketch in with_rows}) < len(with_rows):
        raise ValueError(
            "one sketch is that of two groups, whose rows would be released twice at the cost of "
            "one: no row may be in two groups"
        )
    kinds = {(sketch.fingerprint, sketch.moment_kind) for sketch in sketches.values()}
    if len(kinds) > 1:
        raise ValueError(
            "the groups' sketches have different operators or moments: sketch all of them with one "
            "sketcher"
        )
    first = next(iter(sketches.values()))
    neighbors: Neighbors = "add-remove"
    options = (epsilon, delta, neighbors, rows_per_person, moments_share, budget)
    mechanisms = [_choose_mechanism(first, *options) for _ in sketches]
    _charge(with_rows, mechanisms[0], budget)
    released = {
        key: _add_noise(sketch, mechanism)
        for (key, sketch), mechanism in zip(sketches.items(), mechanisms, strict=True)
    }
    _warn_of_large_delta(delta, sum(each.n_samples for each in released.values()))
    return released


def _choose_mechanism(
    sketch: Sketch,
    epsilon: float,
    delta: float,
    neighbors: Neighbors,
    rows_per_person: int,
    moments_share: float,
    budget: Budget | None,
) -> Mechanism:
    """Return the mechanism that is asked for, before anything is spent."""
    check_privacy(epsilon, delta)
    if neighbors not in ("add-remove", "replace"):
        raise ValueError(f"neighbors must be 'add-remove' or 'replace', got {neighbors!r}")
    rows_per_person = check_count(rows_per_person, "rows_per_person")
    if not 0.0 < moments_share < 1.0:
        raise ValueError(f"moments_share must be between 0 and 1, got {moments_share!r}")
    if budget is not None and not isinstance(budget, Budget):
        raise TypeError(f"budget must be a Budget, got {type(budget).__name__}")
    import_optional("opendp.prelude")
    moved = sensitivities(
        sketch.operator, sketch.moment_kind, neighbors, rows_per_person, 2 if delta > 0 else 1
    )
    return Mechanism.choose(
        float(epsilon), float(delta), neighbors, rows_per_person, moved, float(moments_share)
    )


def _add_noise(sketch: Sketch, mechanism: Mechanism) -> PrivateSketch:
    """Return the private sketch that a mechanism makes of an exact one."""
    integers = compute_parts(sketch.operator, sketch.sums)
    parts = {part: mechanism.add_noise(part, integers[part]) for part in integers}
    kind, names = sketch.moment_kind, sketch.feature_names
    return PrivateSketch(sketch.operator, parts, (mechanism,), kind, feature_names=names)


def _warn_of_large_delta(delta: float, n: int) -> None:
    """Warn of a delta that protects no row, of so many rows as were released."""
    if delta * n >= 1.0:
        warn_caller(
            f"delta = {delta:g} is not below one over the number of rows, about {n}: releasing a "
            "row as it is would be as private. Choose delta far below that",
            UserWarning,
        )


def _check_sketch(sketch: Any) -> None:
    """Refuse what cannot be released: where the proof has no hold, or for which there is no way."""
    if isinstance(sketch, PrivateSketch):
        raise TypeError("the sketch is private already: whatever is computed of it is as well")
    if isinstance(sketch, Mapping):
        raise TypeError(
            f"release expected one Sketch, got a {type(sketch).__name__} of several: release "
            "them with release_groups, or release their sum, a table's total()"
        )
    if not isinstance(sketch, Sketch):
        raise TypeError(f"release expected a Sketch, {describe_no_sketch(sketch)}")
    domain = sketch.operator.domain
    if not (domain.clips and domain.is_of_box):
        lacks = "does not clip rows to a box" if domain.is_of_box else "was chosen on rows"
        raise ValueError(
            f"the sketch's operator {lacks}, and would tell of them: sketch with that of "
            "Sketcher.from_domain(lower, upper, clip=True), where lower and upper are known "
            "without looking at the data"
        )
    units = sketch.n_samples * ONE_WEIGHT
    # By Cauchy and Schwarz: where both sums are what ones have, all weights are ones.
    if (sketch.weight_units, sketch.squared_weight_units) != (units, units * ONE_WEIGHT):
        raise ValueError(
            "the rows have weights other than one, and no bound on them is known: sketch them "
            "without weights"
        )


def _charge(sketches: Sequence[Sketch], mechanism: Mechanism, budget: Budget | None) -> None:
    """Charge a budget, or refuse to release a sketch a second time without one."""
    # What makes other sketches of the same waves, as names do, is no part of it.
    waves = [sketch.sums.without_moments().to_bytes() for sketch in sketches]
    digests = {hashlib.blake2b(each, digest_size=16).digest() for each in waves}
    if budget is not None:
        budget.spend(mechanism.loss, mechanism.neighbors, mechanism.rows_per_person)
    with _lock:
        if budget is None and not digests.isdisjoint(_released):
            raise ValueError(
                "this sketch was released before, and both releases together protect less than "
                "each: count them in one Budget, release(..., budget=budget)"
            )
        _released.update(digests)
