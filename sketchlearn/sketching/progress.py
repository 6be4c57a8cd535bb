"""How a pass tells how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

# Seconds between two updates of the line.
INTERVAL = 0.2


class TerminalLine:
    """One line, written over and over.

    Parameters
    ----------
    file : text stream, optional
        Where to write; by default, and only if it is a terminal, standard error.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file or (sys.stderr if sys.stderr.isatty() else None)
        self._is_begun = False

    @property
    def is_shown(self) -> bool:
        """Whether anybody sees it."""
        return self._file is not None

    def show(self, text: str) -> None:
        """Write over what was there."""
        if self._file is not None:
            self._is_begun = True
            self._file.write(f"\r{text:<78.78}")
            self._file.flush()

    def close(self) -> None:
        """End the line."""
        if self._file is not None and self._is_begun:
            self._file.write("\n")
            self._file.flush()


class ProgressLine:
    """A line on a terminal: rows, rows a second, and the time left if the total is known.

    Parameters
    ----------
    file : text stream, optional
        Where to write; see `TerminalLine`.
    clock : callable, optional
        Gives seconds.
    """

    def __init__(
        self, file: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._line = TerminalLine(file)
        self._clock = clock
        self._start: tuple[float, int] | None = None
        self._last = -INTERVAL

    def __call__(self, n_rows: int, total: int | None) -> None:
        """Say that `n_rows` of `total` rows were read."""
        if not self._line.is_shown:
            return
        now = self._clock()
        if self._start is None:
            # Rows of an earlier run count as read, not as read in no time.
            self._start = now, n_rows
        if now - self._last < INTERVAL and n_rows != total:
            return
        self._last = now
        seconds, rows = now - self._start[0], n_rows - self._start[1]
        rate = rows / seconds if seconds > 0 else 0.0
        line = f"{n_rows:,} rows, {rate:,.0f} rows/s"
        if total and rate:
            line += f", {n_rows / total:.0%}, {max(0.0, total - n_rows) / rate:.0f} s left"
        self._line.show(line)

    def close(self) -> None:
        """End the line."""
        self._line.close()
