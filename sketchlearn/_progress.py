"""How far a pass or a decode is, told to whoever wants to know.

Decoders `tell` where they are, a line of code each, and know nothing of who listens: nobody, unless
somebody up the call stack opened `on_progress`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TextIO, final

NAN = float("nan")
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


@final
@dataclass(frozen=True)
class DecodeProgress:
    """Where a decode is; ``str`` gives it as one line.

    Attributes
    ----------
    stage : str
        What is being done: a decoder's name and which decode it is, or what is done to points.
    n_atoms, n_wanted : int
        Atoms so far and asked for; 0 where a stage has none.
    cost : float
        Squared distance between the sketch and that of the atoms or points; NaN if not known.
    noise : float
        Squared standard error of the sketch; a cost below it is as low as it need be.
    seconds : float
        Since `on_progress` was entered.
    task : str
        Which of several decodes it is, for instance of `count_clusters`; empty where there is one.

    Examples
    --------
    >>> from sketchlearn.decoders import DecodeProgress
    >>> print(DecodeProgress("MeanShift, decode 1", n_atoms=2, n_wanted=3, seconds=4.0))
    MeanShift, decode 1: 2 of 3 atoms, 4 s
    """

    stage: str = "decoding"
    n_atoms: int = 0
    n_wanted: int = 0
    cost: float = NAN
    noise: float = NAN
    seconds: float = 0.0
    task: str = ""

    def __str__(self) -> str:
        parts = []
        if self.n_atoms:
            parts.append(f"{self.n_atoms} of {self.n_wanted} atoms")
        if self.cost >= 0 and self.noise > 0:
            parts.append(f"residual {self.cost / self.noise:,.3g} times the noise")
        stage = f"{self.task}, {self.stage}" if self.task else self.stage
        return f"{stage}: {', '.join([*parts, f'{self.seconds:.0f} s'])}"


Listener = Callable[[DecodeProgress], None]


class _Listening:
    """What was told so far, and who is to hear of it."""

    def __init__(self, listener: Listener, interval: float, clock: Callable[[], float]) -> None:
        self._listener, self._interval, self._clock = listener, interval, clock
        self._start = clock()
        self._last = -float("inf")
        self._now = DecodeProgress()

    def note(self, **known: Any) -> None:
        """Take in what is known."""
        self._now = replace(self._now, **known)

    def __call__(self, **known: Any) -> None:
        """Take in what is known, and pass it on unless that was done a moment ago."""
        self.note(**known)
        seconds = self._clock() - self._start
        if seconds - self._last >= self._interval:
            self._last = seconds
            self._listener(replace(self._now, seconds=seconds))


_listening: ContextVar[_Listening | None] = ContextVar("listening", default=None)


@contextmanager
def on_progress(
    listener: Listener, *, interval: float = INTERVAL, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Call ``listener`` with a `DecodeProgress` now and then, while decodes run in this context.

    An exception that the listener raises ends the decode, as an interrupt does: estimators stay as
    they were, and sketches are values that nothing changes.

    Parameters
    ----------
    listener : callable
        For example ``print``.
    interval : float, default=0.2
        Least seconds between two calls.
    clock : callable, optional
        Gives seconds.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import CompressiveKMeans, Sketcher
    >>> from sketchlearn.decoders import on_progress
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> sketch = Sketcher(n_clusters=3, random_state=0).fit(X).sketch(X)
    >>> heard = []
    >>> with on_progress(heard.append, interval=0.0):
    ...     model = CompressiveKMeans(3, random_state=0).fit_sketch(sketch)
    >>> heard[-1].n_wanted
    3
    """
    token = _listening.set(_Listening(listener, interval, clock))
    try:
        yield
    finally:
        _listening.reset(token)


@contextmanager
def progress_line(file: TextIO | None = None) -> Iterator[None]:
    """Show how far decodes are in one line of ``file``, by default standard error if a terminal."""
    line = TerminalLine(file)
    try:
        with on_progress(lambda progress: line.show(str(progress))):
            yield
    finally:
        line.close()


def tell(**known: Any) -> None:
    """Say what is known of a decode, by the names of `DecodeProgress`, if anybody listens."""
    if (listening := _listening.get()) is not None:
        listening(**known)


def note(**known: Any) -> None:
    """Say what whoever listens will hear with the next that is told."""
    if (listening := _listening.get()) is not None:
        listening.note(**known)


def tell_cost(cost: float) -> None:
    """Say what the cost is now: what a minimiser may call after each iteration."""
    tell(cost=cost)


def begin(stage: str) -> None:
    """Say that a new stage begins, of whose atoms and cost nothing is known yet."""
    tell(stage=stage, n_atoms=0, cost=NAN)
