"""How far a decode is, told to whoever wants to know.

Decoders `tell` where they are, a line of code each, and know nothing of who listens: nobody, unless
somebody up the call stack opened `on_progress`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TextIO, final

from sketchlearn.sketching.progress import INTERVAL, TerminalLine

NAN = float("nan")


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

    def __init__(
        self, listener: Listener, interval: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._listener, self._interval, self._clock = listener, interval, clock
        self._start = clock()
        self._last = -float("inf")
        self._now = DecodeProgress()

    def __call__(self, **known: Any) -> None:
        """Take in what is known, and pass it on unless that was done a moment ago."""
        self._now = replace(self._now, **known)
        seconds = self._clock() - self._start
        if seconds - self._last >= self._interval:
            self._last = seconds
            self._listener(replace(self._now, seconds=seconds))


_listening: ContextVar[_Listening | None] = ContextVar("listening", default=None)


@contextmanager
def on_progress(listener: Listener, *, interval: float = INTERVAL) -> Iterator[None]:
    """Call ``listener`` with a `DecodeProgress` now and then, while decodes run in this context.

    An exception that the listener raises ends the decode, as an interrupt does: estimators stay as
    they were, and sketches are values that nothing changes.

    Parameters
    ----------
    listener : callable
        For example ``print``.
    interval : float, default=0.2
        Least seconds between two calls.

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
    token = _listening.set(_Listening(listener, interval))
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


def begin(stage: str) -> None:
    """Say that a new stage begins, of whose atoms and cost nothing is known yet."""
    tell(stage=stage, n_atoms=0, cost=NAN)
