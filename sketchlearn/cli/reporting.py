"""What people see of a run: progress, warnings, errors of one line, exit codes."""

from __future__ import annotations

import ast
import functools
import os
import re
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from sketchlearn._progress import on_progress
from sketchlearn.cli.signals import raise_signals, tell_if_stopped
from sketchlearn.cli.usage import UsageError

FAILED, MISUSED = 1, 2
# What the library's messages call parameters, and what the command line has in their place.
OPTIONS = {
    "alpha": "--alpha",
    "bounds": "--bounds",
    "covariance_type": "--covariance",
    "max_bytes": "--bytes",
    "max_memory": "--max-memory",
    "max_seconds": "--seconds",
    "n_clusters": "--clusters",
    "n_components": "--components",
    "n_frequencies": "--frequencies",
    "n_init": "--n-init",
    "n_jobs": "--jobs",
    "n_workers": "--workers",
    "random_state": "--seed",
    "sample_weight": "--weight",
}
FIELD = r"pyarrow\.compute\.field\((?P<{}>'[^']*'|\"[^\"]*\")\)"
CONDITION = re.compile(
    rf"open_source\(\.\.\., filter=(?:{FIELD.format('valid')}\.is_valid\(\)"
    rf"|pyarrow\.compute\.is_finite\({FIELD.format('finite')}\))\)"
)
# Settings that are words, perhaps of a Sketcher, and advice that Python alone can follow.
SETTINGS = {
    "covariance_type": "--covariance",
    "features": "--features",
    "moments": "--moments",
    "operator": "--transform",
    "scale": "--scale",
}
SETTING = re.compile(rf"(?<![\w'\"./-])({'|'.join(SETTINGS)})=(['\"])(\w+)\2")
SKETCHER = re.compile(r"(?:with |of )?(?:a )?Sketcher(?:\(| with )(--\w+ \w+)\)?")
PHRASES = {
    ", for instance with sklearn.impute.SimpleImputer": "",
    "; use load_model": ": predict, info and report take one",
    "; use PrivateSketch.load": ": fit, count, compare, info and report take one, and merge others "
    "like it",
    "; use Sketch.load": ": fit, count, info and report take one",
    ", or call fit with the rows, which looks at the rows themselves": "",
    "Call fit with the rows, or leave the outliers out": "Leave the outliers out, by --filter, or "
    "call fit with the rows in Python",
    "Call fit with the rows, which runs EM on some of them": "Call fit with the rows in Python, "
    "which runs EM on some of them",
    "all fit with the rows, or try": "all fit with the rows in Python, or try",
    "all fit with the rows.": "all fit with the rows in Python.",
    "Call fit with the rows, which looks at": "Call fit with the rows in Python, which looks at",
    "Set reg_covar=": "Set, in Python, reg_covar=",
    "with count_clusters": "with the command count",
    "--moments auto": "--moments full",
    "paired=True": "--paired",
    "open_source(..., columns=[...])": "--columns",
    "give it with operator=": "give it with --operator",
    "load it with operator=, a FrequencyOperator or the file that FrequencyOperator.save wrote": (
        "give it with --operator, a file that the command operator wrote"
    ),
    "with that of Sketcher.from_domain(lower, upper, clip=True), where lower and upper are known "
    "without looking at the data": "with --domain, a file of the command domain, whose numbers are "
    "known without looking at the data",
    "n_samples must be": "--rows must be",
    "error must be": "--error must be",
    "keeps to error=": "keeps to --error=",
    "epsilon must be": "--epsilon must be",
    "delta must be": "--delta must be",
    "radius must be": "--radius must be",
    "n_features must be": "--columns must be",
    "fit the sketcher on rows like these": "make a sketch of rows like these without --like",
    "a sketcher with --scale mixed, fitted on rows like these": "a sketch of rows like these, made "
    "with --scale mixed",
}
PARAMETER = re.compile(rf"(?<![\w'\"./-])({'|'.join(OPTIONS)})(?:=(\w+))?(?![\w'\"/]|\.\w)")

# Called with the rows so far and of all, None if nobody knows.
OnProgress = Callable[[int, int | None], None]


def say(text: str) -> None:
    """Write one line to standard error."""
    typer.echo(f"sketchlearn: {escape(' '.join(text.split()))}", err=True)


def escape(text: str) -> str:
    r"""Return text that a terminal shows as it is: what would steer it comes as ``\x1b`` and so on.

    Names of files and columns may hold anything.
    """
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)


def reword_options(text: str) -> str:
    """Return a message of the library in the words of the command line: n_init is --n-init."""
    text = CONDITION.sub(_reword_filter, text)
    text = SETTING.sub(lambda m: f"{SETTINGS[m[1]]} {m[3]}", text)
    text = SKETCHER.sub(r"with \1", text)
    text = PARAMETER.sub(lambda m: OPTIONS[m[1]] + (f" {m[2]}" if m[2] else ""), text)
    for said, shown in PHRASES.items():
        text = text.replace(said, shown)
    return text


def note(text: str) -> None:
    """Write one line to standard error if somebody looks on; a pipe or a log stays quiet."""
    if sys.stderr.isatty():
        say(text)


def report(command: Callable[..., None]) -> Callable[..., None]:
    """Turn warnings and expected errors into lines, and errors into exit codes."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with raise_signals(), warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = _show_warning
            try:
                with tell_if_stopped():
                    command(*args, **kwargs)
            except KeyboardInterrupt as interrupt:
                number = getattr(interrupt, "number", signal.SIGINT)
                word = "interrupted" if number == signal.SIGINT else "terminated"
                say(": ".join([word, *map(str, interrupt.args)]))
                raise typer.Exit(128 + number) from None
            except BrokenPipeError:
                # Whoever read has gone, `head` for instance; Python must not write there again.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(FAILED) from None
            except OSError as error:
                say(f"error: {_format_os_error(error)}")
                raise typer.Exit(FAILED) from None
            except MemoryError:
                say("error: out of memory")
                raise typer.Exit(FAILED) from None
            except (ValueError, TypeError, ImportError) as error:
                say(f"error: {reword_options(str(error))}")
                is_misused = isinstance(error, UsageError)
                raise typer.Exit(MISUSED if is_misused else FAILED) from None

    return run


def _reword_filter(match: re.Match[str]) -> str:
    """Return the option that is a condition of pyarrow."""
    name = ast.literal_eval(match["valid"] or match["finite"])
    if not re.fullmatch(r"\w+", name):
        quotes = name.replace('"', '""')
        name = f'"{quotes}"'
    condition = f"{name} is not null" if match["valid"] else f"{name} is finite"
    return f"--filter {shlex.quote(condition)}"


@contextmanager
def progress_bar(what: str) -> Iterator[OnProgress | None]:
    """Return what shows rows, rows a second and time left; None unless on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
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
        on_progress(lambda progress: status.update(Text(escape(str(progress))))),
    ):
        yield


class _RowsPerSecond(ProgressColumn):
    """Rows per second, recently."""

    def render(self, task: Task) -> Text:
        """Return the text of a task."""
        return Text("" if task.speed is None else f"{task.speed:,.0f} rows/s")


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"warning: {reword_options(str(message))}")


def _format_os_error(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror}"
