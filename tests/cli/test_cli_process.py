"""The command line as a process of its own: terminals, pipes, interrupts, missing packages."""

import importlib
import os
import pty
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from sketchlearn import Checkpoint, Sketch, Sketcher

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "sketchlearn"]
SKETCH = ["sketch", "rows.npy", "-m", "50", "--clusters", "3", "--jobs", "1", "--checkpoint"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # Started by nohup or in the background, tests inherit that signals are ignored.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    np.save("rows.npy", np.random.default_rng(0).normal(size=(300_000, 2)))
    return tmp_path


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


# Interrupts itself, or is killed, the third time that some rows were added.
STOPPED = """
import os, signal, sys
from contextlib import contextmanager
from sketchlearn.cli import main, sketches
calls = 0
@contextmanager
def bar(what):
    def progress(n_rows, total):
        global calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.{})
    yield progress
sketches.progress_bar = bar
main()
"""


def test_an_interrupted_run_ends_with_130_and_goes_on_to_the_same_bytes(folder):
    sketcher = Sketcher(50, n_clusters=3, keep_pilot=False, random_state=0).fit(["rows.npy"])
    stopped = run([sys.executable, "-c", STOPPED.format("SIGINT"), *SKETCH, "-o", "x.sketch"])
    assert stopped.returncode == 130
    assert stopped.stdout == ""
    assert stopped.stderr == (
        "sketchlearn: interrupted: the checkpoint x.sketch.checkpoint remains; the same command "
        "goes on from it\n"
    )
    assert not Path("x.sketch").exists()

    again = run([*COMMAND, *SKETCH, "-o", "x.sketch"])
    assert again.returncode == 0, again.stderr
    assert again.stderr.startswith("sketchlearn: going on from x.sketch.checkpoint, after ")
    assert ", after 0 rows" not in again.stderr
    assert again.stdout == ""
    assert Path("x.sketch").read_bytes() == sketcher.sketch("rows.npy").to_bytes()
    assert sorted(os.listdir()) == ["rows.npy", "x.sketch"]


# Interrupted within a lock of Python's, which then fails in a way of its own.
STOPPED_IN_A_LOCK = STOPPED.replace(
    "            os.kill(os.getpid(), signal.{})\n",
    """\
            try:
                os.kill(os.getpid(), signal.{})
            except KeyboardInterrupt:
                raise RuntimeError("release unlocked lock")
""",
)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_error_that_a_signal_caused_is_told_as_the_signal(folder, name):
    program = STOPPED_IN_A_LOCK.format(name)
    stopped = run([sys.executable, "-c", program, *SKETCH, "-o", "x.sketch"])
    assert stopped.returncode == 128 + getattr(signal, name)
    word = "interrupted" if name == "SIGINT" else "terminated"
    assert stopped.stderr == (
        f"sketchlearn: {word}: the checkpoint x.sketch.checkpoint remains; the same command "
        "goes on from it\n"
    )
    assert Checkpoint("x.sketch.checkpoint").load().n_rows > 0


def test_a_sketch_goes_through_a_pipe(folder):
    arguments = [word for word in SKETCH if word != "--checkpoint"]
    assert run([*COMMAND, *arguments, "-o", "x.sketch"]).returncode == 0
    piped = subprocess.run(
        [*COMMAND, *arguments, "-o", "/dev/stdout"], capture_output=True, check=True
    )
    assert piped.stdout == Path("x.sketch").read_bytes()
    assert piped.stderr == b""
    told = subprocess.run(
        [*COMMAND, "info", "/dev/stdin"], input=piped.stdout, capture_output=True, check=True
    )
    expected = run([*COMMAND, "info", "x.sketch"]).stdout.splitlines()
    assert told.stdout.decode().splitlines()[2:] == expected[2:]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_terminated_run_writes_its_checkpoint_too(folder, name):
    stopped = run([sys.executable, "-c", STOPPED.format(name), *SKETCH, "-o", "x.sketch"])
    assert stopped.returncode == 128 + getattr(signal, name)
    assert stopped.stderr == (
        "sketchlearn: terminated: the checkpoint x.sketch.checkpoint remains; the same command "
        "goes on from it\n"
    )
    # Written when the signal came, for half a minute has not passed.
    assert Checkpoint("x.sketch.checkpoint").load().n_rows > 0
    again = run([*COMMAND, *SKETCH, "-o", "x.sketch"])
    assert again.returncode == 0, again.stderr
    assert sorted(os.listdir()) == ["rows.npy", "x.sketch"]
    stopped = run([sys.executable, "-c", STOPPED_DECODE.replace("SIGINT", name), *FIT])
    assert stopped.returncode == 128 + getattr(signal, name)
    assert stopped.stderr == "sketchlearn: terminated: nothing was written\n"
    assert sorted(os.listdir()) == ["rows.npy", "x.sketch"]


# Sends itself a signal when a module is about to be imported.
STOPPED_EARLY = """
import os, runpy, signal, sys
def hook(event, arguments):
    if event == "import" and arguments[0] == "{}":
        os.kill(os.getpid(), signal.{})
sys.addaudithook(hook)
sys.argv[0] = "sketchlearn"
runpy.run_module("sketchlearn", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("module", "name"), [("typer", "SIGINT"), ("numpy", "SIGINT"), ("sklearn", "SIGTERM")]
)
def test_an_interrupt_while_it_starts_is_no_traceback(folder, module, name):
    program = STOPPED_EARLY.format(module, name)
    stopped = run([sys.executable, "-c", program, *SKETCH, "-o", "x.sketch"])
    assert stopped.returncode == 128 + getattr(signal, name)
    assert stopped.stderr == "sketchlearn: interrupted\n"
    assert stopped.stdout == ""
    assert os.listdir() == ["rows.npy"]


def test_signals_that_are_ignored_stay_ignored(folder):
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + STOPPED.format(
        "SIGHUP"
    )
    done = run([sys.executable, "-c", program, *SKETCH, "-o", "x.sketch"])
    assert done.returncode == 0, done.stderr
    assert Sketch.load("x.sketch").n_samples == 300_000


def test_a_killed_run_goes_on_too_and_an_interrupt_without_checkpoint_leaves_nothing(folder):
    arguments = [*SKETCH, "-o", "x.sketch"]
    killed = run([sys.executable, "-c", STOPPED.format("SIGKILL"), *arguments])
    assert killed.returncode == -signal.SIGKILL
    assert sorted(os.listdir()) == ["rows.npy", "x.sketch.checkpoint"]
    assert run([*COMMAND, *arguments]).returncode == 0
    assert Sketch.load("x.sketch").n_samples == 300_000

    arguments = [word for word in SKETCH if word != "--checkpoint"]
    stopped = run([sys.executable, "-c", STOPPED.format("SIGINT"), *arguments, "-o", "y.sketch"])
    assert stopped.returncode == 130
    assert stopped.stderr == "sketchlearn: interrupted: nothing was written\n"
    assert sorted(os.listdir()) == ["rows.npy", "x.sketch"]


def test_a_terminal_sees_progress(folder):
    seen = on_a_terminal([*COMMAND, "sketch", "rows.npy", "-m", "50", "-o", "x.sketch"])
    for text in (b"sketching", b"300,000 rows", b"rows/s", b"0:00:00", b"300,000 rows of 2 feat"):
        assert text in seen


def test_a_terminal_sees_how_far_a_decode_is(folder):
    assert run([*COMMAND, *SKETCH, "-o", "x.sketch"]).returncode == 0
    seen = on_a_terminal([*COMMAND, "fit", "kmeans", "x.sketch", "-k", "3", "-o", "x.model"])
    assert b"x.model: " in seen
    assert b"MeanShift, decode 1: " in seen
    assert b"x.model: good, cost " in seen
    piped = run([*COMMAND, "fit", "kmeans", "x.sketch", "-k", "3", "-o", "y.model"])
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, "", "")
    assert Path("x.model").read_bytes() == Path("y.model").read_bytes()


# Interrupts itself as soon as a decode says how far it is.
STOPPED_DECODE = """
import os, signal
from sketchlearn.cli import main
from sketchlearn.decoders import on_progress
with on_progress(lambda progress: os.kill(os.getpid(), signal.SIGINT)):
    main()
"""


FIT = ["fit", "kmeans", "x.sketch", "-k", "3", "-o", "x.model"]


def test_an_interrupted_decode_writes_nothing_and_leaves_the_sketch(folder):
    assert run([*COMMAND, *SKETCH, "-o", "x.sketch"]).returncode == 0
    before = Path("x.sketch").read_bytes()
    stopped = run([sys.executable, "-c", STOPPED_DECODE, *FIT])
    assert stopped.returncode == 130
    assert stopped.stderr == "sketchlearn: interrupted: nothing was written\n"
    assert sorted(os.listdir()) == ["rows.npy", "x.sketch"]
    assert Path("x.sketch").read_bytes() == before


def on_a_terminal(command):
    """What a terminal shows of a command that succeeds."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        while chunk := read(ours):
            seen += chunk
    os.close(ours)
    assert process.returncode == 0, seen
    return seen


def read(terminal):
    """What a terminal shows next; nothing once the program has gone."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_a_pipe_that_is_closed_early_is_no_traceback(folder):
    assert run([*COMMAND, "sketch", "rows.npy", "-m", "50", "-o", "x.sketch"]).returncode == 0
    with subprocess.Popen(
        [*COMMAND, "info", "x.sketch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode in (0, 1)
    assert told == b""


def test_without_typer_it_says_what_to_install(folder):
    program = "import sys; sys.modules['typer'] = None; from sketchlearn.cli import main; main()"
    done = run([sys.executable, "-c", program])
    assert done.returncode == 1
    assert done.stderr == (
        "sketchlearn: error: the command line needs typer: install sketchlearn[cli]\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(folder, shell):
    # What `--show-completion` prints asks in this way, with the name of the installed command.
    words = {
        "bash": {"COMP_WORDS": "sketchlearn fi", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "sketchlearn fi"},
        "fish": {
            "_TYPER_COMPLETE_ARGS": "sketchlearn fi",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }[shell]
    environment = {**os.environ, "_SKETCHLEARN_COMPLETE": f"complete_{shell}", **words}
    done = run(COMMAND, env=environment)
    assert "fit" in done.stdout, done.stderr
    assert "merge" not in done.stdout


def test_the_installed_command_is_this_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, name = project["scripts"]["sketchlearn"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
