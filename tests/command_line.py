"""The command line in this process, for its tests."""

import numpy as np
from typer.testing import CliRunner

from sketchlearn.cli.app import app

NAMES = ["price", "weight"]


def rows(n=3_000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) + 10.0 * rng.integers(0, 3, size=(n, 1))


def run(*arguments):
    arguments = arguments[0] if isinstance(arguments[0], list) else arguments
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments):
    """Run a command that must go well; give what it printed."""
    result = run(*arguments)
    assert result.exit_code == 0, (result.output, result.stderr)
    assert result.stderr == "", result.stderr
    return result.stdout


def failed(*arguments, code=1):
    """Run a command that must fail; give its one line, or what the parser of options said."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    if code == 1 or "Usage: " not in result.stderr:
        assert result.stdout == ""
        assert result.stderr.startswith("sketchlearn: error: ")
        assert result.stderr.count("\n") == 1
    return result.stderr


def sketch(*arguments, data="day-*.parquet"):
    return ["sketch", data, "--columns", "price,weight", *arguments]
