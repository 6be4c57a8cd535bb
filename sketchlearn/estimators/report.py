"""What a fit is worth, in words: good, doubtful or wrong, why, and the one thing to change.

Nothing is decided here but how to say it: figures and thresholds are `FitQuality`'s, doubts those
that warnings told.
"""

from __future__ import annotations

import html
import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from sketchlearn.atoms import GAUSSIAN_FAMILIES, FullGaussian
from sketchlearn.decoders.quality import SEVERITY, FitQuality, Verdict
from sketchlearn.estimators.doubts import (
    THE_ROWS,
    Doubt,
    is_hidden_by_noise,
    name_difference,
    name_frequencies,
    name_spread,
    name_variance,
)
from sketchlearn.sketches.region import UNLIKE, Region, compare_widths
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching.tuning import resolve_frequency_count

if TYPE_CHECKING:
    from sketchlearn.estimators.sketch_estimator import CompressiveEstimator

# Of a box in a notebook or a page, which has its own colours for light and dark.
BOX = "border-left:4px solid {};padding:.4em .8em;margin:.4em 0;font-family:sans-serif"
COLORS: dict[Verdict, str] = {"good": "#0072B2", "doubtful": "#E69F00", "wrong": "#D55E00"}
WIDTH = 88
# What only a decode sets, and no file holds.
ABOUT_DECODE = {"quality_", "mixture_", "doubts_"}
# What to look at where no doubt was raised: of centroids from a sketch alone, and else. Of clusters
# 5 to 20 times as long as thick in 2 and 3 columns none of 16 fits to the rows was in doubt, nor
# lost more than 0.2 %, with too few frequencies for Gaussians of any shape; and no sketch with
# enough lost more than 0.3 %, 15 of which were called good. In 10 columns 6 of 8 were, in 20 none.
CHECK_ROWS = "Call fit with {}, or try another number of clusters."
CHECK_RELEASE = "Try other numbers of clusters, which one release allows as often as you like."
CHECK_NUMBER = "The number of clusters: see what other numbers leave, with count_clusters."
# What that means for the verdict on a model from a file.
FROM_FILES = {
    "good": "figures of sketch and spread that leave no doubt need neither.",
    "doubtful": "without them it is called doubtful, whatever it was called when it was learned.",
}


@final
@dataclass(frozen=True, repr=False)
class Report:
    """What a fit is worth, in words.

    Parameters
    ----------
    title : str
        What was fitted.
    verdict : "good", "doubtful" or "wrong"
        What to make of it. "good" says that the model explains the sketch, not that there are such
        clusters in the world.
    reasons : tuple of str
        Why, with figures: sentences.
    remedy : str
        The one thing to change.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import CompressiveKMeans
    >>> X = np.random.default_rng(0).normal(size=(2000, 2))
    >>> X[:1000] += 9.0
    >>> CompressiveKMeans(2, random_state=0).fit(X).report().verdict
    'good'
    """

    title: str
    verdict: Verdict
    reasons: tuple[str, ...]
    remedy: str

    def __repr__(self) -> str:
        lines = [f"{self.title}: {self.verdict}"]
        for reason in self.reasons:
            lines += textwrap.wrap(reason, WIDTH, initial_indent="- ", subsequent_indent="  ")
        lines += textwrap.wrap(f"To change: {self.remedy}", WIDTH)
        return "\n".join(lines)

    def to_html(self) -> str:
        """Return it as a piece of HTML, which needs nothing else.

        Returns
        -------
        str
            A ``div``; names of features and the like are escaped.
        """
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.reasons)
        return (
            f'<div class="sketchlearn-report" style="{BOX.format(COLORS[self.verdict])}">'
            f"<strong>{html.escape(self.title)}: {self.verdict}</strong>"
            f"<ul>{reasons}</ul><p>To change: {html.escape(self.remedy)}</p></div>"
        )

    _repr_html_ = to_html


def keep_report(model: Any) -> Report | None:
    """Return what a file keeps of a model's decode; None where there was none, or it is unknown."""
    decoded = "mixture_" in vars(model)
    return write_report(model) if decoded else getattr(model, "_kept_report", None)


