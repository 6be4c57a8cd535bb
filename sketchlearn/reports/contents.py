"""What a page says of sketches and models: figures, verdicts, pictures, and what it cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sketchlearn.drift import compare
from sketchlearn.estimators import (
    CompressiveClassifier,
    CompressiveEstimator,
    CompressivePCA,
)
from sketchlearn.exceptions import EmptySketchError
from sketchlearn.files.container import library_version
from sketchlearn.plotting import ClustersDisplay, SketchDisplay
from sketchlearn.plotting.clusters import list_components
from sketchlearn.plotting.planes import Plane
from sketchlearn.plotting.style import INK, write_name
from sketchlearn.privacy import PrivateSketch
from sketchlearn.reports.page import (
    write_document,
    write_paragraph,
    write_section,
    write_table,
    write_values,
)
from sketchlearn.reports.pictures import draw_figure, put_side_by_side
from sketchlearn.reports.windows import draw_drift, watch_over_time
from sketchlearn.sketches import Sketch
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sources.row_keys import spell_value
from sketchlearn.synthesis import synthesize
from sketchlearn.tables import SketchTable

# Synthetic rows in a picture, and columns of a table of centroids.
N_POINTS, MOST_COLUMNS = 800, 12
# Groups in a table of them.
MOST_GROUPS = 30
# Columns that moved from one sketch to the next, as many as are named.
MOST_MOVED = 5
EXACT_NOTE = (
    "An exact sketch, or a model of one, holds no row. But its sums tell more than one would "
    "think: the difference of two sketches that differ by one row is that row. Share it with whom "
    "you would share the columns' means and covariances, and release it with noise for everybody "
    "else."
)
PRIVATE_NOTE = (
    "A private sketch was released with noise that protects every person in it. Numbers of rows, "
    "means and deviations are noisy, no exact ones are in the file, and nobody's rows can be taken "
    "out of it again. What is learned or drawn from it costs no more privacy."
)
SYNTHETIC_NOTE = "synthetic rows, drawn from the sketch: none is a row of the data"


def make_page(contents: Mapping[str, Any], title: str = "Sketches and models") -> str:
    """Return a page of HTML about sketches and models.

    It needs nothing beside it, neither script nor network, and holds no date: equal contents give
    equal pages. Sketches of one operator are compared, each with the one before it.

    Parameters
    ----------
    contents : mapping of str to Sketch, PrivateSketch, SketchTable or fitted estimator
        What to show, by the name that it goes by, such as its file's.
    title : str, default="Sketches and models"
        Of the page.

    Returns
    -------
    str
        A whole document.

    Raises
    ------
    EmptySketchError
        If a sketch holds no rows.
    ImportError
        If matplotlib is not installed.
    NotFittedError
        If an estimator is not fitted.
    TypeError, ValueError
        If there is nothing to show, or something that no page can show.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.reports import make_page
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> page = make_page({"day": Sketcher(30, random_state=0).fit(X).sketch(X)})
    >>> page.count("<svg"), "<script" in page
    (2, False)
    """
    if not isinstance(contents, Mapping):
        raise TypeError(
            f"expected sketches or models by the names that they go by, got a "
            f"{type(contents).__name__}"
        )
    if not contents:
        raise ValueError("expected at least one sketch or model to show, got none")
    sections = [show(content, name) for name, content in contents.items()]
    if len(contents) > 1:
        sections.append(_compare_sketches(contents))
    for note in (EXACT_NOTE, PRIVATE_NOTE):
        sections = _keep_first(sections, write_paragraph(note, "note"))
    return write_document(title, sections, library_version())


def _keep_first(sections: list[str], paragraph: str) -> list[str]:
    """Return sections without a paragraph that one before has: what is said once is read."""
    kept: list[str] = []
    for section in sections:
        is_said = any(paragraph in one for one in kept)
        kept.append(section.replace(paragraph, "") if is_said else section)
    return kept


@singledispatch
def show(content: Any, name: str) -> str:
    """Return the section about something, by its class; a TypeError if there is none."""
    raise TypeError(
        f"a page shows sketches, private sketches and fitted models, got {type(content).__name__} "
        f"as {name!r}"
    )


@show.register
def _show_sketch(content: Sketch, name: str) -> str:
    _require_rows(content, name)
    return write_section(
        f"{name}: a sketch",
        write_values("What it is", describe_sketch(content)),
        write_paragraph(EXACT_NOTE, "note"),
        _tabulate_columns(content),
        _draw_sketch(content, name),
    )


@show.register
def _show_private_sketch(content: PrivateSketch, name: str) -> str:
    parts = [
        write_values(
            "How it was released",
            {
                "ε": content.epsilon,
                "δ": content.delta,
                "releases in it": len(content.mechanisms),
                "noise": ", ".join(dict.fromkeys(each.noise for each in content.mechanisms)),
                "rows of a person, at most": max(
                    each.rows_per_person for each in content.mechanisms
                ),
            },
        ),
        write_values("What it is, with noise", describe_sketch(content)),
        _tabulate_columns(content),
        _draw_sketch(content, name),
    ]
    return write_section(f"{name}: a private sketch", write_paragraph(PRIVATE_NOTE, "note"), *parts)


@show.register
def _show_estimator(content: CompressiveEstimator, name: str) -> str:
    report, sketch = content.report(), content.sketch_
    centers, matrices = list_components(content)
    deviations = (
        None if matrices is None else np.sqrt(np.maximum(np.einsum("kll->kl", matrices), 0.0))
    )
    names = sketch.column_names
    shown, where = names[:MOST_COLUMNS], ""
    if len(names) > MOST_COLUMNS:
        where = f" in the first {MOST_COLUMNS} of {len(names)} columns"
    what = "Centroids" if deviations is None else "Means of components"
    rows = [
        [i, float(content.weights_[i]), *map(float, centers[i, :MOST_COLUMNS])]
        for i in range(len(centers))
    ]
    tables = write_table(f"{what}{where}, the heaviest first", ["cluster", "share", *shown], rows)
    if deviations is not None:
        spreads = [[i, *map(float, each[:MOST_COLUMNS])] for i, each in enumerate(deviations)]
        tables += write_table(f"Their standard deviations{where}", ["cluster", *shown], spreads)
    pictures = []
    if sketch.n_features > 1:
        caption = f"{name}: {len(centers)} clusters, over {SYNTHETIC_NOTE}."
        if matrices is not None:
            caption += " An ellipse holds nine tenths of a component."
        pictures.append(
            draw_figure(
                lambda ax: ClustersDisplay.from_estimator(content, n_points=N_POINTS, ax=ax),
                caption,
            )
        )
    pictures.append(_draw_waves(sketch, name))
    return write_section(
        f"{name}: a model",
        report.to_html(),
        tables,
        put_side_by_side(*pictures),
        write_values("The sketch that it was learned from", describe_sketch(sketch)),
        write_paragraph(EXACT_NOTE if sketch.is_exact else PRIVATE_NOTE, "note"),
    )


@show.register
def _show_components(content: CompressivePCA, name: str) -> str:
    check_is_fitted(content)
    sketch, shares = content.sketch_, content.explained_variance_ratio_
    rows = [
        [i, float(content.explained_variance_[i]), float(shares[i]), float(shares[: i + 1].sum())]
        for i in range(len(shares))
    ]

    def draw(ax: Any) -> None:
        numbers = np.arange(1, len(shares) + 1)
        ax.plot(numbers, np.cumsum(shares), "o-", color=INK, ms=4)
        ax.set(xlabel="components", ylabel="share of the variance", ylim=(0, 1.05))

    return write_section(
        f"{name}: principal components",
        write_table("Components", ["component", "variance", "share", "shares so far"], rows),
        put_side_by_side(
            draw_figure(draw, f"{name}: share of the variance that components explain together.")
        ),
        write_values("The sketch that they come from", describe_sketch(sketch)),
        write_paragraph(EXACT_NOTE if sketch.is_exact else PRIVATE_NOTE, "note"),
    )


@show.register
def _show_classifier(content: CompressiveClassifier, name: str) -> str:
    check_is_fitted(content)
    sketch, owners = content.sketch_, content.component_classes_.astype(int)
    counts = np.bincount(owners, minlength=len(content.classes_))
    rows = [
        [str(label), float(n), float(prior), int(counts[i])]
        for i, (label, n, prior) in enumerate(
            zip(content.classes_, content.class_count_, content.class_prior_, strict=True)
        )
    ]
    columns = ["class", "rows", "probability beforehand", "components"]
    return write_section(
        f"{name}: a classifier",
        write_table("Classes", columns, rows),
        write_values("The sketch of all rows", describe_sketch(sketch)),
        write_paragraph(EXACT_NOTE if sketch.is_exact else PRIVATE_NOTE, "note"),
    )


@show.register
def _show_table(content: SketchTable, name: str) -> str:
    if not len(content):
        raise EmptySketchError(f"{name} is a table without groups: there is nothing to show")
    keys = [", ".join(map(spell_value, key)) for key in content]
    rows: list[list[object]] = [
        [key, int(n)] for key, n in zip(keys, content.n_samples, strict=True)
    ]
    names, pictures = [", ".join(content.by), "rows"], ""
    title = "Groups"
    if len(content) > 1:
        display, pictures = draw_drift(content, name, "others")
        names.append("distance to all others, over chance")
        for row, ratio in zip(rows, display.ratios, strict=True):
            row.append(float(ratio))
        if len(rows) > MOST_GROUPS:
            title = f"Groups: the {MOST_GROUPS} of {len(rows):,} farthest from all others"
            rows = [rows[i] for i in np.argsort(-display.ratios, kind="stable")[:MOST_GROUPS]]
    total = content.total()
    return write_section(
        f"{name}: {len(content)} groups",
        write_values("All of them together", describe_sketch(total)),
        write_paragraph(EXACT_NOTE, "note"),
        _tabulate_columns(total),
        pictures,
        watch_over_time(content, name),
        write_table(title, names, rows),
    )


def describe_sketch(sketch: SketchLike) -> dict[str, object]:
    """Return what tables say of a sketch, by name."""
    # The single wave of a sketch that was made for its moments tells nothing.
    of_waves = {
        "noise, as a distance (standard error)": float(sketch.standard_error),
        "scale of clusters that it is for": float(sketch.operator.scale),
    }
    return {
        "rows": sketch.n_samples,
        **({} if sketch.weight_sum == sketch.n_samples else {"total weight": sketch.weight_sum}),
        "columns": sketch.n_features,
        "frequencies": sketch.n_frequencies,
        **({} if sketch.n_frequencies == 1 else of_waves),
        "operator": sketch.fingerprint[:12],
    }


def _require_rows(sketch: SketchLike, name: str) -> None:
    if sketch.n_samples == 0:
        raise EmptySketchError(f"{name} is a sketch without rows: there is nothing to show")


def _tabulate_columns(sketch: SketchLike) -> str:
    """Return a table of the columns' means and deviations, or say that there is none."""
    if sketch.moment_kind is None:
        return write_paragraph("The sketch has no moments: of single columns it says nothing.")
    moments = sketch.moments
    rows = [
        [name, float(mean), float(deviation)]
        for name, mean, deviation in zip(
            sketch.column_names, moments.mean, moments.standard_deviation, strict=True
        )
    ]
    return write_table("Columns", ["column", "mean", "standard deviation"], rows)


