"""A plan: a sketch that has not been taken, and what is expected of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

from sketchlearn.linear_maps.hadamard import padded_size
from sketchlearn.planning.table import FEW_ROWS, read_table
from sketchlearn.sketching import Sketcher
from sketchlearn.sketching.tuning import n_principal, resolve_frequency_count

# What such a sketch is not for.
WITHOUT_SIGNS = (
    "Signs are for k-means: clusters are not counted in sketches of them, and the widths of a "
    "mixture's components come out less exact. For these take waves. Signs tell clusters apart "
    "that lie up to some thirty of their widths from one another at 6 k d frequencies and more, "
    "up to some twenty at fewer."
)
# And what few rows for each cluster mean: of blobs of 1,000 rows in 5 to 60 clusters and 10 to 500
# columns, too far apart to touch, decodes lost up to 2 %.
OF_FEW_ROWS = (
    "Few rows for each cluster: the errors are those of clusters that touch. Where they are far "
    "apart, less is lost, some 2 % at most; where they are not, the rows tell little of them."
)
# Rows below which another worker is not worth its while, since a pass has costs that do not fall
# with its rows: so many are timed, too, unless they are wide.
LEAST_ROWS = 2048
# Columns from which the exact lengths of a fast operator's frequencies take a second and more, and
# seconds of one sum of two numbers in their transforms, on the machine of the table.
COSTLY_FEATURES, SECONDS_A_SUM = 16_384, 1.8e-10
# Bytes of a row's number as float32.
BYTES_A_NUMBER = 4


@final
@dataclass(frozen=True)
class Plan:
    """A sketch that has not been taken, and what is expected of it.

    Attributes
    ----------
    n_samples, n_features, n_clusters, n_workers : int
        What was asked about.
    operator : {"dense", "fast"}
        How rows become phases: by a matrix, or by Walsh-Hadamard transforms.
    features : {"waves", "signs"}
        What is averaged of the phases.
    n_frequencies : int
        Complex entries m of the sketch.
    sketch_bytes : int
        Of a sketch's file without its operator: what each of many sites sends. Names of columns
        come on top.
    file_bytes : int
        Of a file with the operator, which stands alone.
    sketch_seconds : float
        To sketch all rows from memory, by so many workers as fast as one thread of this machine,
        as far as there are some thousand rows for each:
        the geometric mean of what rows take whose clusters are near one another and far apart,
        which is known only when they are seen. Reading files comes on top.
    quick_decode_seconds : float
        To decode k-means from the sketch, on one thread, where no cluster seems to be missing and
        nothing is in doubt: much less than the next where k-means looks for many clusters in many
        columns from few frequencies.
    decode_seconds : float
        The same where the rows are of as many Gaussians, far apart. Half of the shapes that the
        law was not told took within a third of it.
    slow_decode_seconds : float
        What decodes of nine of ten data sets of `docs/benchmarks/planning.py` stay under, most of
        which no such mixture explains, or those of nine of ten shapes that the law was not told.
    expected_error : float
        Sum of squared distances over that of k-means on all rows, less one: the median over these
        data sets, decoded from the sketch alone.
    likely_error : float
        The same figure, which nine of ten of the data sets stay under.
    alternatives : tuple of Plan
        Plans that keep to what was asked for, with no larger an error than this one where none
        was asked for, and are cheaper in something: fewest seconds, fewest bytes, least error.

    Examples
    --------
    >>> from sketchlearn import plan
    >>> site = plan(10_000_000, 4, 5, max_bytes=4000, n_workers=100)
    >>> site.sketch_bytes <= 4000 and site.expected_error < site.likely_error
    True
    """

    n_samples: int
    n_features: int
    n_clusters: int
    n_workers: int
    operator: str
    features: str
    n_frequencies: int
    sketch_bytes: int
    file_bytes: int
    sketch_seconds: float
    quick_decode_seconds: float
    decode_seconds: float
    slow_decode_seconds: float
    expected_error: float
    likely_error: float
    alternatives: tuple[Plan, ...] = ()

    def __str__(self) -> str:
        workers = f"{self.n_workers} worker" + ("s" if self.n_workers > 1 else "")
        quick = format_number(self.quick_decode_seconds, 2)
        is_tried_again = self.quick_decode_seconds < self.decode_seconds / 2.0
        lines = [
            f"{self.describe_size()} for {self.n_clusters} clusters in {self.n_features} columns: "
            f"{format_bytes(self.sketch_bytes)} a sketch, "
            f"{format_bytes(self.file_bytes)} with its operator.",
            f"One pass over {self.n_samples:,} rows in memory takes "
            f"{format_number(self.sketch_seconds)} s on {workers}, decoding "
            f"{format_number(self.decode_seconds, 2)} s"
            f"{f' ({quick} s where no cluster seems to be missing)' * is_tried_again}, or up to "
            f"{format_number(self.slow_decode_seconds, 2)} s where clusters are no Gaussians.",
            f"Error against k-means on all rows: {self.expected_error:.1%} expected, "
            f"{self.likely_error:.1%} or less on nine data sets of ten.",
        ]
        lines += [f"Or {one.describe_in_short()}." for one in self.alternatives]
        return "\n".join([*lines, *self.notes])

    @property
    def notes(self) -> tuple[str, ...]:
        """What speaks against such a sketch, and what it is not for; often nothing."""
        notes = []
        if self.file_bytes >= (n_bytes := BYTES_A_NUMBER * self.n_samples * self.n_features):
            notes.append(
                f"Keep the rows: as float32 they take {format_bytes(n_bytes)}, no more than a file "
                "of this sketch with its operator, and k-means on them is exact."
            )
        if (n_busy := count_busy(self.n_samples, self.n_workers)) < self.n_workers:
            notes.append(
                f"Fewer workers: {self.n_samples:,} rows keep {n_busy:,} busy, not "
                f"{self.n_workers:,}, and the seconds are those of {n_busy:,}."
            )
        if self.n_samples < FEW_ROWS[1] * self.n_clusters:
            notes.append(OF_FEW_ROWS)
        most = read_table()["decode"]["measured"]
        beyond = [
            f"{most[name]:,} {what}"
            for name, what, value in (
                ("n_clusters", "clusters", self.n_clusters),
                ("n_frequencies", "frequencies", self.n_frequencies),
            )
            if value > most[name]
        ]
        if beyond:
            notes.append(
                f"Decodes of up to {' and '.join(beyond)} were timed: beyond, the decode's seconds "
                "are a guess, from a third to three times of which is to be expected."
            )
        if n_principal(self.n_features, self.n_clusters) < self.n_features:
            automatic = resolve_frequency_count("auto", self.n_clusters, self.n_features)
            if self.n_frequencies < automatic:
                notes.append(
                    f"Of rows so wide smaller sketches than those of {automatic:,} frequencies may "
                    "leave a decode doubtful that is right, unless fit has the rows."
                )
        if self.operator == "fast" and self.n_features >= COSTLY_FEATURES:
            notes.append(
                f"An operator of so many columns takes some "
                f"{format_number(self._count_first_seconds(), 2)} s to be made and first used, and "
                "up to as long to be read, in each process: its lengths are computed exactly, by "
                "as many transforms as there are columns."
            )
        if any(one.features == "signs" for one in (self, *self.alternatives)):
            notes.append(WITHOUT_SIGNS)
        return tuple(notes)

    def _count_first_seconds(self) -> float:
        """Return the seconds of a fast operator's exact lengths: transforms of every column."""
        p = padded_size(self.n_features)
        # Of a power of two the lengths of drawn frequencies are known; their columns' are not.
        n_columns = self.n_features + min(self.n_features, p - self.n_features)
        n_blocks = -(-self.n_frequencies // p)
        return SECONDS_A_SUM * n_blocks * n_columns * p * math.log2(p)

    def describe_size(self) -> str:
        """Return what the sketch consists of, in words."""
        return f"{self.n_frequencies:,} {self.features}, operator {self.operator!r},"

    def describe_in_short(self) -> str:
        """Return its size, bytes, seconds and error in one line."""
        return (
            f"{self.describe_size()} {format_bytes(self.sketch_bytes)} a sketch, "
            f"{format_bytes(self.file_bytes)} with its operator, "
            f"{format_number(self.seconds)} s in all, "
            f"{self.expected_error:.1%} error expected"
        )

    @property
    def seconds(self) -> float:
        """Of the pass and the decode together."""
        return self.sketch_seconds + self.decode_seconds

    def make_sketcher(self, **settings: Any) -> Sketcher:
        """Return an unfitted `Sketcher` of this size and kind; other settings go to it."""
        return Sketcher(
            self.n_frequencies,
            n_clusters=self.n_clusters,
            operator=self.operator,
            features=self.features,
            **settings,
        )


def count_busy(n_samples: int, n_workers: int) -> int:
    """Return how many of the workers so many rows keep busy, one at least."""
    return min(n_workers, max(1, n_samples // LEAST_ROWS))


def format_bytes(n_bytes: float) -> str:
    """Return a number of bytes in words, as "12.3 kB"."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000.0:
            return f"{format_number(n_bytes)} {unit}"
        n_bytes /= 1000.0
    return f"{format_number(n_bytes)} GB"


def format_number(value: float, n_digits: int = 3) -> str:
    """Return a number of so many digits, large ones written out: 110 and not 1.1e+02."""
    return f"{float(f'{value:.{n_digits}g}'):,.15g}"
