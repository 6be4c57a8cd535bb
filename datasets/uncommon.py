"""Kinds of data that the quality suite lacks: odd shapes, rare clusters, tables of other packages.

`UNCOMMON` lists generators ``draw(seed, n_samples)``, rows in random order, float64, with the
number of clusters to look for. In some of them k-means on a uniform sample of rows fails by design,
since whole clusters are missing from it; others are curved, skewed, discrete or lie within one
another. `PACKAGED` lists tables that packages of the extra ``bench`` carry.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_image, load_wine
from sklearn.preprocessing import StandardScaler

from datasets.synthetic import Synthetic
from datasets.tables import Table

Rows = NDArray[np.float64]


def wide_and_rare(seed: int, n_samples: int) -> Rows:
    """Three narrow clusters, and 120 away five that are three times as wide, 1.5 % each."""
    rng = np.random.default_rng(seed)
    near = rng.uniform(0.0, 20.0, size=(3, 2))
    centers = np.vstack([near, rng.uniform(-60.0, 60.0, size=(5, 2)) + np.array([120.0, 0.0])])
    shares = np.array([0.925 / 3] * 3 + [0.015] * 5)
    labels = rng.choice(8, size=n_samples, p=shares)
    spreads = np.where(labels < 3, 0.75, 2.5)[:, None]
    return centers[labels] + spreads * rng.standard_normal((n_samples, 2))


def rare_and_far(seed: int, n_samples: int) -> Rows:
    """Eight overlapping clusters, and two of half a percent far off on either side."""
    rng = np.random.default_rng(seed)
    centers = np.vstack([3.0 * rng.standard_normal((8, 5)), np.full((1, 5), 40.0)])
    centers = np.vstack([centers, -centers[-1:]])
    labels = rng.choice(10, size=n_samples, p=[0.99 / 8] * 8 + [0.005] * 2)
    return centers[labels] + rng.standard_normal((n_samples, 5))


def clusters_of_clusters(seed: int, n_samples: int) -> Rows:
    """Four groups far apart, of four clusters each that nearly touch."""
    rng = np.random.default_rng(seed)
    groups = 40.0 * rng.standard_normal((4, 1, 6))
    centers = (groups + 2.5 * rng.standard_normal((4, 4, 6))).reshape(16, 6)
    return centers[rng.integers(16, size=n_samples)] + rng.standard_normal((n_samples, 6))


def concentric_rings(seed: int, n_samples: int) -> Rows:
    """Three rings around one point, of equally many rows."""
    rng = np.random.default_rng(seed)
    radii = rng.choice([1.0, 3.0, 6.0], size=n_samples)
    angles = rng.uniform(0.0, 2.0 * np.pi, size=n_samples)
    circles = radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    return circles + 0.15 * rng.standard_normal((n_samples, 2))


def cube_and_five_points(seed: int, n_samples: int) -> Rows:
    """A unit cube, and five rows at -1000 in every column: a sample has none of them."""
    rng = np.random.default_rng(seed)
    rows = rng.random((n_samples, 3))
    rows[rng.choice(n_samples, 5, replace=False)] -= 1000.0
    return rows


def halving_sizes(seed: int, n_samples: int) -> Rows:
    """Twelve clusters, each with half of the rows of the one before."""
    rng = np.random.default_rng(seed)
    shares = 0.5 ** np.arange(12.0)
    labels = rng.choice(12, size=n_samples, p=shares / shares.sum())
    centers = 10.0 * rng.standard_normal((12, 4))
    return centers[labels] + rng.standard_normal((n_samples, 4))


def log_uniform_sizes(seed: int, n_samples: int) -> Rows:
    """Twelve clusters whose sizes and widths are exp(u), u uniform on -2.5 to 2.5."""
    rng = np.random.default_rng(seed)
    shares, spreads = np.exp(rng.uniform(-2.5, 2.5, size=(2, 12)))
    labels = rng.choice(12, size=n_samples, p=shares / shares.sum())
    centers = 20.0 * rng.standard_normal((12, 5))
    return centers[labels] + spreads[labels, None] * rng.standard_normal((n_samples, 5))


def spirals(seed: int, n_samples: int) -> Rows:
    """Two arms of a spiral."""
    rng = np.random.default_rng(seed)
    along = 3.0 * np.pi * np.sqrt(rng.uniform(0.05, 1.0, size=n_samples))
    angles = along + np.pi * rng.integers(2, size=n_samples)
    arms = along[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    return arms + 0.3 * rng.standard_normal((n_samples, 2))


def worms(seed: int, n_samples: int) -> Rows:
    """Five curved bands in the plane, which widen along their way."""
    rng = np.random.default_rng(seed)
    starts, turns = rng.uniform(-15.0, 15.0, size=(5, 2)), rng.uniform(0.0, 2.0 * np.pi, size=5)
    labels, along = rng.integers(5, size=n_samples), rng.random(n_samples)
    angles = turns[labels] + 2.0 * along
    path = 8.0 * np.column_stack([np.cos(angles), np.sin(angles)])
    noise = (0.2 + 0.8 * along)[:, None] * rng.standard_normal((n_samples, 2))
    return starts[labels] + path + noise


def log_normal(seed: int, n_samples: int) -> Rows:
    """Exponentials of ten Gaussians: skewed, wider where they are larger."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((10, 4))
    rows = centers[rng.integers(10, size=n_samples)]
    return np.exp(rows + 0.3 * rng.standard_normal((n_samples, 4)))


