"""Development sets, decoded in seconds: what the decoders' settings are perturbed on.

Sets and seeds (below 100) are those of development: no table of results has them. Sketches are
small, so that a perturbation takes seconds. Each mechanism of the decoders is reached by a task:
nested, rare and far clusters, far rows, clusters that moved, many clusters, sketches of signs, of
mixed scales, with noise as of a private release, of many columns, and of many numbers.
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
from sketchlearn.privacy import Mechanism, PrivateSketch
from sketchlearn.privacy.queries import compute_parts, sensitivities
from sketchlearn.sketches.sketch_like import SketchLike

Rows = NDArray[np.float64]

N_ROWS = 10_000
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


def in_clusters(seed: int, n: int) -> Rows:
    """Five times three Gaussians in 5 dimensions, clusters of clusters."""
    rng = np.random.default_rng([seed, 43])
    centers = 30.0 * rng.normal(size=(5, 1, 5)) + 3.0 * rng.normal(size=(5, 3, 5))
    return centers.reshape(15, 5)[rng.integers(15, size=n)] + rng.normal(size=(n, 5))


def rare_and_wide(seed: int, n: int) -> Rows:
    """Three narrow Gaussians in 3 dimensions, and four rare ones, four times as wide, far off."""
    rng = np.random.default_rng([seed, 44])
    centers = np.vstack([6.0 * rng.normal(size=(3, 3)), 60.0 * rng.normal(size=(4, 3))])
    labels = rng.choice(7, size=n, p=np.repeat([0.94 / 3, 0.06 / 4], [3, 4]))
    widths = np.where(labels < 3, 1.0, 4.0)
    return centers[labels] + widths[:, None] * rng.normal(size=(n, 3))


def both_sides(seed: int, n: int) -> Rows:
    """Six Gaussians in 4 dimensions, and two of a hundredth of the rows on both sides, far off."""
    rng = np.random.default_rng([seed, 45])
    centers = np.vstack([4.0 * rng.normal(size=(6, 4)), np.outer([1.0, -1.0], np.full(4, 25.0))])
    labels = rng.choice(8, size=n, p=np.repeat([0.98 / 6, 0.01], [6, 2]))
    return centers[labels] + rng.normal(size=(n, 4))


def many_columns(seed: int, n: int) -> Rows:
    """Six Gaussians in 24 dimensions, apart."""
    rng = np.random.default_rng([seed, 46])
    return 3.0 * rng.normal(size=(6, 24))[rng.integers(6, size=n)] + rng.normal(size=(n, 24))


OWN: dict[str, Callable[[int, int], Rows]] = {
    "wide": wide,
    "moved": moved,
    "clusters in clusters": in_clusters,
    "rare and wide": rare_and_wide,
    "both sides": both_sides,
    "many columns": many_columns,
}


@dataclass(frozen=True)
class Task:
    """Something to decode: rows by name, how many atoms, and of how large a sketch.

    Attributes
    ----------
    rows : str
        A set of the suite, of `datasets.families.CHOOSING`, or of `OWN`.
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
    epsilon : float, optional
        Of the noise, as a release has it, that is added to the sketch of a declared box.
    """

    rows: str
    k: int
    ratio: int = 4
    kind: Literal["k-means", "diag", "full"] = "k-means"
    options: Mapping[str, Any] = field(default_factory=dict)
    n_pilot: int = N_ROWS
    epsilon: float | None = None

    @property
    def name(self) -> str:
        """Name of a row of a table."""
        options = "".join(f", {value}" for value in self.options.values())
        options += "" if self.epsilon is None else f", epsilon {self.epsilon:g}"
        return f"{self.rows}, {self.kind}, k = {self.k}, {self.ratio} k d{options}"


TASKS = (
    Task("unbalanced 1:100", 10),
    Task("overlapping Gaussians", 10, 2),
    Task("heavy tails", 8),
    Task("far outliers", 10),
    Task("unequal widths", 8),
    Task("sheet", 10, 2),
    Task("one far", 6, 10),
    Task("sheet", 40, 2),
    Task("sheet", 10, 70),
    Task("10 x 10 grid", 100),
    Task("wide", 4, 2),
    Task("moved", 8, 10, n_pilot=N_ROWS // 4),
    Task("clusters in clusters", 15, 5),
    Task("clusters in clusters", 15, 10, options={"scale": "mixed"}),
    Task("rare and wide", 7, 5),
    Task("both sides", 8, 10),
    Task("pairs", 10, 5),
    Task("falling shares", 10, 5),
    Task("unbalanced 1:100", 10, 10, options={"features": "signs"}),
    Task("far outliers", 10, 10, epsilon=2.0),
    Task("falling shares", 10, 10, epsilon=2.0),
    Task("many columns", 6, 10, epsilon=2.0),
    Task("sheet", 8, 10, "diag"),
    Task("skewed", 5, 10, "diag"),
    Task("wine", 3, 10, "diag"),
    Task("unbalanced 1:100", 10, 5, "diag"),
    Task("counts", 6, 5, "full"),
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
    sketch: SketchLike
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
    sketch: SketchLike
    if task.epsilon is None:
        sketcher = Sketcher(size, n_clusters=task.k, keep_pilot=False, random_state=seed, **options)
        sketch = sketcher.fit(X[: task.n_pilot]).sketch(X)
    else:
        sketcher = Sketcher.from_domain(
            *(X.min(axis=0), X.max(axis=0)),
            n_clusters=task.k,
            n_frequencies=size,
            clip=True,
            random_state=seed,
        )
        sketch = add_noise(sketcher.sketch(X), task.epsilon, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_mixture:
            em = GaussianMixture(task.k, covariance_type=task.kind, n_init=3, random_state=seed)
            best = float(em.fit(X).score(X))
        else:
            best = float(KMeans(task.k, n_init=5, random_state=seed).fit(X).inertia_)
    return Prepared(task, seed, X, sketch, best)


def add_noise(sketch: Sketch, epsilon: float, seed: int) -> PrivateSketch:
    """Return a sketch as if released; of a seed, so that all settings meet the same noise."""
    operator, kind, rng = sketch.operator, sketch.moment_kind, np.random.default_rng([seed, 47])
    moved = sensitivities(operator, kind, "add-remove", 1, norm=2)
    mechanism = Mechanism.choose(epsilon, 1e-6, "add-remove", 1, moved, moments_share=0.1)
    parts = {
        part: values
        + np.rint(mechanism.scales[part] * rng.standard_normal(len(values))).astype(int)
        for part, values in compute_parts(operator, sketch.sums).items()
    }
    return PrivateSketch(operator, parts, (mechanism,), kind)


def draw(name: str) -> Callable[[int, int], Rows]:
    """Return what draws the rows of a name."""
    if name in OWN:
        return OWN[name]
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
