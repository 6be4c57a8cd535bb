"""The command line: sketch, operator, merge, subtract, info, compare, count, fit and so on."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; it needs typer and rich."""
    # Before anything that takes long to import.
    from sketchlearn.cli.signals import leave_on_signals

    leave_on_signals()
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError:
        sys.exit("sketchlearn: error: the command line needs typer: install sketchlearn[cli]")
    from sketchlearn.cli.app import app

    app(prog_name="sketchlearn")
