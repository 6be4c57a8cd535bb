"""How far a pass over a source has come."""

from __future__ import annotations

from dataclasses import dataclass, field

from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sums import Sums


@dataclass(frozen=True)
class Progress:
    """How far a pass has come.

    Parameters
    ----------
    operator : FrequencyOperator
        What rows are projected with.
    finished : Sums
        Of the partitions before the current one, those skipped left out.
    sums : Sums
        Of these and of the rows so far of the current partition.
    partition : int
        Index of the current partition.
    row : int
        How many of the current partition's rows are in `sums`.
    n_rows : int
        How many rows were read in all.
    skipped : tuple of (str, str)
        Names of the partitions that could not be read, and why.
    feature_names : tuple of str, optional
        Names of the features, where the sketcher knew them.
    """

    operator: FrequencyOperator = field(compare=False)
    finished: Sums
    sums: Sums
    partition: int = 0
    row: int = 0
    n_rows: int = 0
    skipped: tuple[tuple[str, str], ...] = ()
    feature_names: tuple[str, ...] | None = None

    @property
    def sketch(self) -> Sketch:
        """The sketch of all rows so far."""
        return Sketch(self.operator, self.sums, feature_names=self.feature_names)

    @property
    def current(self) -> Sums:
        """Sums of the rows so far of the current partition."""
        return self.sums - self.finished