def parse_report(stored: Any) -> Report:
    """Return the report that a file holds as JSON; a ValueError if that is none."""
    if not isinstance(stored, dict) or {*stored} != {"title", "verdict", "reasons", "remedy"}:
        raise ValueError(f"a report has a title, verdict, reasons and remedy, got {stored!r:.200}")
    reasons = stored["reasons"]
    texts = [stored["title"], stored["remedy"], *(reasons if isinstance(reasons, list) else [None])]
    if not all(isinstance(text, str) for text in texts) or stored["verdict"] not in [*SEVERITY]:
        raise ValueError(f"a report is of texts, and good, doubtful or wrong, got {stored!r:.200}")
    return Report(**{**stored, "reasons": tuple(reasons)})


def write_report(model: CompressiveEstimator) -> Report:
    """Return the report of a fitted model, or of one that a file held: the one it kept, if any."""
    mixture = getattr(model, "mixture_", None)
    kept: Report | None = getattr(model, "_kept_report", None)
    if mixture is None and kept is not None:
        return kept
    doubts: tuple[Doubt, ...] = getattr(model, "doubts_", ())
    quality = rebuild_quality(model) if mixture is None else mixture.quality
    quality = getattr(model, "quality_", quality)
    sketch, k = model.sketch_, len(model.weights_)
    title = (
        f"{type(model).__name__}, {k} {'cluster' if k == 1 else 'clusters'} of "
        f"{sketch.n_samples:,} rows in {sketch.n_features} columns"
    )
    n_kept: int = getattr(model, "_n_kept", 0)
    findings = [end_sentence(doubt.finding) for doubt in doubts]
    is_stored = mixture is None
    verdict = judge_stored(quality, sketch) if is_stored else judge(quality, doubts, n_kept > 0)
    why = [] if is_stored else explain_verdict(quality, doubts, verdict)
    reasons = [*findings, *why, *describe_quality(quality, n_kept > 0)]
    if not sketch.is_exact:
        reasons.append(describe_release(sketch))
    if is_stored:
        reasons.append(
            "The model comes from a file of an earlier version, which holds neither the decoded "
            f"mixture nor the warnings of its decode: {FROM_FILES[verdict]}"
        )
    if n_kept > 0:
        reasons.append(
            f"fit kept {n_kept:,} rows beside the sketch, weighted until their sketch was that of "
            "all rows, and settled the model on them: what is left unexplained is the clusters' "
            "shape, not their place."
        )
    is_round = getattr(model, "covariance_type", "spherical") == "spherical"
    about_distances = describe_distances(sketch) if is_round else []
    reasons += about_distances
    remedy = choose_remedy(
        quality,
        doubts,
        verdict,
        is_stored=is_stored,
        n_round=k if is_round and n_kept == 0 else 0,
        is_uneven=bool(about_distances),
        rows=getattr(model, "_rows_to_fit", THE_ROWS),
    )
    return Report(title, verdict, tuple(reasons), remedy)


def refuse_decoded(model: CompressiveEstimator, name: str) -> None:
    """Raise an AttributeError that says what a model from a file has instead of its decode."""
    if name in ABOUT_DECODE and "cost_" in vars(model) and "mixture_" not in vars(model):
        raise AttributeError(
            f"{type(model).__name__!r} object has no attribute {name!r}: only a decode sets it, "
            "and a model's file holds none. Call report(), which tells what the file does, or "
            "decode its sketch again, by fit_sketch(model.sketch_).",
            name=name,
            obj=model,
        )


def judge_stored(quality: FitQuality, sketch: SketchLike) -> Verdict:
    """Return "good" where a file's figures leave no doubt by themselves, else "doubtful".

    They do not where no more than noise is left and the model has the rows' spread. It has more
    where an atom that no wave shows lies anywhere: then a few rows far away are not where it is.
    """
    at = quality.thresholds
    has_spread = at.lacking_spread <= quality.spread_ratio <= at.excess_spread
    is_sure = has_spread and quality.is_noise and not is_hidden_by_noise(sketch)
    return "good" if is_sure and judge(quality, (), False) == "good" else "doubtful"


