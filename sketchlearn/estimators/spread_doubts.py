"""Doubts about how far apart what was decoded lies, beside the rows' own spread."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sketchlearn.decoders import FitQuality, Mixture
from sketchlearn.estimators.doubts import (
    advise,
    begin_sentence,
    name_fit,
    name_spread,
    raise_doubt,
)
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike

# Mean power of a wave, times the number of clusters, up to which waves are too short for these: at
# 0.06 and less all of 15 decodes had nine times k-means' sum of squares and more, at 0.07 and more
# one of six had half as much again; of the automatic scale it is 0.8 and more.
FINE = 0.065
# Standard errors of a variance that a spread may exceed the pilot's by, beyond what is called high.
BY_CHANCE = 3.0
# Rows' variance, over that of rows at a declared box's sides, from which they have surely left it,
# and from which that is in doubt whatever the decode looks like: of ten decodes beyond it eight had
# 1.8 to 30 times the sum of squares of k-means, one of 6 times called good.
AT_SIDES, FAR_BEYOND = 1.0, 4.0


def warn_of_left_box(quality: FitQuality) -> None:
    """Warn if rows are so far outside the box that their operator was declared for."""
    domain, region = quality.operator.domain, quality.region
    if domain.box is None or domain.clips or not region.is_exact:
        return
    lower, upper = domain.box
    half = 0.5 * upper - 0.5 * lower
    squares = region.variances + (region.mean - 0.5 * lower - 0.5 * upper) ** 2
    # Of rows within the sides it is at most one.
    times = float(np.max(np.sqrt(squares[half > 0.0]) / half[half > 0.0], initial=0.0))
    if times**2 > (FAR_BEYOND if quality.verdict == "good" else AT_SIDES):
        raise_doubt(
            f"rows are {times:.3g} times as far from the middle of the box that the sketcher was "
            "declared for as its sides are, in the root of the mean square of a column: its waves "
            "are too short for them.",
            "Declare a box that holds them, and sketch the rows anew",
            "doubtful",
            otherwise="or fit a Sketcher on them.",
        )


def warn_of_lost_spread(mixture: Mixture) -> None:
    """Warn if something far from all atoms was probably missed."""
    quality, n_atoms = mixture.quality, len(mixture.weights)
    left = (mixture.matched or mixture).quality
    wanted = round(quality.thresholds.rows_per_parameter * quality.n_parameters)
    if not quality.lacks_spread or replace(left, unseen_gain=quality.unseen_gain).gains_little:
        return
    if quality.known_share > 0.0:
        finding, remedy = describe_released_spread(mixture, wanted)
        raise_doubt(finding, remedy, "doubtful" if quality.n_rows < wanted else "wrong")
    elif quality.n_rows < wanted:
        raise_doubt(
            f"{quality.n_rows:.6g} rows are too few to find {n_atoms} clusters or components by "
            "their sketch alone, whose noise hides single rows:",
            f"add rows, {wanted} at least",
            "doubtful",
            otherwise=f"or {name_fit()}, which looks at the rows themselves.",
        )
    elif left.is_noise or left.misfit <= left.thresholds.large_misfit:
        # Waves that leave so little show nothing of what is far, however many there are.
        raise_doubt(
            f"only {name_spread(quality, mixture.spread_ratio)} was decoded: "
            "far outliers, or a far cluster of few rows, escaped the sketch.",
            begin_sentence(name_fit()),
            otherwise="or leave the outliers out.",
        )
    else:
        others = "a larger n_init, more clusters or components, or leave the outliers out."
        remedy, otherwise = advise(quality, others)
        raise_doubt(
            f"only {name_spread(quality, mixture.spread_ratio)} was decoded: "
            "a far cluster or far outliers escaped the sketch.",
            remedy,
            otherwise=otherwise,
        )


def describe_released_spread(mixture: Mixture, wanted: int) -> tuple[str, str]:
    """Say what spread a release with noise hides, and what its holder can do about it."""
    quality = mixture.quality
    finding = (
        f"only {name_spread(quality, mixture.spread_ratio)} was decoded: "
        "far rows are lost in the noise of the release."
    )
    remedy = (
        "Ask for a release from a box or radius that fits the rows: narrower where rows fill "
        "little of it, wider where many were clipped to it."
    )
    if quality.n_rows < wanted:
        finding += (
            f" It tells as much as {quality.n_rows:.3g} rows would without noise, too few for "
            f"{len(mixture.weights)} clusters or components."
        )
        remedy += f" Releases of other rows may be added, until they tell as much as {wanted} rows."
    return finding, remedy


def warn_of_wide_spread(mixture: Mixture) -> None:
    """Warn if the centroids lie farther apart than the rows, by more than chance."""
    quality = mixture.quality
    by_chance = BY_CHANCE * (2.0 / max(quality.n_rows, 1.0)) ** 0.5
    if quality.exceeds_spread and (
        quality.misses_clusters or quality.spread_ratio > quality.thresholds.high_spread + by_chance
    ):
        others = "a larger n_init, or fit the sketcher on rows like these."
        remedy, otherwise = advise(quality, others)
        raise_doubt(
            f"{mixture.misfit:.1%} of the sketch's power is left unexplained, with "
            f"{name_spread(quality, mixture.spread_ratio)}: clusters are misplaced.",
            remedy,
            otherwise=otherwise,
        )


def warn_of_moved(mixture: Mixture) -> None:
    """Warn if clusters that moved far away were missed, whatever the spread that was decoded."""
    quality = mixture.quality
    if quality.loses_moved:
        before = float(quality.operator.domain.variances.sum())
        times = (quality.region.variance / before) ** 0.5 if before > 0 else float("inf")
        raise_doubt(
            f"{mixture.misfit:.1%} of the sketch's power is left unexplained, of rows {times:.3g} "
            "times as spread as those that the sketcher was made for: clusters that moved far "
            "away were missed.",
            "Try bounds",
            otherwise="a larger n_init, or a sketcher with scale='mixed', fitted on rows like "
            "these.",
        )


def warn_of_fine_scale(sketch: SketchLike, mixture: Mixture) -> bool:
    """Warn if what is in doubt was decoded from waves that are too short, and say if so.

    Within a cluster much wider than the scale they cancel, and what is left of them is noise. Of
    declared boxes and radii others speak: `warn_of_left_box`, and noise that hides.
    """
    if sketch.operator.domain.box is not None:
        return False
    power = len(mixture.weights) * float(np.mean(np.abs(sketch.centered_mean) ** 2))
    if is_short := mixture.quality.figures_verdict != "good" and power < FINE:
        scale = sketch.operator.domain.scales[-1]
        deviation = float(np.sqrt(np.mean(Region.of(sketch).variances / sketch.operator.units**2)))
        raise_doubt(
            f"the sketch's scale, the width of a cluster that its waves were drawn for, is "
            f"{scale / deviation:.2g} of the rows' standard deviation: within clusters so much "
            "wider waves cancel, and tell little of where these are.",
            "Sketch with scale='auto'",
            otherwise="or with a larger one.",
        )
    return is_short
