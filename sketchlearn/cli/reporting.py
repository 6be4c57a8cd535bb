"""What people see of a run: progress, warnings, errors of one line, exit codes."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from sketchlearn.decoders import on_progress

FAILED, INTERRUPTED = 1, 130

# Called with the rows so far and of all, None if nobody knows.
OnProgress = Callable[[int, int | None], None]


def say(text: str) -> None:
    """Write one line to standard error."""
    typer.echo(f"sketchlearn: {' '.join(text.split())}", err=True)


def note(text: str) -> None:
    """Write one line to standard error if somebody looks on; a pipe or a log stays quiet."""
    if sys.stderr.isatty():
        say(text)


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turn warnings and expected errors into lines, and errors into exit codes."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = _show_warning
            try:
                command(*args, **kwargs)
            except KeyboardInterrupt as interrupt:
                say(": ".join(["interrupted", *map(str, interrupt.args)]))
                raise typer.Exit(INTERRUPTED) from None
            except BrokenPipeError:
                # Whoever read has gone, `head` for instance; Python must not write there again.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(FAILED) from None
            except OSError as error:
                say(f"error: {_os_message(error)}")
                raise typer.Exit(FAILED) from None
            except MemoryError:
                say("error: out of memory")
                raise typer.Exit(FAILED) from None
            except (ValueError, TypeError, ImportError) as error:
                say(f"error: {error}")
                raise typer.Exit(FAILED) from None

    return run


@contextmanager
def progress_bar(what: str) -> Iterator[OnProgress]:
    """Give what shows rows, rows a second and time left; nothing unless on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda n_rows, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        _RowsPerSecond(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None)
        yield lambda n_rows, total: progress.update(task, completed=n_rows, total=total)


@contextmanager
def decode_status() -> Iterator[None]:
    """Show how far a decode is; nothing unless on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with (
        console.status("decoding") as status,
        on_progress(lambda progress: status.update(str(progress))),
    ):
        yield


class _RowsPerSecond(ProgressColumn):
    """Speed of late."""

    def render(self, task: Task) -> Text:
        """Give the text of a task."""
        return Text("" if task.speed is None else f"{task.speed:,.0f} rows/s")


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Write a warning as one line."""
    say(f"warning: {message}")


def _os_message(error: OSError) -> str:
    """Say what the system said, and of which file."""
    if error.strerror is None:
        return str(error)
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror}"
