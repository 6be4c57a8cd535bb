"""The table that `planning.py` writes for `sketchlearn.plan`: a law of seconds, and errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from datasets.suite import suite
from docs.benchmarks import _log
from sketchlearn.planning.table import describe_decode, read_table

TABLE = _log.ROOT / "sketchlearn" / "planning" / "table.json"
# Frequencies over the numbers to be found.
RATIOS = (2, 3, 5, 10)
# Of errors.
QUANTILES = {"median": 0.5, "nine_in_ten": 0.9}


def describe(records: Sequence[_log.Record]) -> NDArray[np.float64]:
    """Return the terms of the law of seconds, a row for each record."""
    names = ("n_clusters", "n_directions", "n_frequencies", "n_features", "n_samples")
    k, d, m, n_features, n = np.array(
        [[one[name] for name in names] for one in records], dtype=np.float64
    ).T
    is_fast = np.array([one["operator"] == "fast" for one in records])
    is_signs = np.array([one["features"] == "signs" for one in records])
    return describe_decode(k, d, m, n_features, is_fast, is_signs, n / k)


def fit_decode_law(records: Sequence[_log.Record]) -> NDArray[np.float64]:
    """Return the coefficients of the law, by least absolute deviations of logarithms.

    A few decodes take fifty times as long as their like, when clusters seem to be missing; squares
    would follow them.
    """
    terms, logs = describe(records), np.log([one["seconds"] for one in records])
    n, p = terms.shape
    # Deviations are bounded from above, each by a number of its own, whose sum is least.
    found = linprog(
        np.r_[np.zeros(p), np.ones(n)],
        A_ub=np.block([[terms, -np.eye(n)], [-terms, -np.eye(n)]]),
        b_ub=np.r_[logs, -logs],
        bounds=[(None, None)] * p + [(0.0, None)] * n,
    )
    return np.asarray(found.x[:p])


def predict_others(records: Sequence[_log.Record]) -> NDArray[np.float64]:
    """Return the seconds (n,) of each record by a law fitted to all other shapes."""
    shapes = [(one["n_clusters"], one["n_features"]) for one in records]
    predicted = np.empty(len(records))
    for shape in set(shapes):
        own = [i for i, each in enumerate(shapes) if each == shape]
        others = [one for one, each in zip(records, shapes, strict=True) if each != shape]
        coefficients = fit_decode_law(others)
        predicted[own] = np.exp(describe([records[i] for i in own]) @ coefficients)
    return predicted


def find_factors(records: Sequence[_log.Record]) -> NDArray[np.float64]:
    """Return within which factors (n,) a law fitted to all other shapes predicts each record."""
    seconds = np.array([one["seconds"] for one in records])
    return np.asarray(np.exp(np.abs(np.log(predict_others(records) / seconds))))


def write_table(decodes: Sequence[_log.Record], errors: Sequence[_log.Record]) -> None:
    """Write the figures that the package reads; those of a part that was not run stay."""
    known = dict(read_table())
    if decodes:
        known["source"] = decodes[0]["code"]
        coefficients = fit_decode_law(decodes)
        directions = [one["n_directions"] for one in decodes]
        known["decode"] = known["decode"] | {
            "coefficients": [float(f"{value:.4g}") for value in coefficients],
            "measured_d": [min(directions), max(directions)],
            "measured": {
                name: max(one[name] for one in decodes) for name in ("n_clusters", "n_frequencies")
            },
            "within": float(f"{np.quantile(find_factors(decodes), 0.9):.3g}"),
            "reference_seconds": float(f"{min(one['reference_seconds'] for one in decodes):.4g}"),
        }
    errors = keep_whole(errors)
    if {one["features"] for one in errors} == {"waves", "signs"}:
        known["errors"] = summarise_errors(errors)
    whole = [one for one in errors if not one["rows_a_cluster"] and one["features"] == "waves"]
    if whole:
        known["errors_from"] = {
            "sets": len({one["set"] for one in whole}),
            "seeds": sorted({one["seed"] for one in whole}),
            "left_out": [name for name in suite() if name not in {one["set"] for one in whole}],
        }
        law = np.exp(describe(whole) @ known["decode"]["coefficients"])
        references = np.array([one["reference_seconds"] for one in whole])
        speeds = references / known["decode"]["reference_seconds"]
        factors = np.array([one["seconds"] for one in whole]) / (law * speeds)
        known["decode"]["nine_in_ten"] = float(f"{max(np.quantile(factors, 0.9), 1.0):.3g}")
    TABLE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    read_table.cache_clear()


def summarise_errors(errors: Sequence[_log.Record]) -> dict[str, list[dict[str, float]]]:
    """Return quantiles of the sets' median errors at every ratio, for waves and for signs.

    Those of signs are those of waves on all sets and, on top, the same quantile of what signs lost
    more on the sets that both were run on. Where rows are few another quantile comes on top, of
    (error of few rows - error of many) n / k.
    """
    found: dict[str, list[dict[str, float]]] = {"waves": [], "signs": []}
    for ratio in RATIOS:
        own = [one for one in errors if one["ratio"] == ratio]
        many = {
            features: take_medians(
                one for one in own if not one["rows_a_cluster"] and one["features"] == features
            )
            for features in found
        }
        growth = [
            max(one["error"] - many["waves"][one["set"]], 0.0) * one["rows_a_cluster"]
            for one in own
            if one["rows_a_cluster"]
        ]
        more = [max(error - many["waves"][name], 0.0) for name, error in many["signs"].items()]
        for features, entries in found.items():
            figures: dict[str, float] = {"ratio": ratio}
            for name, share in QUANTILES.items():
                added = float(np.quantile(more, share)) if features == "signs" else 0.0
                error = float(np.quantile(list(many["waves"].values()), share))
                figures[name] = float(f"{error + added:.3g}")
                figures[f"{name}_of_few"] = float(f"{np.quantile(growth, share):.3g}")
            if entries:
                # More frequencies are no worse, but for chance.
                figures = {
                    name: value if name == "ratio" else min(value, entries[-1][name])
                    for name, value in figures.items()
                }
            entries.append(figures)
    return found


def keep_whole(errors: Sequence[_log.Record]) -> list[_log.Record]:
    """Return the records of sets that were run at every ratio, and as they are."""
    names = ("set", "rows_a_cluster", "features", "seed")
    runs: dict[tuple[object, ...], list[_log.Record]] = {}
    for one in errors:
        runs.setdefault(tuple(one[name] for name in names), []).append(one)
    runs = {key: own for key, own in runs.items() if len(own) == len(RATIOS)}
    known = {key[0] for key in runs if key[1:3] == (0, "waves")}
    return [one for key, own in runs.items() if key[0] in known for one in own]


def take_medians(records: Iterable[_log.Record]) -> dict[str, float]:
    """Return the median error of each set, over seeds."""
    of_sets: dict[str, list[float]] = {}
    for one in records:
        of_sets.setdefault(one["set"], []).append(one["error"])
    return {name: float(np.median(values)) for name, values in of_sets.items()}
