"""The page of `planning.py`, from its log and its table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from docs.benchmarks import _log
from docs.benchmarks._planning_table import predict_others
from docs.benchmarks._report import table
from sketchlearn.planning.table import N_AGAIN, read_table


def make_page(decodes: Sequence[_log.Record], plans: Sequence[_log.Record]) -> str:
    """Return the page: what the table holds, and plans beside what was measured."""
    parts = [
        "# Plans, and what they were worth",
        "What `sketchlearn.plan` predicts from, made by `python -m docs.benchmarks.planning`.",
        _log.measured_with(),
        describe_source(),
        describe_errors(),
    ]
    if decodes:
        parts.append(describe_law(decodes))
    return "\n\n".join([*parts, *describe_plans(plans)]) + "\n"


def describe_source() -> str:
    """Return which source the table is of, where plans were carried out with another."""
    code = read_table().get("source", "unknown")
    if code == _log.library_digest():
        return "Table and plans are of that source."
    return f"Plans were carried out with that source; the table is of an earlier one, {code}."


def describe_errors() -> str:
    """Return how errors were measured, and their table."""
    known = read_table()
    origin = known["errors_from"]
    rows = [
        [features, f"{one['ratio']:g}", *(f"{one[name]:.4f}" for name in ("median", "nine_in_ten")),
         *(f"{one[name]:.2f}" for name in ("median_of_few", "nine_in_ten_of_few"))]
        for features, entries in known["errors"].items()
        for one in entries
    ]  # fmt: skip
    seeds = f"seed{'s' * (len(origin['seeds']) > 1)} {', '.join(map(str, origin['seeds']))}"
    missing = ", ".join(origin["left_out"])
    left_out = f" ({missing} were not run)" if missing else ""
    return (
        "**Errors.** k-means from the sketch alone, over `KMeans(n_init=10)` on all rows, less "
        f"one: quantiles over {origin['sets']} data sets{left_out} of their medians over {seeds}. "
        "Where rows are few, *of few* over the rows of a cluster comes on top: how much more the "
        "synthetic ones among these sets lost with 30 and 150 rows a cluster, times these. "
        "Signs were run on the synthetic sets: what they lost more there is added to "
        "the errors of waves.\n\n"
        + table(
            ["features", "m over k d", "median", "nine in ten under", "median, of few",
             "nine in ten, of few"],
            rows,
        )
    )  # fmt: skip


def describe_law(decodes: Sequence[_log.Record]) -> str:
    """Return what the law of seconds is, and how well it does on shapes that it was not told."""
    law = read_table()["decode"]
    predicted, seconds = predict_others(decodes), np.array([one["seconds"] for one in decodes])
    factors = np.exp(np.abs(np.log(predicted / seconds)))
    worst = decodes[i := int(np.argmax(factors))]
    ratio = worst["n_frequencies"] / (worst["n_clusters"] * worst["n_directions"])
    shapes = {(one["n_clusters"], one["n_features"]) for one in decodes}
    kinds = {(one["operator"], one["features"]) for one in decodes}
    missing, growth, few = law["coefficients"][-N_AGAIN:]
    # Of 20 clusters in 20 columns, and of 40 in 50.
    longer, less = (np.exp(missing + growth * np.log(n)) for n in (400.0, 2000.0))
    reference = 1e3 * law["reference_seconds"]
    origin = f"{len(decodes)} sizes of {len(shapes)} shapes and {len(kinds)} kinds of sketch"
    kind = f"{worst['features']}, operator {worst['operator']}"
    shape = f"{worst['n_clusters']} clusters in {worst['n_features']} columns"
    return (
        "**Seconds of a decode**: their logarithm is linear in those of k, d and m over k d, and "
        "in products of these, with factors for transforms, for sketches without covariances, for "
        "signs, which changes with d and m, for many clusters in many columns from few "
        f"frequencies, some of which are sought again and again ({longer:.0f} times as long "
        f"of 20 clusters in 20 columns, {less:.0f} times of 40 in 50), and for few rows a cluster, "
        f"whose noise leaves decodes in doubt ({np.exp(few):.1f} times, in few columns). It was "
        f"fitted to {origin}, on Gaussians in a box, and is multiplied by how much slower a "
        f"small decode is on the machine than the {reference:.0f} ms that it took here. Of wide "
        "rows d is the number of directions that are decoded. A law fitted without a shape "
        f"predicts that shape within a factor {np.median(factors):.2f} in the median, within 1.5 "
        f"in {np.mean(factors <= 1.5):.0%} of cases, within 3 in {np.mean(factors <= 3.0):.0%}, "
        f"and within {factors.max():.3g} in all: {shape} from {ratio:.3g} k d {kind}, took "
        f"{seconds[i]:.2g} s, not {predicted[i]:.2g}. On nine in ten runs on the data sets of the "
        f"errors, most of which are no Gaussians, decodes took up to {law['nine_in_ten']:.3g} "
        "times what the law says: the plan's `slow_decode_seconds`, without the factors for "
        f"decodes that are tried again, or {law['within']:.3g} times the seconds, as nine of ten "
        "shapes without which the law was fitted, if that is more."
    )


def describe_plans(plans: Sequence[_log.Record]) -> list[str]:
    """Return plans beside what was measured, and within which factor."""
    rows, pass_factors, whole_factors = [], [], []
    for one in plans:
        asked = dict(one["asked"])
        shape = [asked.pop(name) for name in ("n_samples", "n_features", "n_clusters")]
        limits = ", ".join(f"{name} {value}" for name, value in asked.items()) or "nothing"
        predicted, measured = one["predicted"], one["measured"]
        names = ("sketch_seconds", "decode_seconds")
        pass_factors.append(predicted[names[0]] / measured[names[0]])
        whole_factors.append(
            sum(predicted[name] for name in names) / sum(measured[name] for name in names)
        )
        rows.append(
            [" x ".join(f"{value:,}" for value in shape[:2]) + f", k = {shape[2]}", limits]
            + [f"{one['n_frequencies']:,} {one['features']}, {one['operator']}"]
            + [f"{predicted[name]:.2f} / {measured[name]:.2f}" for name in names]
            + [
                f"{predicted[name]:,.0f} / {measured[name]:,.0f}"
                for name in ("sketch_bytes", "file_bytes")
            ]
            + [f"{predicted['error']:.3f} / {measured['error']:.3f}"]
        )
    within = [sum(max(x, 1.0 / x) <= 1.5 for x in each) for each in (pass_factors, whole_factors)]
    return [
        "**Plans carried out**: predicted / measured, on Gaussians in a box, the median over seeds "
        "3000 to 3002; seconds are the processor's, bytes without and with the operator. The pass "
        "is predicted between what rows take in float32 and in float64, as clusters far apart in "
        f"many columns need. Of {len(plans)} plans the pass was predicted within a factor 1.5 in "
        f"{within[0]}, pass and decode together in {within[1]}. Errors of Gaussians are smaller "
        "than those of most data. Terms and shapes for signs were added to the law after a first "
        "look at the plans with signs, on these seeds: of them the page is no independent check.",
        table(
            ["rows", "asked for", "planned", "pass, s", "decode, s", "bytes", "file", "error"], rows
        ),
    ]  # fmt: skip
