"""What a decode leaves in doubt: recorded for reports, and said in warnings that name a remedy."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sketchlearn._caller import warn_caller
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders import FitQuality, MeanShift, Mixture, Problem
from sketchlearn.decoders.quality import SEVERITY, Verdict
from sketchlearn.estimators.weighted_pilot import WeightedPilot
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike

# Frequencies for each parameter of a mixture that a sketch should have. Of seven decodes of k-means
# that were in doubt from 2 k d frequencies, in 2 and 5 columns, six were good from so many; and all
# were by `fit` with the rows.
FREQUENCIES_A_PARAMETER = 5
# Where much is left unexplained: so many more clusters, as a share of those asked for, are decoded;
# and they were missing if this share of it, or less, is still left. On real data that is no mixture
# it is .5 to .9; where one cluster of six or three of ten are missing, 0 to .26.
MORE_CLUSTERS, STILL_UNEXPLAINED = 0.25, 0.3
# Scale, in standard deviations of the rows, from which waves tell too little of clusters. The
# automatic one is at most 1 for rows like the pilot's; from 2 on, 53 of 107 decodes lost a tenth.
# Over that of k cells that share the rows' volume the automatic one is at most 1.6; from 3.3 on 20
# of 22 decodes of 10 and 30 clusters lost a tenth, and from 2.4 to 3.1 ones of 5 lost nothing.
# Of a range of scales, the finest over that of k cells that share the rows' volume: 0.2 where a box
# is three times too wide; boxes 20 and more times too wide, from 1.5 on, lost up to 1.1.
COARSE, COARSE_CELLS, COARSE_IF_RANGE = 1.5, 3.2, 1.25
# From how many times the variance of the operator's rows on rows have moved, where much is left.
MOVED = 1.2
# Standard errors of its noise by which a private sketch's power must exceed it. Three clusters were
# missed at 5, off by about their own width at 10, and found at 30.
BEYOND_NOISE = 10.0
# Steps of the moments' grid that a column's deviation should be: with fewer its variance may be off
# by a ten-thousandth.
FEWEST_STEPS = 10_000
# Ratio from which it is told as a multiple, no longer in per cent.
MANY_TIMES = 10.0
# Columns that a warning names.
MOST_NAMES = 3

# What `fit` is to be called with, so that it looks at rows: where it was not called at all, where
# it was with a sketcher that had been fitted, and where rows came by `partial_fit` and are gone.
THE_ROWS, ONLY_ROWS = "the rows", "the rows and no fitted sketcher"
SOME_ROWS = "some thousand rows from all over the stream"

_recorded: contextvars.ContextVar[list[Doubt] | None] = contextvars.ContextVar(
    "recorded", default=None
)
_rows_to_fit: contextvars.ContextVar[str] = contextvars.ContextVar("rows_to_fit", default=THE_ROWS)


@final
@dataclass(frozen=True)
class Doubt:
    """What a decode leaves in doubt, and what to do about it.

    Parameters
    ----------
    finding : str
        What is so, with figures; ends as the remedy goes on.
    remedy : str
        The one thing to change first.
    verdict : "doubtful" or "wrong"
        What to make of the model.
    otherwise : str, default=""
        What else may help; goes on from the remedy.
    """

    finding: str
    remedy: str
    verdict: Verdict
    otherwise: str = ""

    @property
    def message(self) -> str:
        """All of it, as a warning says it."""
        remedies = ", ".join(part for part in (self.remedy, self.otherwise) if part)
        return f"{self.finding} {remedies}"


@contextmanager
def record_doubts(*, anew: bool = True, rows: str = THE_ROWS) -> Iterator[list[Doubt]]:
    """Return a list that gets all doubts that are raised within the context.

    If not begun anew it is the list of the context around, which has earlier ones, if there is one.
    What remedies say that `fit` looks at are ``rows``.
    """
    before = _recorded.get()
    doubts: list[Doubt] = [] if anew or before is None else before
    tokens = _recorded.set(doubts), _rows_to_fit.set(rows)
    try:
        yield doubts
    finally:
        _recorded.reset(tokens[0])
        _rows_to_fit.reset(tokens[1])


def name_fit() -> str:
    """Return, as an order, how `fit` gets to look at the rows themselves."""
    return f"call fit with {_rows_to_fit.get()}"


def raise_doubt(
    finding: str, remedy: str, verdict: Verdict = "wrong", *, otherwise: str = ""
) -> None:
    """Warn the caller of `fit` of a doubt, and record it where somebody listens."""
    doubt = Doubt(finding, remedy, verdict, otherwise)
    if (doubts := _recorded.get()) is not None:
        doubts.append(doubt)
    warn_caller(doubt.message, ConvergenceWarning)


def take_doubts(model: Any, doubts: Sequence[Doubt]) -> None:
    """Keep what was warned of at a model's decode; its ``quality_`` is then no milder."""
    model.doubts_ = tuple(doubts)
    if "quality_" in vars(model):
        verdicts: list[Verdict] = ["good", *(doubt.verdict for doubt in doubts)]
        gravest = max(verdicts, key=SEVERITY.__getitem__)
        model.quality_ = replace(model.quality_, warned=gravest)