def _draw_sketch(sketch: SketchLike, name: str) -> str:
    """Draw a sketch, and rows that have it."""
    pictures = [_draw_waves(sketch, name)]
    has_directions = sketch.n_features == 2 or sketch.moment_kind == "full"
    if sketch.n_features > 1 and has_directions and sketch.n_frequencies > 1:
        pictures.append(
            draw_figure(lambda ax: _draw_rows(sketch, ax), f"{name}: {N_POINTS} {SYNTHETIC_NOTE}.")
        )
    return put_side_by_side(*pictures)


def _draw_waves(sketch: SketchLike, name: str) -> str:
    caption = (
        f"{name}: size of the sketch's entries by the radius of their frequency. Those above the "
        "grey band carry something; the band holds 95 % of entries that are noise alone."
    )
    return draw_figure(lambda ax: SketchDisplay.from_sketch(sketch, ax=ax), caption)


def _draw_rows(sketch: SketchLike, ax: Any) -> None:
    """Draw synthetic rows."""
    plane = Plane.choose(sketch, "auto", np.empty((0, sketch.n_features)), np.empty(0))
    rows = plane.project(synthesize(sketch, N_POINTS, random_state=0))
    ax.scatter(*rows.T, s=10, color=INK, alpha=0.5, linewidths=0)
    ax.set(xlabel=write_name(plane.names[0]), ylabel=write_name(plane.names[1]))


def _compare_sketches(contents: Mapping[str, Any]) -> str:
    """Return a section that compares each sketch with the one before, of the same operator."""
    sketches = {name: one for name, one in contents.items() if isinstance(one, SketchLike)}
    rows = []
    for (before, a), (after, b) in pairwise(sketches.items()):
        if a.fingerprint == b.fingerprint:
            found = compare(a, b)
            moved = [column.name for column in found.moved_columns()]
            shown = ", ".join(moved[:MOST_MOVED]) + (", ..." if len(moved) > MOST_MOVED else "")
            rows.append([f"{before} → {after}", found.p_value, found.ratio, shown or "none"])
    if not rows:
        return ""
    first = next(iter(sketches.values()))
    alike = {name: one for name, one in sketches.items() if one.fingerprint == first.fingerprint}
    pictures = draw_drift(alike, "Sketches", "first")[1] if len(alike) > 2 else ""
    return write_section(
        "From one sketch to the next",
        write_paragraph(
            "The ratio is the distance of two sketches over what chance alone would make it: about "
            "1 where both are of one population. No row may be in both."
        ),
        write_table(
            "Sketches of one operator",
            ["from → to", "p-value", "ratio", "columns that moved"],
            rows,
        ),
        pictures,
    )
