"""How large a sketch should be, and of what kind, before any row is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sketchlearn._validation import RandomState, check_count, check_positive
from sketchlearn.planning.costs import MOST_ROWS, Question, calibrate
from sketchlearn.planning.prediction import Plan
from sketchlearn.planning.table import read_table
from sketchlearn.sketching.tuning import resolve_frequency_count, resolve_operator

# Frequencies below which no sketch is planned.
LEAST_FREQUENCIES = 100

# What is least of the plan chosen: in case of a tie, figure by figure.
GOALS: dict[str, Callable[[Plan], tuple[float, ...]]] = {
    "seconds": lambda one: (one.seconds, one.sketch_bytes),
    "bytes": lambda one: (one.sketch_bytes, one.file_bytes, one.seconds),
    "error": lambda one: (one.expected_error, one.seconds),
}


def plan(
    n_samples: float,
    n_features: float,
    n_clusters: float = 10,
    *,
    error: float | None = None,
    max_bytes: float | None = None,
    max_seconds: float | None = None,
    goal: str | None = None,
    n_workers: float = 1,
    random_state: RandomState = 0,
) -> Plan:
    """Choose size, operator and features of a sketch for k-means; predict its costs and its error.

    Bytes are those of sketches that are really taken, of a few rows; seconds come from half a
    second of sketching such rows on this machine, and from a small decode on it, and the first
    plan on a machine compiles both, which takes longer; errors, and how decodes grow with their
    size, from tables that `docs/benchmarks/planning.py` measured. In the sets of these tables
    clusters touch or are some widths apart. Clusters of many columns that are ten and more widths
    apart need the size that "auto" takes: smaller sketches may lose some, and decodes say so.

    Parameters
    ----------
    n_samples, n_features : int
        Rows and columns of the data. All counts may be written as whole floats, such as 1e9.
    n_clusters : int, default=10
        Clusters to look for.
    error : float, optional
        Error that half of data sets stay below, 0.02 for two per cent; the plan says what nine of
        ten do.
    max_bytes : float, optional
        Most bytes of a sketch, without its operator.
    max_seconds : float, optional
        Most seconds for the pass and the decode together.
    goal : {"seconds", "bytes", "error"}, optional
        What is least of the plan, among all that keep to the limits; of as few bytes of the sketch
        "bytes" takes the fewest with the operator. By default "seconds" where an `error` is given,
        "error" where only other limits are. With neither goal nor limit the sketch planned is the
        one that ``Sketcher(n_frequencies="auto")`` takes.
    n_workers : int, default=1
        Processes or threads that sketch side by side. More than the rows keep busy do not make it
        faster; a note says so.
    random_state : int, RandomState, Generator or None
        Of the sketches that are timed; no figure but the seconds depends on it.

    Returns
    -------
    Plan
        Printed, it says all of it in three lines, and its alternatives and notes in one each.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or rows are fewer than clusters; if no operator of the size
        would fit into memory; or if no sketch meets what is asked for: then the message says
        which comes nearest.

    Examples
    --------
    >>> from sketchlearn import plan
    >>> chosen = plan(1_000_000, 2, 3, error=0.05)
    >>> chosen.expected_error <= 0.05, chosen.operator
    (True, 'dense')
    >>> sketcher = chosen.make_sketcher(random_state=0)
    """
    d, k = to_count(n_features, "n_features"), to_count(n_clusters, "n_clusters")
    question = Question(to_count(n_samples, "n_samples"), d, k, to_count(n_workers, "n_workers"))
    if question.n_samples < k:
        raise ValueError(
            f"n_samples must be at least n_clusters, got {question.n_samples} rows for {k} clusters"
        )
    if question.n_samples >= MOST_ROWS:
        raise ValueError(
            f"n_samples must be less than {MOST_ROWS:,}, which is more than the sums of a sketch "
            f"hold, got {question.n_samples:,}"
        )
    limits = {
        name: check_positive(value, name)
        for name, value in (
            ("error", error),
            ("max_bytes", max_bytes),
            ("max_seconds", max_seconds),
        )
        if value is not None
    }
    if limits.get("error", 0.0) > 1.0:
        raise ValueError(
            "error must be a part of the sum of squares, such as 0.02 for two per cent, "
            f"got {error:g}"
        )
    if goal is not None and (not isinstance(goal, str) or goal not in GOALS):
        known = ", ".join(map(repr, GOALS))
        raise ValueError(f"goal must be one of {known}, or None, got {goal!r}")
    sizes = list_sizes(question)
    models = calibrate(question, sizes, random_state)
    plans = [model.predict(m) for model in models for m in sizes]
    if goal is None and not limits:
        automatic = (resolve_operator("auto", d), "waves")
        model = next((one for one in models if one.kind == automatic), models[0])
        chosen = model.predict(resolve_frequency_count("auto", k, d))
    else:
        chosen = choose(plans, limits, goal or ("seconds" if "error" in limits else "error"))
    return replace(chosen, alternatives=list_alternatives(chosen, plans, limits))


def choose(plans: Sequence[Plan], limits: Mapping[str, float], goal: str) -> Plan:
    """Return the best plan of those that keep to the limits; ValueError if none does."""
    fitting = [one for one in plans if fits(one, limits)]
    if not fitting:
        nearest = min(plans, key=lambda one: max(exceeds(one, limits).values()))
        asked = ", ".join(f"{name}={limits[name]:.15g}" for name in limits)
        raise ValueError(
            f"no sketch keeps to {asked}; the nearest, of {nearest.n_frequencies} frequencies with "
            f"operator={nearest.operator!r} and features={nearest.features!r}, takes "
            f"{nearest.sketch_bytes:,} bytes and about {round_up(nearest.seconds):,.15g} seconds, "
            f"which are timed anew each time, and an error of "
            f"{round_up(nearest.expected_error, 3, margin=1.0):.3g} is expected of it"
        )
    return min(fitting, key=GOALS[goal])


def list_alternatives(
    chosen: Plan, plans: Sequence[Plan], limits: Mapping[str, float]
) -> tuple[Plan, ...]:
    """Return plans that keep to the limits as well, and are better in one of the goals.

    Where no error was asked for, theirs is no larger than that of the plan chosen.
    """
    limits = {"error": chosen.expected_error, **limits}
    fitting = [one for one in plans if fits(one, limits)]
    found: list[Plan] = []
    for goal in GOALS.values():
        best = min(fitting, key=goal, default=chosen)
        if goal(best)[0] < goal(chosen)[0] and best not in found:
            found.append(best)
    return tuple(found)


def round_up(value: float, digits: int = 2, *, margin: float = 1.1) -> float:
    """Return the next number of few digits; of seconds, a tenth above: they vary from run to run.

    Examples
    --------
    >>> from sketchlearn.planning.choosing import round_up
    >>> round_up(0.187), round_up(110.0), round_up(0.002543, 3, margin=1.0)
    (0.21, 130.0, 0.00255)
    """
    if value <= 0.0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return float(f"{math.ceil(margin * value / step) * step:.{digits}g}")


def to_count(value: Any, name: str) -> int:
    """Return a positive integer, which may come as a float such as 1e9; as `check_count` else."""
    is_whole = isinstance(value, float) and value.is_integer()
    count = check_count(int(value) if is_whole else value, name)
    if count >= 2**63:
        raise ValueError(f"{name} must be less than 2**63, got one of {count.bit_length()} bits")
    return count


def list_sizes(question: Question) -> list[int]:
    """Return numbers of frequencies to choose among, growing: those that errors are known for."""
    ratios = [one["ratio"] for known in read_table()["errors"].values() for one in known]
    steps = np.geomspace(min(ratios), max(ratios), 17)
    return sorted({max(LEAST_FREQUENCIES, math.ceil(step * question.n_numbers)) for step in steps})


def exceeds(one: Plan, limits: Mapping[str, float]) -> dict[str, float]:
    """Return by how much a plan exceeds each limit, as the logarithm of the ratio."""
    found = {"error": one.expected_error, "max_bytes": one.sketch_bytes, "max_seconds": one.seconds}
    return {name: math.log(max(found[name], 1e-12) / limit) for name, limit in limits.items()}


def fits(one: Plan, limits: Mapping[str, float]) -> bool:
    """Whether a plan keeps to all limits."""
    return all(excess <= 0.0 for excess in exceeds(one, limits).values())