def zero_inflated(seed: int, n_samples: int) -> Rows:
    """Amounts spent: each of eight kinds of customers leaves most columns at zero."""
    rng = np.random.default_rng(seed)
    chances = rng.beta(0.6, 0.9, size=(8, 8))
    sizes = rng.uniform(0.0, 2.0, size=(8, 8))
    labels = rng.integers(8, size=n_samples)
    amounts = np.exp(sizes[labels] + 0.4 * rng.standard_normal((n_samples, 8)))
    return np.asarray(np.where(rng.random((n_samples, 8)) < chances[labels], amounts, 0.0))


def compositions(seed: int, n_samples: int) -> Rows:
    """Shares that sum to one, of eight kinds, many of them near an edge."""
    rng = np.random.default_rng(seed)
    strengths = 8.0 * rng.dirichlet(np.full(6, 0.6), size=8) + 0.2
    draws = rng.gamma(strengths[rng.integers(8, size=n_samples)])
    return np.asarray(draws / draws.sum(axis=1, keepdims=True))


def counts(seed: int, n_samples: int) -> Rows:
    """Poisson counts of eight kinds."""
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.uniform(-1.0, 3.0, size=(8, 5)))
    return rng.poisson(rates[rng.integers(8, size=n_samples)]).astype(np.float64)


def answers(seed: int, n_samples: int) -> Rows:
    """Twelve answers from 1 to 5, of six kinds of people."""
    rng = np.random.default_rng(seed)
    tendencies = rng.uniform(0.1, 0.9, size=(6, 12))
    return 1.0 + rng.binomial(4, tendencies[rng.integers(6, size=n_samples)]).astype(np.float64)


def one_hot(seed: int, n_samples: int) -> Rows:
    """Three categories in one column for each of their values, of eight kinds of rows."""
    rng = np.random.default_rng(seed)
    labels, columns = rng.integers(8, size=n_samples), []
    for n_values in (3, 4, 5):
        chances = np.cumsum(rng.dirichlet(np.full(n_values, 0.3), size=8), axis=1)
        drawn = (rng.random((n_samples, 1)) > chances[labels, :-1]).sum(axis=1)
        columns.append(np.eye(n_values)[drawn])
    return np.hstack(columns)


