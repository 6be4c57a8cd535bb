"""Interrupts: quiet while the program starts, and an exception once a command works."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What asks a program to stop: Ctrl-C, `kill` and batch systems, a terminal that is closed.
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Stopped(KeyboardInterrupt):
    """A signal came; `number` says which."""

    def __init__(self, *args: object, number: int = signal.SIGINT) -> None:
        super().__init__(*args)
        self.number = int(number)


def leave_on_signals() -> None:
    """End the program at once when a signal comes: nothing was begun.

    What is ignored, as after ``nohup``, stays ignored.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end_by_signal)


@contextmanager
def raise_signals() -> Iterator[None]:
    """Within this context, signals that would end the program raise `Stopped`."""
    caught = [number for number in SIGNALS if signal.getsignal(number) is _end_by_signal]
    for number in caught:
        signal.signal(number, _raise_interrupt)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, _end_by_signal)


@contextmanager
def tell_if_stopped(remains: str = "") -> Iterator[None]:
    """Within this context, a signal says what remains, and no other error takes its place.

    An interrupted lock or library may raise an error of its own from the signal's.
    """
    try:
        yield
    except BaseException as error:
        stop: BaseException | None = error
        while stop is not None and not isinstance(stop, KeyboardInterrupt):
            stop = stop.__context__
        if stop is None:
            raise
        stop.args = stop.args or ((remains,) if remains else ())
        raise stop from None


def _end_by_signal(number: int, frame: FrameType | None) -> None:
    """Say so, and end."""
    # Not by an exception, which an import might take for an error of its own.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"sketchlearn: interrupted\n")
    os._exit(128 + number)


def _raise_interrupt(number: int, frame: FrameType | None) -> None:
    """Stop whatever is going on."""
    raise Stopped(number=number)