def judge(quality: FitQuality, doubts: tuple[Doubt, ...], has_pilot: bool) -> Verdict:
    """Return the worst of `FitQuality.verdict`, of doubts at the decode, and of other figures.

    Where rows were kept, k-means or EM on them has settled the model, and figures of the sketch
    alone say how round its clusters are.
    """
    verdicts: list[Verdict] = [quality.verdict, *(doubt.verdict for doubt in doubts)]
    if not has_pilot and name_shortage(quality):
        verdicts.append("doubtful")
    return max(verdicts, key=SEVERITY.__getitem__)


def name_shortage(quality: FitQuality) -> str:
    """Return what makes a fit from a sketch alone doubtful, however well it fits; "" if nothing."""
    if quality.degrees_of_freedom <= 0:
        return "so few frequencies that anything fits them"
    if not quality.has_enough_rows:
        return "so few rows"
    # What was fitted to points has figures of its own. Where less is left than a missing cluster
    # leaves shapes are the cause, which a sketch of enough frequencies has seen.
    is_left = quality.leaves_clusters or (quality.seems_incomplete and name_frequencies(quality))
    if quality.detail is None and is_left and not quality.explains_sketch:
        return "what it leaves unexplained: a missing cluster, or clusters that are not round"
    return ""


def explain_verdict(quality: FitQuality, doubts: tuple[Doubt, ...], verdict: Verdict) -> list[str]:
    """Return why the figures are not called good where no doubt says it, or what a report adds."""
    if verdict != quality.figures_verdict:
        told = any(doubt.verdict == verdict for doubt in doubts)
        cause = "the doubt that was warned of" if told else name_shortage(quality)
        return [
            f"The figures of the fit by themselves are {quality.figures_verdict}; the report is "
            f"stricter because of {cause}."
        ]
    if verdict == "good" or any(doubt.verdict == verdict for doubt in doubts):
        return []
    return [*describe_difference(quality), *describe_moments(quality)]


def describe_difference(quality: FitQuality) -> list[str]:
    """Return what another decode found, if one was asked for and it differs."""
    if quality.instability is None or quality.instability <= quality.thresholds.instability:
        return []
    return [
        "On the points of another decode, of the sketch with as much noise again, these centroids' "
        f"sum of squares is {name_difference(quality)}."
    ]


def describe_moments(quality: FitQuality) -> list[str]:
    """Return variances by direction, if they are not the rows', and how narrow components are."""
    least, greatest = quality.moment_factors
    said = []
    if quality.moment_mismatch > quality.thresholds.explained_mismatch:
        said.append(
            f"By direction, the clusters together have {least:.3g} to {greatest:.3g} times "
            f"{name_variance(quality.region)}."
        )
    if quality.detail is not None and quality.detail <= quality.thresholds.detail:
        said.append("Some components are as narrow as the sketch can show.")
    return said


def describe_quality(quality: FitQuality, has_pilot: bool) -> list[str]:
    """Return the figures of a fit, in sentences."""
    if quality.degrees_of_freedom <= 0:
        return [
            f"The sketch has {2 * quality.operator.n_frequencies} numbers, no more than the "
            f"{quality.n_parameters} parameters of the model, which fit it whatever it is."
        ]
    if quality.is_noise:
        said = [
            f"The model explains the sketch up to its noise: what it leaves is "
            f"{quality.goodness_of_fit:.2g} times what noise alone would."
        ]
    elif quality.explains_sketch:
        said = [f"The model leaves {quality.misfit:.2%} of the sketch unexplained: little enough."]
    else:
        said = [
            f"The model leaves {quality.misfit:.2%} of the sketch unexplained, beyond noise: the "
            "clusters are not as round, or as many, as it says. Real data often leaves a few "
            "percent."
        ]
    if math.isfinite(quality.spread_ratio):
        said.append(f"Its clusters together have {name_spread(quality, quality.spread_ratio)}.")
    if not (has_pilot or quality.has_enough_rows):
        said.append(
            f"There are {quality.n_rows:.6g} rows for {quality.n_parameters} parameters: so few "
            "are explained by nearly anything, up to their noise."
        )
    return said