def hours_and_places(seed: int, n_samples: int) -> Rows:
    """Hours of the day as points on a circle, beside places whose spread differs tenfold."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(9, size=n_samples)
    hours = rng.uniform(0.0, 2.0 * np.pi, size=9)[labels] + 0.4 * rng.standard_normal(n_samples)
    places = rng.uniform(-3.0, 3.0, size=(9, 2))[labels]
    places += np.geomspace(0.1, 1.0, 9)[labels, None] * rng.standard_normal((n_samples, 2))
    return np.column_stack([np.cos(hours), np.sin(hours), places])


def correlated_columns(seed: int, n_samples: int) -> Rows:
    """Ten clusters of twenty columns, each much like the one before it."""
    rng = np.random.default_rng(seed)
    lags = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    factor = np.linalg.cholesky(0.9**lags)
    centers = 1.5 * rng.standard_normal((10, 20)) @ factor.T
    noise = rng.standard_normal((n_samples, 20)) @ factor.T
    return centers[rng.integers(10, size=n_samples)] + noise


def power_law_sizes(seed: int, n_samples: int) -> Rows:
    """Twenty-four clusters, the i-th with a share in proportion to 1 / i."""
    rng = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1.0, 25.0)
    labels = rng.choice(24, size=n_samples, p=shares / shares.sum())
    return 4.0 * rng.standard_normal((24, 3))[labels] + 0.7 * rng.standard_normal((n_samples, 3))


UNCOMMON: dict[str, Synthetic] = {
    "wide and rare": Synthetic(8, wide_and_rare),
    "rare and far": Synthetic(10, rare_and_far),
    "clusters of clusters": Synthetic(16, clusters_of_clusters),
    "concentric rings": Synthetic(12, concentric_rings),
    "cube and five points": Synthetic(5, cube_and_five_points),
    "halving sizes": Synthetic(12, halving_sizes),
    "log-uniform sizes": Synthetic(12, log_uniform_sizes),
    "power-law sizes": Synthetic(24, power_law_sizes),
    "spirals": Synthetic(14, spirals),
    "worms": Synthetic(15, worms),
    "log-normal": Synthetic(10, log_normal),
    "zero-inflated": Synthetic(8, zero_inflated),
    "compositions": Synthetic(8, compositions),
    "counts": Synthetic(8, counts),
    "answers": Synthetic(6, answers),
    "one-hot": Synthetic(8, one_hot),
    "hours and places": Synthetic(9, hours_and_places),
    "correlated columns": Synthetic(10, correlated_columns),
}


def wine_as_measured() -> Rows:
    """Wines: 178 x 13, columns in their own units, of which one decides."""
    return np.asarray(load_wine().data)


def flower() -> Rows:
    """Colours of another photograph, every tenth pixel: 27,328 x 3."""
    return load_sample_image("flower.jpg").reshape(-1, 3)[::10] / 255.0


def penguins() -> Rows:
    """Palmer's penguins: four measurements of 342 birds, standardised."""
    table = _import("palmerpenguins").load_penguins()
    return _standardise(
        table, "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"
    )


def cars() -> Rows:
    """Cars of the 1970s: six measurements, standardised, from vega_datasets."""
    names = ("Miles_per_Gallon", "Cylinders", "Displacement", "Horsepower", "Weight_in_lbs",
             "Acceleration")  # fmt: skip
    path = Path(_import("vega_datasets").local_data.cars.filepath)
    table = _import("pandas").DataFrame(json.loads(path.read_text(encoding="utf-8")))
    return _standardise(table, *names)


def airports() -> Rows:
    """Latitude and longitude of 3,376 airports of the United States, from vega_datasets."""
    table = _import("vega_datasets").local_data.airports()
    return table[["latitude", "longitude"]].to_numpy(float)


def seattle_weather() -> Rows:
    """Rain, temperatures and wind of 1,461 days, standardised, from vega_datasets."""
    table = _import("vega_datasets").local_data.seattle_weather()
    return _standardise(table, "precipitation", "temp_max", "temp_min", "wind")


def affairs() -> Rows:
    """Fair's survey of 6,366 women, nine answers, standardised, from statsmodels."""
    return _standardise(_import("statsmodels.datasets.fair").load_pandas().data)


def health_insurance() -> Rows:
    """RAND's experiment on health insurance, 20,190 x 10, standardised, from statsmodels."""
    return _standardise(_import("statsmodels.datasets.randhie").load_pandas().data)


PACKAGED: dict[str, Table] = {
    "wine as measured": Table(3, wine_as_measured),
    "flower": Table(16, flower),
    "penguins": Table(3, penguins),
    "cars": Table(5, cars),
    "airports": Table(20, airports),
    "Seattle's weather": Table(6, seattle_weather),
    "affairs": Table(8, affairs),
    "health insurance": Table(8, health_insurance),
}


def _import(name: str) -> Any:
    """Import a package that carries tables; its absence is told by the extra that has it."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise ImportError(f"{package} is not installed: pip install -e '.[bench]'") from error


def _standardise(table: Any, *names: str) -> Rows:
    """Return columns of a data frame, or all, standardised, rows with gaps left out."""
    rows = (table[list(names)] if names else table).dropna().to_numpy(float)
    return np.asarray(StandardScaler().fit_transform(rows))