def warn_of_few_frequencies(
    family: AtomFamily, n_atoms: int, has_pilot: bool, *, is_exact: bool
) -> None:
    """Warn if the sketch has fewer numbers than the mixture has parameters.

    Where no pilot helps, if it has fewer than two for each: with these a decode succeeds by
    luck.
    """
    wanted = family.n_parameters(n_atoms)
    m = family.operator.n_frequencies
    least = wanted // 2 + 1 if has_pilot else wanted
    needed = "more than one for each" if has_pilot else "two for each where no pilot helps"
    if n_atoms <= m < least:
        wanted_m = f"n_frequencies={FREQUENCIES_A_PARAMETER * wanted} (at least {least})"
        remedies = f"sketch with {wanted_m}", "or ask for fewer clusters or components"
        if not is_exact:
            remedies = "ask for fewer clusters or components", f"or for a release of {wanted_m}"
        raise_doubt(
            f"a sketch of {m} frequencies has {2 * m} numbers for the {wanted} parameters of "
            f"{n_atoms} clusters or components in {family.n_features} "
            f"dimensions, too few to determine them ({needed}):",
            remedies[0],
            "doubtful",
            otherwise=remedies[1],
        )


def has_few_rows(sketch: SketchLike, n_atoms: int) -> bool:
    """Whether a sketch is of no more rows than clusters or components are asked for.

    It is asked first, and not so where `fit` has told how few of its rows are distinct.
    """
    return sketch.is_exact and sketch.n_samples <= n_atoms and not _recorded.get()


def warn_of_few_rows(quality: FitQuality, sketch: SketchLike, n_atoms: int) -> None:
    """Warn of a model of no more rows than clusters or components; no figure tells more then."""
    rows = "row is" if sketch.n_samples == 1 else "rows are"
    raise_doubt(
        f"{sketch.n_samples} {rows} too few for {n_atoms} clusters or components, each of which is "
        "a row then, or none:",
        "ask for fewer",
        "doubtful" if quality.verdict == "good" else quality.verdict,
        otherwise="or add rows.",
    )


def warn_of_added_noise(sketch: SketchLike) -> bool:
    """Warn if a private sketch's waves are hardly more than the released noise, and say if so."""
    if is_hidden := is_hidden_by_noise(sketch):
        raise_doubt(
            "the sketch's waves are hardly more than the noise that it was released with: clusters "
            "or components may be anywhere.",
            "Release more rows",
            otherwise="or with a larger epsilon.",
        )
    return is_hidden


def is_hidden_by_noise(sketch: SketchLike) -> bool:
    """Whether a sketch's waves are hardly more than noise that it was released with."""
    if (added := sketch.added_noise) is None:
        return False
    # Real and imaginary parts have that variance each.
    power, noise = np.sum(np.abs(sketch.centered_mean) ** 2), 2.0 * np.sum(added.variance)
    return bool(power <= noise * (1.0 + BEYOND_NOISE * sketch.operator.n_frequencies**-0.5))


