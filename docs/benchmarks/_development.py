"""Development sets, decoded in seconds: what the decoders' settings are perturbed on.

Sets and seeds (below 100) are those of development: no table of results has them. There are few
rows, so that a perturbation takes seconds; of a hundred settings each is then worth two runs.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from datasets.families import CHOOSING
from datasets.suite import suite
from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketch, Sketcher

Rows = NDArray[np.float64]

N_ROWS = 5000
FIRST_SEED, LAST_SEED = 60, 99


def wide(seed: int, n: int) -> Rows:
    """Eight Gaussians in 64 dimensions, which overlap in most of them."""
    rng = np.random.default_rng([seed, 41])
    return rng.normal(size=(8, 64))[rng.integers(8, size=n)] + rng.normal(size=(n, 64))


def moved(seed: int, n: int) -> Rows:
    """Eight Gaussians in 4 dimensions; of the later rows three are far from where they were."""
    rng = np.random.default_rng([seed, 42])
    centers, labels = 4.0 * rng.normal(size=(8, 4)), rng.integers(8, size=n)
    X = centers[labels] + rng.normal(size=(n, 4))
    far = 40.0 * rng.normal(size=(3, 4))
    is_far = (labels < 3) & (np.arange(n) >= n // 4)
    X[is_far] += far[labels[is_far]]
    return X


@dataclass(frozen=True)
class Task:
    """Something to decode: rows by name, how many atoms, and of how large a sketch.

    Attributes
    ----------
    rows : str
        A set of the suite, of `datasets.families.CHOOSING`, "wide" or "moved".
    k : int
        Clusters, or components.
    ratio : int
        Frequencies for each coordinate of each.
    kind : {"k-means", "diag", "full"}
        What is decoded: a mixture's covariances, if it is one. Its columns are divided by their
        deviations, and its loss is in nats a row.
    options : mapping
        Of the `Sketcher`.
    n_pilot : int
        First rows that it is fitted on.
    """

    rows: str
    k: int
    ratio: int = 4
    kind: Literal["k-means", "diag", "full"] = "k-means"
    options: Mapping[str, Any] = field(default_factory=dict)
    n_pilot: int = N_ROWS

    @property
    def name(self) -> str:
        """Name of a row of a table."""
        options = "".join(f", {value}" for value in self.options.values())
        return f"{self.rows}, {self.kind}, k = {self.k}, {self.ratio} k d{options}"


TASKS = (
    Task("unbalanced 1:100", 10),
    Task("overlapping Gaussians", 10, 2),
    Task("heavy tails", 8),
    Task("far outliers", 10),
    Task("unequal widths", 8),
    Task("skewed", 12),
    Task("compositions", 5),
    Task("sheet", 10, 2),
    Task("one far", 6, 10),
    Task("sheet", 40),
    Task("10 x 10 grid", 100),
    Task("wide", 8),
    Task("moved", 8, n_pilot=N_ROWS // 4),
    Task("unbalanced 1:100", 10, 10, options={"features": "signs"}),
    Task("unequal widths", 8, options={"scale": "mixed"}),
    Task("sheet", 8, 10, "diag"),
    Task("skewed", 5, 10, "diag"),
    Task("wine", 3, 10, "diag"),
    Task("unbalanced 1:100", 10, 5, "diag"),
    Task("digits PCA-10", 5, 5, "full"),
    Task("cigars", 6, 10, "full"),
)


@dataclass(frozen=True)
class Prepared:
    """A task with its sketch, made once, and what another method gets of the rows.

    Streams other than 0 decode the same sketch with other random numbers.
    """

    task: Task
    seed: int
    X: Rows
    sketch: Sketch
    best: float
    stream: int = 0

    def decode(self) -> tuple[float, str]:
        """Return the loss and the verdict: of clusters, the logarithm of a ratio of sums."""
        k, seed = self.task.k, self.seed + 1000 * self.stream
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.task.kind == "k-means":
                centroids = CompressiveKMeans(k, random_state=seed).fit_sketch(self.sketch)
                loss = math.log(-centroids.score(self.X) / self.best)
                return loss, centroids.mixture_.quality.verdict
            mixture = CompressiveGaussianMixture(
                k, covariance_type=self.task.kind, random_state=seed
            ).fit_sketch(self.sketch)
            loss = self.best - float(mixture.score(self.X))
            return loss, mixture.mixture_.quality.verdict


def prepare(task: Task, seed: int) -> Prepared:
    """Draw a task's rows, sketch them, and let scikit-learn have a try at the rows."""
    X = draw(task.rows)(seed, N_ROWS)
    is_mixture = task.kind != "k-means"
    options = dict(task.options)
    if is_mixture:
        X, options["scale"] = X / X.std(axis=0), "columns"
    size = task.ratio * task.k * X.shape[1]
    sketcher = Sketcher(size, n_clusters=task.k, keep_pilot=False, random_state=seed, **options)
    sketch = sketcher.fit(X[: task.n_pilot]).sketch(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_mixture:
            em = GaussianMixture(task.k, covariance_type=task.kind, n_init=3, random_state=seed)
            best = float(em.fit(X).score(X))
        else:
            best = float(KMeans(task.k, n_init=5, random_state=seed).fit(X).inertia_)
    return Prepared(task, seed, X, sketch, best)


def draw(name: str) -> Callable[[int, int], Rows]:
    """Return what draws the rows of a name."""
    own = {"wide": wide, "moved": moved}
    if name in own:
        return own[name]
    if name in CHOOSING:
        return CHOOSING[name].draw
    return lambda seed, n: suite(n)[name].rows(seed)


def score(prepared: Sequence[Prepared]) -> dict[str, tuple[float, str, float]]:
    """Return the loss, the verdict and the processor seconds of every task by name."""
    result = {}
    for one in prepared:
        start = time.process_time()
        loss, verdict = one.decode()
        result[f"{one.task.name}, seed {one.seed}"] = loss, verdict, time.process_time() - start
    return result
