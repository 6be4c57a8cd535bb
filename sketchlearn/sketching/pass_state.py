"""How far a pass over a source has come."""

from __future__ import annotations

from dataclasses import dataclass

from sketchlearn.sketches.sketch import Sketch


@dataclass(frozen=True)
class Progress:
    """How far a pass has come.

    Parameters
    ----------
    finished : Sketch
        Of the parts before the current one, those skipped left out.
    current : Sketch
        Of the rows so far of the current part.
    part : int
        Index of the current part.
    row : int
        How many of its rows are in `current`.
    n_rows : int
        How many rows were read in all.
    skipped : tuple of (str, str)
        Names of the parts that could not be read, and why.
    """

    finished: Sketch
    current: Sketch
    part: int = 0
    row: int = 0
    n_rows: int = 0
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def sketch(self) -> Sketch:
        """The sketch of all rows so far."""
        return self.finished + self.current