def warn_of_instability(quality: FitQuality, sketch: SketchLike, n_clusters: int) -> None:
    """Warn if another decode found other centroids, or they lie farther apart than the rows."""
    if quality.verdict == "good" or quality.instability is None:
        return
    found = (
        f"on other points that match it up to its noise, these centroids' sum of squares is "
        f"{name_difference(quality)}"
    )
    remedy, otherwise = advise(quality, f"or {name_fit()}.")
    if quality.instability <= quality.thresholds.instability:
        least, greatest = quality.moment_factors
        found = (
            f"what matches it has {least:.3g} to {greatest:.3g} times the rows' variance, by "
            "direction"
        )
        if quality.share_decoded < 1.0 and sketch.moment_kind == "diagonal":
            # Of all rows; those that it was fitted on tell them only about.
            remedy = "Sketch with moments='full', which tell the directions of all rows"
            otherwise = f"or {name_fit()}."
    if not quality.has_enough_rows:
        wanted = round(quality.thresholds.rows_per_parameter * quality.n_parameters)
        remedy, otherwise = f"Add rows, {wanted} at least", "or ask for fewer clusters."
        found += f", and {quality.n_rows:.6g} rows are too few to tell so many"
    raise_doubt(
        f"the sketch hardly determines {n_clusters} clusters: {found}.",
        remedy,
        quality.verdict,
        otherwise=otherwise,
    )


def advise(quality: FitQuality, others: str) -> tuple[str, str]:
    """Return what to do first where clusters were missed or misplaced, and what else may help.

    A sketch as large as is recommended hardly tells more with more frequencies, as where tails are
    heavy: the rows do. Whoever has a release has no rows, and may not have them.
    """
    if quality.known_share > 0.0:
        # The first costs nothing.
        return "Try another number of clusters", "or ask for a release with a larger epsilon."
    if more := name_frequencies(quality):
        return f"Sketch with {more}", others
    return begin_sentence(name_fit()), "which looks at the rows themselves."


def name_frequencies(quality: FitQuality) -> str:
    """Return as many frequencies as a sketch should have; "" if it has."""
    wanted, m = FREQUENCIES_A_PARAMETER * quality.n_parameters, quality.operator.n_frequencies
    return f"n_frequencies={wanted}, now {m}" if m < wanted else ""


def warn_of_coarse_scale(sketch: SketchLike, n_atoms: int) -> bool:
    """Warn if a sketch's waves are too long for rows as narrow as these, and say if so.

    They hardly differ from cluster to cluster then, and nearly any centroids explain them.
    """
    operator, region = sketch.operator, Region.of(sketch)
    if n_atoms > operator.n_frequencies:
        return False  # Which is refused.
    deviation = float(np.sqrt(np.mean(region.variances / operator.units**2)))
    times = operator.domain.scales[-1] / deviation if deviation > 0.0 else 0.0
    has_range = operator.domain.finest_scale is not None
    cells = n_atoms ** (1.0 / sketch.n_features)
    most = COARSE_IF_RANGE if region.is_exact else COARSE
    is_long = times * cells > most if has_range else times > COARSE or times * cells > COARSE_CELLS
    if is_long:
        remedy = "Fit the sketcher on rows like these, and sketch them anew"
        otherwise = "or declare a box that is not so much wider than they are."
        if sketch.added_noise is not None:
            # Which may not be fitted on them.
            remedy = "Ask for a release from a box that is not so much wider than the rows"
            otherwise = "or from more rows, which tell how wide they are."
        raise_doubt(
            f"the sketch's scale, the width of a cluster that its waves were drawn for, is "
            f"{times:.3g} times the rows' {'own' if region.is_exact else 'known'} standard "
            "deviation: its waves tell little of where clusters are, and fit nearly any.",
            remedy,
            "doubtful",
            otherwise=otherwise,
        )
    return is_long


def warn_of_lost_directions(sketch: SketchLike, mixture: Mixture) -> bool:
    """Warn if wide rows have moved and nothing tells along which directions, and say if so.

    They were decoded along those in which the operator's rows were widest.
    """
    quality, kind = mixture.quality, sketch.moment_kind
    if quality.misfit <= quality.thresholds.very_large_misfit or kind is None:
        return False
    after, before = sketch.moments.variance.sum(), sketch.operator.domain.variances.sum()
    if has_moved := kind == "diagonal" and after > MOVED * before:
        raise_doubt(
            f"{mixture.misfit:.1%} of the sketch's power is left unexplained, of rows of "
            f"{sketch.n_features} columns whose variance is {after / before:.3g} times that of the "
            "rows that the sketcher was fitted on. They were decoded along the directions in which "
            "these were widest:",
            "sketch with moments='full', which tell the directions of all rows.",
        )
    return bool(has_moved)


