"""What a Gaussian mixture from a sketch leaves in doubt beside its clusters: its likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from sketchlearn._validation import list_some
from sketchlearn.decoders import FitQuality
from sketchlearn.decoders.quality import LEAST_BLUR
from sketchlearn.estimators.doubts import (
    MOST_NAMES,
    begin_sentence,
    name_fit,
    name_frequencies,
    raise_doubt,
)
from sketchlearn.points.em import Moments
from sketchlearn.sketches.region import Region

# What noise costs a mixture falls as frequencies grow: so many are named that it should be this
# part of what is doubtful, unless they are more than that for each parameter.
LOSS_AIMED_AT, MOST_FREQUENCIES_A_PARAMETER = 0.5, 30
# Part of a column's variance from which `reg_covar` tells of small units, and nats a row that it
# may cost there: less is below what else moves a likelihood.
SMALL_UNITS, LARGEST_LOSS_BY_UNITS = 1e-3, 0.03


def warn_of_moments(quality: FitQuality, dependent: Sequence[str]) -> None:
    """Warn if Gaussians have not the rows' covariance, or are as narrow as a sketch can show.

    That may be for columns that nearly depend on one another; these are named. Of few rows the
    figures are chance, and the verdict alone tells.
    """
    if quality.verdict == "good" or not (quality.region.is_exact and quality.has_enough_rows):
        return
    if quality.loses_moved or quality.degrees_of_freedom <= 0:
        return  # Which was warned of.
    (least, greatest), loss = quality.moment_factors, quality.sampling_loss or 0.0
    finding = (
        f"components together have {least:.3g} to {greatest:.3g} times the rows' variance, by "
        "direction: far or heavy-tailed rows are lost, and EM on them may be far likelier."
    )
    others = f"or sketch with {more}." if (more := name_frequencies(quality)) else ""
    if quality.detail is not None and quality.detail <= quality.thresholds.detail:
        why = "rows of few values, of amounts often zero or at limits are no Gaussians"
        others = ""  # How many waves would be short enough is not known.
        if dependent:
            why = f"columns {list_some(dependent, MOST_NAMES)} nearly depend on one another"
            others = "or leave one of these columns out."
        finding = (
            f"components are as narrow as the sketch can show: {why}, and EM on the rows may be "
            "far likelier."
        )
    elif loss > quality.thresholds.sampling_loss:
        finding = f"the sketch's noise moves components: about {loss:.2g} nats a row are lost."
        if np.isinf(loss):
            finding = (
                f"{quality.n_parameters} parameters are too many to tell what the sketch's noise "
                "makes of them."
            )
        others = f"or sketch with {more}." if (more := name_frequencies_against(quality)) else ""
    raise_doubt(
        finding,
        f"{begin_sentence(name_fit())}, which runs EM on some of them" + ("" if others else "."),
        quality.verdict,
        otherwise=others,
    )


def name_frequencies_against(quality: FitQuality) -> str:
    """Return as many frequencies as halve what noise may cost; "" if these are too many."""
    m, at = quality.operator.n_frequencies, quality.thresholds
    times = (quality.sampling_loss or 0.0) / (LOSS_AIMED_AT * at.sampling_loss)
    most = MOST_FREQUENCIES_A_PARAMETER * quality.n_parameters
    return f"n_frequencies={round_up(times * m)}, now {m}" if times * m <= most else ""


def round_up(number: float) -> int:
    """Return a number rounded up to two digits."""
    step = 10 ** max(math.floor(math.log10(number)) - 1, 0)
    return math.ceil(number / step) * step


def warn_of_columns(quality: FitQuality, units: np.ndarray) -> bool:
    """Warn if Gaussians have not the variance of some column, and say if so; decoded in units.

    Then no figure of single components tells anything: what the sketch's noise makes of them least.
    """
    if not quality.mistakes_columns:
        return False
    least, greatest = quality.column_factors
    remedy = "Sketch with a Sketcher(scale='columns')"
    if np.any(units != 1.0):
        remedy = begin_sentence(name_fit())
    raise_doubt(
        f"components have {least:.3g} to {greatest:.3g} times the rows' variance, by column or "
        "direction: the sketch's frequencies are too low for narrow ones beside wide ones.",
        remedy,
        otherwise="or multiply columns by factors that make them about as wide, and sketch anew.",
    )
    return True


def warn_of_regularisation(reg_covar: float, region: Region, fitted: Moments) -> None:
    """Warn if what is added to variances costs likelihood in columns of small units.

    They are columns of whose rows' variance it is much; of others components may close in on
    values, which it is there to stop. A Gaussian of variance v (1 + r) has half of
    log(1 + r) - r / (1 + r) nats less, of rows of variance v.
    """
    rows = region.variances
    is_small = (rows > 0.0) & (reg_covar > SMALL_UNITS * rows)
    if not (region.is_exact and is_small.any()):
        return
    variances = np.einsum("kll->kl", fitted.covariances)[:, is_small]
    ratios = reg_covar / np.maximum(variances, LEAST_BLUR * rows[is_small])
    lost = 0.5 * fitted.weights @ (np.log1p(ratios) - ratios / (1.0 + ratios))
    if (loss := float(lost.sum())) > LARGEST_LOSS_BY_UNITS:
        raise_doubt(
            f"reg_covar={reg_covar:.3g}, which is added to every variance, costs about {loss:.2g} "
            f"nats a row: the least variance of a column is {rows[is_small].min():.2g}.",
            f"Set reg_covar={1e-6 * rows[is_small].min():.1g}",
            "doubtful",
            otherwise="or multiply columns by factors that make them about 1 wide.",
        )


def warn_of_shared_values(
    names: Sequence[str],
    reg_covar: float,
    gain: float,
    source: Literal["rows", "sums", "pilot"],
) -> None:
    """Warn if Gaussians that close in on values which many rows share gain so many nats a row.

    One start of EM on the rows did; or without these EM on rows like them.
    """
    some = list_some([repr(str(name)) for name in names], MOST_NAMES)
    finding = f"many rows share a value of column{'s' if len(names) > 1 else ''} {some}"
    if source == "rows":
        finding += (
            f", and one start of EM found a mixture likelier by {gain:.2g} nats a row, by "
            "components that close in on such values. They only get likelier as they narrow, down "
            f"to reg_covar={reg_covar:.3g}, and which ones a start finds is chance: what was taken "
            "is a mixture that two starts lead to."
        )
        remedy = "Divide columns by their deviations and set reg_covar=0.2"
        otherwise = "with which EM's starts differ by less than one nat, or leave such columns out."
    else:
        finding += {
            "sums": ", as the sketch's sums of whole numbers tell. ",
            "pilot": ", as of those that the sketcher was fitted on. ",
        }[source]
        finding += (
            "Components from a sketch alone are wider than such values. EM on the rows makes some "
            f"as narrow as reg_covar={reg_covar:.3g} allows, and gains about {gain:.2g} nats a row."
        )
        remedy = f"{begin_sentence(name_fit())}, which runs EM on some of them"
        otherwise = (
            "or leave such columns out: where clusters are wanted, a mixture that closes in on "
            "values is likelier, but mostly tells these apart."
        )
    raise_doubt(finding, remedy, "doubtful", otherwise=otherwise)