def describe_release(sketch: SketchLike) -> str:
    r"""Return what the noise of a release hides, whatever the figures are.

    An exact covariance tells of a cluster that no wave shows, and may make a fit doubtful. Noise of
    deviation :math:`\tau` in each of its numbers moves what it tells of any direction by up to
    :math:`2 \tau \sqrt d`.
    """
    hidden = "however much it adds to the rows' variance"
    if sketch.moment_kind == "full":
        edge = 2.0 * math.sqrt(np.square(sketch.covariance_error).sum() / sketch.n_features)
        share = edge / max(Region.of(sketch).variance, edge)
        hidden = f"if it adds less than {share:.1%} to the rows' variance"
    return (
        "The sketch was released with noise, which these figures take into account. It may hide a "
        f"cluster of few rows far away, {hidden}."
    )


def describe_distances(sketch: SketchLike) -> list[str]:
    """Return what distances are of where columns are of so unlike units that some hardly count."""
    if (ratio := compare_widths(Region.of(sketch).deviations)) <= UNLIKE:
        return []
    return [
        f"Columns differ in width {ratio:.2g} times, and the narrow ones hardly count for "
        "distances. If that is a matter of units, multiply columns by factors that make them about "
        "as wide, and sketch anew."
    ]


def choose_remedy(
    quality: FitQuality,
    doubts: tuple[Doubt, ...],
    verdict: Verdict,
    *,
    is_stored: bool,
    n_round: int,
    is_uneven: bool,
    rows: str,
) -> str:
    """Return the one thing to change, in a sentence: that of the gravest doubt if there is one.

    The number of round clusters is 0 of others, and of ones that kept rows have settled. What `fit`
    is to be called with are ``rows``.
    """
    if doubts:
        gravest = min(doubts, key=lambda doubt: doubt.verdict != "wrong")
        return end_sentence(gravest.remedy)
    if verdict == "good":
        return "Nothing, if columns are in like units." if is_uneven else "Nothing."
    is_released = quality.known_share > 0.0
    if quality.degrees_of_freedom <= 0:
        how = "Ask for a release of" if is_released else "Sketch with"
        return f"{how} more frequencies, or for fewer clusters or components."
    if not quality.has_enough_rows and is_released:
        return "Ask for a release with a larger epsilon, or of more rows."
    if not quality.has_enough_rows:
        wanted = quality.thresholds.rows_per_parameter * quality.n_parameters
        return f"Add rows: {wanted:.0f} tell so many clusters from accidents."
    if is_stored:
        return "Decode its sketch again, for a verdict of its own."
    return advise_shapes(quality, n_round, rows) if n_round else CHECK_NUMBER


def advise_shapes(quality: FitQuality, n_clusters: int, rows: str) -> str:
    """Return what to change of a k-means from a sketch alone whose clusters are perhaps long.

    With twice as many numbers as Gaussians of any shape have parameters a decode tries such ones.
    In so many columns that these are more than "auto" takes, they settle no doubt.
    """
    if quality.known_share > 0.0:
        return CHECK_RELEASE
    operator, check_rows = quality.operator, CHECK_ROWS.format(rows)
    least = FullGaussian(operator).n_parameters(n_clusters)
    most = resolve_frequency_count("auto", n_clusters, operator.n_features)
    if not operator.n_frequencies < least <= most or not quality.region.is_exact:
        return check_rows
    return (
        f"Sketch with n_frequencies of at least {least}, from which on long clusters are decoded "
        f"as such. Or {check_rows[0].lower()}{check_rows[1:]}"
    )


def rebuild_quality(model: CompressiveEstimator) -> FitQuality:
    """Return what a model's file tells of its fit; the spread is of what it has, matched anew."""
    sketch = model.sketch_
    kind: Any = getattr(model, "covariance_type", "spherical")
    family = GAUSSIAN_FAMILIES[kind](sketch.operator)
    known = FitQuality(
        cost=model.cost_,
        noise=sketch.standard_error**2,
        power=float(np.sum(np.abs(sketch.centered_mean) ** 2)),
        n_rows=sketch.n_effective,
        n_parameters=family.n_parameters(len(model.weights_)),
        spread_ratio=math.nan,
        operator=sketch.operator,
        region=Region.of(sketch),
        noise_deviation=sketch.error_deviation,
    )
    return model._complete_quality(known)


def end_sentence(text: str) -> str:
    """Return a clause as a sentence: with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip(' .:')}."