def warn_of_missed_clusters(
    sketch: SketchLike,
    family: AtomFamily,
    mixture: Mixture,
    rng: np.random.Generator,
    pilot: WeightedPilot | None = None,
) -> bool:
    """Warn if the sketch shows clusters for which there is no centroid, and say if so.

    Much that is left unexplained may as well be clusters of odd shapes. Those that are missing
    are explained by a few atoms more, which k-means finds on a pilot if there is one. There it has
    settled the centroids as well, and what is in doubt is their number.
    """
    if not mixture.quality.leaves_clusters:
        return False
    n_atoms = len(mixture.weights)
    n_more = n_atoms + max(1, round(MORE_CLUSTERS * n_atoms))
    if n_more > sketch.operator.n_frequencies:
        return False
    problem = Problem.of(sketch, family, n_more, region=mixture.quality.region)
    given = () if pilot is None else pilot.atoms(n_more, int(rng.integers(2**31 - 1)))
    search = given[0] if given else MeanShift()
    problem = problem.at_scale(mixture.family.operator.scale).with_widths(mixture.family.widths)
    more = search.solve(problem, rng)
    more_waves = "" if mixture.quality.known_share > 0.0 else name_frequencies(mixture.quality)
    if is_warned := more.misfit <= STILL_UNEXPLAINED * mixture.misfit:
        raise_doubt(
            f"{n_atoms} clusters leave {mixture.misfit:.1%} of the sketch's power "
            f"unexplained, {n_more} leave {more.misfit:.1%}: there are more clusters than "
            f"n_clusters={n_atoms}, or the decode missed some.",
            f"Try n_clusters up to {n_more}",
            "wrong" if pilot is None else "doubtful",
            otherwise=f"a larger n_init or {more_waves}." if more_waves else "or a larger n_init.",
        )
    return is_warned


def name_spread(quality: FitQuality, spread_ratio: float) -> str:
    """Return a share of the rows' variance, or a multiple where it is many times that."""
    what = name_variance(quality.region)
    if spread_ratio < MANY_TIMES:
        return f"{spread_ratio:.0%} of {what}"
    return f"{name_times(spread_ratio)} {what}"


def name_difference(quality: FitQuality) -> str:
    """Return how far the sum of squares is above the best, and how far along what was decoded."""
    excess, share = quality.instability or 0.0, quality.share_decoded
    if share in (0.0, 1.0):
        return name_excess(excess)
    along = f"{name_excess(excess)} along the directions in which rows are widest"
    return f"{name_excess(excess * share)} in all columns, and {along}"


def name_excess(excess: float) -> str:
    """Return how far a sum of squares is above the best, which may be next to nothing."""
    if 1.0 + excess < MANY_TIMES:
        return f"{excess:.0%} above the best"
    return f"{name_times(1.0 + excess)} the best"


def begin_sentence(text: str) -> str:
    """Return a clause with a capital letter."""
    return f"{text[:1].upper()}{text[1:]}"


def name_times(ratio: float) -> str:
    """Return a large ratio in words, of which digits beyond a hundred say nothing."""
    return "more than 100 times" if ratio > 100.0 else f"{ratio:.2g} times"


def name_variance(region: Region) -> str:
    """Return what a spread is compared with, in words."""
    if region.is_exact:
        return "the rows' variance"
    return "the variance that is known of the rows (a pilot's, a box's, or released with noise)"


def warn_of_coarse_grid(sketch: SketchLike) -> None:
    """Warn if a column is so narrow beside those of the first rows that rounding hurts its moments.

    A column's deviation is off by half a step of the grid at most, whatever its rows are.
    """
    if not sketch.is_exact:
        return
    steps, deviations = sketch.operator.moment_grid.steps, sketch.moments.standard_deviation
    is_coarse = (deviations > 0.0) & (deviations < FEWEST_STEPS * steps)
    if not is_coarse.any():
        return
    counts = np.where(is_coarse, deviations / steps, np.inf)
    worst = int(counts.argmin())
    name = sketch.column_names[worst]
    error = 1.0 / counts[worst] + 0.25 / counts[worst] ** 2
    warn_caller(
        f"{int(is_coarse.sum())} of {len(counts)} columns are much narrower than the rows that the "
        "sketcher was fitted on, or than other columns: the standard deviation of "
        f"{name!r} is {counts[worst]:.3g} steps of the grid that rows are rounded to, and "
        f"its variance may be off by {100.0 * error:.2g} % of itself. Sketch the rows again by "
        "make_moment_sketcher(rows), fitted on rows as narrow as these.",
        UserWarning,
    )
