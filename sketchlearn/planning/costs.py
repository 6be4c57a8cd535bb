"""What sketches cost on this machine: bytes and seconds, of a few that are really taken."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import final

import numpy as np

from sketchlearn._threads import OneThread
from sketchlearn._validation import RandomState
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import SurrogateKMeans
from sketchlearn.linear_maps.hadamard import padded_size
from sketchlearn.planning.prediction import LEAST_ROWS, Plan, count_busy, format_bytes
from sketchlearn.planning.table import count_decode_seconds, look_up_errors, read_table
from sketchlearn.sketches import Sketch
from sketchlearn.sketching import Sketcher
from sketchlearn.sketching.pilot import pilot_size
from sketchlearn.sketching.tuning import (
    FAST_FEATURES,
    LEAST_FAST_FEATURES,
    n_principal,
    require_memory_to_draw,
)

# Seconds of sketching that all costs come from.
CALIBRATION_SECONDS = 0.5
# Standard deviations of the rows that are timed, in those of a cluster: phases of the first are
# computed in float32, of the second in float64.
SPREADS = (1.0, 100.0)
# Numbers of the first rows that are timed, rows that they are at the least, and at the most those
# that a sketcher is fitted on, which takes its time of wide rows and is no part of a pass.
N_TIMED, FEWEST_TIMED, MOST_FITTED = 2**20, 32, 256
# Columns beyond which rows are reckoned, not timed: from half of them and all of them.
WIDEST_TIMED = 8192
# Frequencies beyond which a sketch is reckoned, not tried.
MOST_TRIED = 4096
# Rows that no sketch holds: its total weight stays below.
MOST_ROWS = 2**40
# Bytes of an array beyond which none is planned, let alone drawn.
MOST_ARRAY_BYTES = 2**32
# Of an entry of a dense operator: turns in float32, radians in float64.
BYTES_AN_ENTRY = 12
# Bytes by which files of one size differ: digits of numbers, in headers filled up to eights.
HEADER_SPARE = 16
# Rows, columns, clusters and frequencies of the decode that tells how fast the machine is.
REFERENCE = {"n_samples": 2000, "n_features": 2, "n_clusters": 3, "n_frequencies": 100}


@final
@dataclass(frozen=True)
class Question:
    """What is to be planned for: rows, columns, clusters, and workers side by side."""

    n_samples: int
    n_features: int
    n_clusters: int
    n_workers: int

    @property
    def n_numbers(self) -> int:
        """Numbers to be found: directions that are decoded, for each cluster."""
        return self.n_clusters * n_principal(self.n_features, self.n_clusters)


@final
@dataclass(frozen=True)
class CostModel:
    """What sketches of one kind cost on this machine, by their frequencies.

    Bytes and seconds a row are affine in m, through those of the two sizes that were tried.
    """

    question: Question
    operator: str
    features: str
    sizes: tuple[int, int]
    bare_bytes: np.ndarray
    whole_bytes: np.ndarray
    row_seconds: np.ndarray
    speed: float

    @property
    def kind(self) -> tuple[str, str]:
        """Operator and features."""
        return self.operator, self.features

    def predict(self, n_frequencies: int) -> Plan:
        """Return the plan of a size."""
        share = (n_frequencies - self.sizes[0]) / (self.sizes[1] - self.sizes[0])
        bare, whole, seconds = (
            values[0] + share * (values[1] - values[0])
            for values in (self.bare_bytes, self.whole_bytes, self.row_seconds)
        )
        asked = self.question
        rows_a_cluster = asked.n_samples / asked.n_clusters
        quick, decode, slow = count_decode_seconds(
            asked.n_features, asked.n_clusters, n_frequencies, *self.kind, rows_a_cluster
        )
        expected, likely = look_up_errors(
            n_frequencies / asked.n_numbers, self.features, rows_a_cluster
        )
        return Plan(
            asked.n_samples,
            asked.n_features,
            asked.n_clusters,
            asked.n_workers,
            self.operator,
            self.features,
            n_frequencies,
            math.ceil(bare) + HEADER_SPARE,
            math.ceil(whole) + HEADER_SPARE,
            float(asked.n_samples * seconds / count_busy(asked.n_samples, asked.n_workers)),
            self.speed * quick,
            self.speed * decode,
            self.speed * slow,
            expected,
            likely,
        )


def list_kinds(question: Question, n_frequencies: int) -> list[tuple[str, str]]:
    """Return kinds of operator and features to choose among, for so many frequencies.

    Transforms are as good as a matrix from some dozen columns on, and always faster from many on.

    Raises
    ------
    ValueError
        If memory could not hold any operator of so many frequencies.
    """
    n_features, k = question.n_features, question.n_clusters
    operators = ["dense"] if n_features < FAST_FEATURES else []
    operators += ["fast"] if n_features >= LEAST_FAST_FEATURES else []
    n_bytes = BYTES_AN_ENTRY * n_features * n_frequencies
    if "dense" in operators and n_bytes > MOST_ARRAY_BYTES:
        if operators == ["dense"]:
            raise ValueError(
                f"{n_frequencies:,} frequencies of {n_features:,} columns are an operator of "
                f"{format_bytes(n_bytes)}, more than {format_bytes(MOST_ARRAY_BYTES)}: look for "
                "fewer clusters"
            )
        operators.remove("dense")
    for operator in operators:
        n_pilot = min(question.n_samples, pilot_size(k))
        require_memory_to_draw(n_features, n_frequencies, operator, False, k, n_pilot)
    return [(operator, features) for operator in operators for features in ("waves", "signs")]


def calibrate(
    question: Question, sizes: Sequence[int], random_state: RandomState
) -> list[CostModel]:
    """Time two sizes of sketch of each kind, and a decode.

    Parameters
    ----------
    question : Question
        What is planned for.
    sizes : sequence of int
        Numbers of frequencies to choose among, growing.
    random_state : int, RandomState, Generator or None
        Of the sketches.
    """
    kinds = list_kinds(question, sizes[-1])
    if (n_bytes := 8 * question.n_clusters**2) > MOST_ARRAY_BYTES:
        raise ValueError(
            f"a decode of {question.n_clusters:,} clusters holds a matrix of "
            f"{format_bytes(n_bytes)}, more than {format_bytes(MOST_ARRAY_BYTES)}: look for fewer "
            "clusters"
        )
    least = min(sizes[0], MOST_TRIED // 2)
    tried = (least, min(max(sizes[-1], 2 * least), MOST_TRIED))
    seconds = CALIBRATION_SECONDS / (len(kinds) * len(tried) * len(SPREADS))
    speed = time_reference_decode() / read_table()["decode"]["reference_seconds"]
    models = []
    for kind in kinds:
        found = [measure_sketching(question, kind, m, seconds, random_state) for m in tried]
        bare, whole, *near_and_far = np.transpose(found)
        rows = np.sqrt(near_and_far[0] * near_and_far[1])
        models.append(CostModel(question, *kind, tried, bare, whole, rows, speed))
    return models


def measure_sketching(
    question: Question,
    kind: tuple[str, str],
    n_frequencies: int,
    least_seconds: float,
    random_state: RandomState,
) -> np.ndarray:
    """Return what `time_sketching` does, of very wide rows by a line through two narrower sizes.

    Bytes grow with the columns, seconds with those that transforms pad rows to.
    """
    d = question.n_features
    if d <= WIDEST_TIMED:
        return np.array(time_sketching(question, kind, n_frequencies, least_seconds, random_state))
    sizes = np.array([WIDEST_TIMED // 2, WIDEST_TIMED])
    found = []
    for size in sizes:
        narrow = replace(question, n_features=int(size))
        found.append(time_sketching(narrow, kind, n_frequencies, least_seconds, random_state))
    reached = np.array([d, d, *(padded_size(d) for _ in SPREADS)])
    return found[0] + np.subtract(found[1], found[0]) * (reached - sizes[0]) / (sizes[1] - sizes[0])


def time_sketching(
    question: Question,
    kind: tuple[str, str],
    n_frequencies: int,
    least_seconds: float,
    random_state: RandomState,
) -> tuple[float, ...]:
    """Return bytes without and with operator of a sketch, and the seconds of a row of each spread.

    Rows of clusters that are far apart have phases that float32 would round too coarsely.
    """
    n_rows = int(np.clip(N_TIMED // question.n_features, FEWEST_TIMED, LEAST_ROWS))
    drawn = np.random.default_rng(0).standard_normal((n_rows, question.n_features))
    operator, features = kind
    bare, whole, all_seconds = 0, 0, []
    for spread in SPREADS:
        rows = spread * drawn
        sketcher = Sketcher(
            n_frequencies, n_clusters=question.n_clusters, scale=1.0, operator=operator,
            features=features, keep_pilot=False, random_state=random_state,
        )  # fmt: skip
        sketch = repeat(sketcher.fit(rows[:MOST_FITTED]).sketch(rows), question.n_samples)
        bare, whole = len(sketch.to_bytes(operator=False)), len(sketch.to_bytes())
        seconds = 0.0
        # Twice as many rows each time, so that what a pass costs once is hardly seen in the last.
        while seconds < least_seconds / 2.0:
            rows = np.concatenate([rows, rows])
            start = time.process_time()
            sketcher.sketch(rows)
            seconds = time.process_time() - start
        all_seconds.append(seconds / len(rows))
    return bare, whole, *all_seconds


def repeat(sketch: Sketch, n_samples: int) -> Sketch:
    """Return a sketch of about so many rows, those of another again and again.

    Counts of signs take as many bytes as the number of rows asks for.
    """
    while sketch.n_samples <= n_samples / 2.0:
        sketch = sketch + sketch
    return sketch


@cache
def time_reference_decode() -> float:
    """Return the seconds of a small decode, the fastest of three: how fast this machine is."""
    rng = np.random.default_rng(0)
    n, d = REFERENCE["n_samples"], REFERENCE["n_features"]
    k, m = REFERENCE["n_clusters"], REFERENCE["n_frequencies"]
    rows = rng.standard_normal((n, d)) + 8.0 * rng.integers(k, size=(n, 1))
    sketch = Sketcher(m, scale=1.0, keep_pilot=False, random_state=0).fit(rows).sketch(rows)
    family, seconds = SphericalGaussian(sketch.operator), []
    with OneThread():
        for seed in range(4):
            start = time.process_time()
            SurrogateKMeans().decode(sketch, family, k, np.random.default_rng(seed))
            seconds.append(time.process_time() - start)
    # The first one may compile.
    return min(seconds[1:])
